"""The Bradley-Terry model with ties, held to closed forms, a plain likelihood and statsmodels."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from edge_judge.analysis.ranking.davidson import Totals, fit

PAIRS = np.array([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])


def totals(wins: np.ndarray, losses: np.ndarray, ties: np.ndarray, systems: int = 4) -> Totals:
    """Of samples: each array has the shape (samples, pairs)."""
    first, second = np.triu_indices(systems, 1)
    return Totals(systems, first, second, wins + losses + ties, wins + ties / 2, ties)


def drawn(seed: int, tied: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    wins, losses, ties = chance.integers(1, 30, (3, 1, len(PAIRS))) + chance.random((3, 1, len(PAIRS)))
    return wins, losses, ties if tied else np.zeros_like(ties)


def minus_log_likelihood(theta: np.ndarray, log_nu: float, counts: tuple[np.ndarray, ...], prior: float) -> float:
    """A plain loop over pairs."""
    total = 0.0
    for (i, j), win, loss, tie in zip(PAIRS, *(part[0] for part in counts), strict=True):
        a, b = exp(theta[i]), exp(theta[j])
        tied = exp(log_nu) * sqrt(a * b)
        total += win * log(a / (a + b + tied)) + loss * log(b / (a + b + tied))
        total += tie * log(tied / (a + b + tied)) if tie else 0.0
    return -total - sum(prior * log(exp(one) / (1 + exp(one)) ** 2) for one in theta)


@pytest.mark.parametrize("prior", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_the_strengths_are_those_at_the_maximum_of_the_plain_likelihood(seed: int, prior: float) -> None:
    counts = drawn(seed, tied=True)
    found = fit(totals(*counts), prior)
    start = np.zeros(4 if prior else 3)

    def loss(values: np.ndarray) -> float:
        theta = values[:-1] if prior else np.append(values[:-1], -values[:-1].sum())
        return minus_log_likelihood(theta, values[-1], counts, prior)

    best = minimize(loss, np.append(start, 0.0), method="BFGS", options={"gtol": 1e-7})
    theta, log_nu = found.theta[0], float(found.log_nu[0])
    assert minus_log_likelihood(theta, log_nu, counts, prior) <= best.fun + 1e-9
    expected = best.x[:-1] if prior else np.append(best.x[:-1], -best.x[:-1].sum())
    assert theta - theta.mean() == pytest.approx(expected - expected.mean(), abs=1e-4)
    assert log_nu == pytest.approx(best.x[-1], abs=1e-4)


@given(st.tuples(*[st.floats(0.5, 1000)] * 3))
def test_two_systems_have_the_odds_of_their_own_votes(counts: tuple[float, float, float]) -> None:
    win, loss, tie = counts
    found = fit(totals(*(np.array([[part]]) for part in counts), systems=2), prior=0)
    assert found.theta[0, 0] - found.theta[0, 1] == pytest.approx(log(win / loss), abs=1e-8)
    assert found.log_nu[0] == pytest.approx(log(tie / sqrt(win * loss)), abs=1e-8)


@pytest.mark.parametrize("prior", [0.0, 0.5])
def test_without_ties_it_is_the_logistic_regression_of_statsmodels(prior: float) -> None:
    api = pytest.importorskip("statsmodels.api", reason="compares with statsmodels: pip install '.[test]'")
    wins, losses, ties = drawn(7, tied=False)
    design = np.zeros((len(PAIRS), 4))
    design[np.arange(len(PAIRS)), PAIRS[:, 0]], design[np.arange(len(PAIRS)), PAIRS[:, 1]] = 1, -1
    shares, weights = wins[0] / (wins + losses)[0], (wins + losses)[0]
    if prior:
        design = np.concatenate([design, np.eye(4)])
        shares, weights = np.append(shares, np.full(4, 0.5)), np.append(weights, np.full(4, 2 * prior))
    else:
        design = design[:, 1:]
    family = api.families.Binomial()
    theirs = api.GLM(shares, design, family=family, var_weights=weights).fit(tol=1e-14).params
    ours = fit(totals(wins, losses, ties), prior).theta[0]
    assert ours - (0 if prior else ours[0]) == pytest.approx(theirs if prior else np.append(0, theirs), abs=1e-6)


def test_without_ties_it_is_the_logistic_regression_of_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason="compares with scikit-learn: pip install '.[test]'")
    wins, losses, ties = drawn(8, tied=False)
    design = np.zeros((2 * len(PAIRS), 4))
    rows = np.arange(len(PAIRS))
    design[rows, PAIRS[:, 0]], design[rows, PAIRS[:, 1]] = 1, -1
    design[len(PAIRS) :] = design[: len(PAIRS)]
    said = np.repeat([1, 0], len(PAIRS))
    model = linear.LogisticRegression(C=1e12, fit_intercept=False, tol=1e-12, max_iter=10_000)
    model.fit(design[:, 1:], said, sample_weight=np.concatenate([wins[0], losses[0]]))
    ours = fit(totals(wins, losses, ties), prior=0).theta[0]
    assert (ours - ours[0])[1:] == pytest.approx(model.coef_[0], abs=1e-6)


def test_every_system_has_the_score_that_the_model_expects_of_it() -> None:
    """What Davidson's model has and Rao and Kupper's has not: ratings depend on wins plus half of the ties alone."""
    wins, losses, ties = drawn(3, tied=True)
    moved = np.minimum(np.minimum(wins, losses), 0.5)
    one, other = totals(wins, losses, ties), totals(wins - moved, losses - moved, ties + 2 * moved)
    other = Totals(4, other.first, other.second, other.votes, other.score, one.ties)
    assert fit(one).theta == pytest.approx(fit(other).theta, abs=1e-9)


def test_many_samples_are_fitted_as_each_alone() -> None:
    chance = np.random.default_rng(5)
    wins, losses, ties = chance.integers(0, 12, (3, 300, len(PAIRS))).astype(float)
    together = fit(totals(wins, losses, ties))
    for row in (0, 1, 299):
        alone = fit(totals(wins[[row]], losses[[row]], ties[[row]]))
        assert together.theta[row] == pytest.approx(alone.theta[0], abs=1e-9)
    warm = fit(totals(wins, losses, ties), start=fit(totals(wins[:1], losses[:1], ties[:1])))
    assert warm.theta == pytest.approx(together.theta, abs=1e-9)


def test_a_system_that_wins_every_vote_stays_finite_and_as_far_as_half_a_lost_vote_says() -> None:
    for count in (10.0, 1000.0):
        won = np.array([[count]])
        found = fit(totals(won, 0 * won, 0 * won, systems=2))
        apart = found.theta[0, 0] - found.theta[0, 1]
        assert log(count) < apart < log(8 * count)


def test_votes_that_are_all_ties_leave_the_systems_equal() -> None:
    ties = np.full((1, len(PAIRS)), 5.0)
    found = fit(totals(0 * ties, 0 * ties, ties))
    assert found.theta == pytest.approx(np.zeros((1, 4)), abs=1e-9)


def test_two_systems_that_are_made_equal_have_the_best_common_strength() -> None:
    counts = drawn(9, tied=True)
    found = fit(totals(*counts), prior=0, equal=np.array([[1, 3]]), start=fit(totals(*counts), prior=0))
    assert found.theta[0, 1] == pytest.approx(found.theta[0, 3], abs=1e-12)

    def loss(values: np.ndarray) -> float:
        return minus_log_likelihood(values[[0, 1, 2, 1]], values[3], counts, 0)

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-7})
    assert minus_log_likelihood(found.theta[0], float(found.log_nu[0]), counts, 0) == pytest.approx(best.fun, abs=1e-8)
