"""Win rates at equal lengths are those of a logistic regression by statsmodels; a judge that likes length is seen."""

from __future__ import annotations

from math import log, tanh

import numpy as np
import pytest
from votes import NAMES, made_up

from edge_judge.analysis.ranking.games import Game, Games, games, soft_scores
from edge_judge.analysis.ranking.length_control import Resized, length_controlled, length_preference
from edge_judge.analysis.ranking.logistic import Rows, logistic, regress
from edge_judge.errors import DataError, UsageError
from edge_judge.metrics.intervals import Numbers


def liking_length(liking: float, questions: int, seed: int, systems: int = 3, shift: int = 0) -> Games:
    """Votes by a judge that adds `liking` times tanh(difference / 300) to the log odds.

    Systems are equally good; the answers of the first are `shift` characters longer.
    """
    chance = np.random.default_rng(seed)
    rows = []
    for question in range(questions):
        sizes = chance.integers(100, 900, systems) + np.array([shift, *[0] * (systems - 1)])
        luck = 0.7 * chance.standard_normal(systems)
        for i, j in zip(*np.triu_indices(systems, 1), strict=True):
            p = float(logistic(luck[i] - luck[j] + liking * np.tanh((sizes[i] - sizes[j]) / 300)))
            verdict = "first" if chance.random() < p else "second"
            rows += [
                Game(
                    f"q{question}",
                    NAMES[i],
                    NAMES[j],
                    order,
                    verdict,
                    length_first=int(sizes[i]),
                    length_second=int(sizes[j]),
                )
                for order in ("ab", "ba")
            ]
    return games(rows, NAMES[:systems])


def by_statsmodels(design: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    api = pytest.importorskip("statsmodels.api", reason="compares with statsmodels: pip install '.[test]'")
    return api.GLM(scores, design, family=api.families.Binomial(), var_weights=weights).fit(tol=1e-14).params


def test_it_is_the_regression_of_statsmodels_with_difficulties_and_resized_answers() -> None:
    votes = made_up([0.4, 0.0], 50, 1, soft=True)
    chance = np.random.default_rng(2)
    difficulty = {f"q{n}": float(chance.standard_normal()) for n in range(50)}
    resized = Resized(chance.uniform(-1, 1, 20), chance.standard_normal(20), chance.random(20), 0.1)
    (found,) = length_controlled(votes, "bert", difficulty=difficulty, resized=resized, prior=1.0)
    frame = votes.frame
    longer = (frame["length_first"] - frame["length_second"]).to_numpy(float)
    hard = np.array([difficulty[question] for question in frame["question"]])
    design = np.stack([np.ones(len(frame)), np.tanh(longer / longer.std(ddof=1)), hard], axis=1)
    more = np.stack([np.zeros(20), resized.lengths, resized.difficulties], axis=1)
    scores = np.concatenate([soft_scores(votes), np.full(3, 0.5), resized.scores])
    weights = np.concatenate([np.ones(len(frame) + 3), np.full(20, 0.1)])
    theirs = by_statsmodels(np.concatenate([design, np.eye(3), more]), scores, weights)
    assert found.length.value == pytest.approx(theirs[1], abs=1e-6)
    assert found.win_rate.value == pytest.approx(logistic(theirs[0] + theirs[2] * hard).mean(), abs=1e-6)
    assert found.longer == pytest.approx(longer.mean())


def test_the_errors_are_those_of_leaving_out_each_cluster_in_turn() -> None:
    """Refitted by statsmodels without it. Ours takes one step instead of a whole fit, which is nearly as far."""
    api = pytest.importorskip("statsmodels.api", reason="compares with statsmodels: pip install '.[test]'")
    chance = np.random.default_rng(3)
    columns, clusters = chance.standard_normal((300, 3)), chance.integers(0, 25, 300)
    scores = (chance.random(300) < logistic(columns[:, 0] + chance.standard_normal(25)[clusters])).astype(float)
    ours = regress(Rows(columns, scores, np.ones(300)), clusters, prior=0)

    def fitted(rows: Numbers) -> Numbers:
        return api.GLM(scores[rows], columns[rows], family=api.families.Binomial()).fit(tol=1e-14).params

    assert ours.coefficients == pytest.approx(fitted(np.full(300, True)), abs=1e-8)
    moved = np.array([fitted(clusters != one) for one in range(25)]) - ours.coefficients
    errors = np.sqrt(24 / 25 * (moved**2).sum(axis=0))
    assert ours.covariance is not None and np.sqrt(np.diag(ours.covariance)) == pytest.approx(errors, rel=0.02)


def test_one_step_without_a_cluster_is_written_out() -> None:
    """With a prior, which stays where a cluster is left out."""
    chance = np.random.default_rng(4)
    columns, scores, clusters = chance.standard_normal((40, 2)), chance.random(40), np.arange(40) // 4
    found = regress(Rows(columns, scores, np.ones(40)), clusters, prior=1.0)
    whole = logistic(found.coefficients)
    expected = np.zeros((2, 2))
    for one in range(10):
        own, rest = columns[clusters == one], columns[clusters != one]
        shares = logistic(rest @ found.coefficients)
        information = rest.T @ np.diag(shares * (1 - shares)) @ rest + np.diag(whole * (1 - whole))
        score = own.T @ (scores[clusters == one] - logistic(own @ found.coefficients))
        step = np.linalg.inv(information) @ score
        expected += 9 / 10 * np.outer(step, step)
    assert found.covariance == pytest.approx(expected, rel=1e-9)


def test_errors_are_those_of_statsmodels_sandwich_where_clusters_are_many() -> None:
    api = pytest.importorskip("statsmodels.api", reason="compares with statsmodels: pip install '.[test]'")
    chance = np.random.default_rng(5)
    columns, clusters = chance.standard_normal((8000, 2)), np.arange(8000) // 4
    scores = (chance.random(8000) < logistic(columns[:, 0] + chance.standard_normal(2000)[clusters])).astype(float)
    ours = regress(Rows(columns, scores, np.ones(8000)), clusters, prior=0)
    model = api.GLM(scores, columns, family=api.families.Binomial())
    theirs = model.fit(cov_type="cluster", cov_kwds={"groups": clusters}).bse
    assert ours.covariance is not None and np.sqrt(np.diag(ours.covariance)) == pytest.approx(theirs, rel=0.01)


def test_a_system_that_wins_by_length_alone_is_no_better_at_equal_lengths() -> None:
    votes = liking_length(2.0, 600, 4, shift=250)
    raw = dict.fromkeys(votes.systems, 0.0)
    (longest, other) = length_controlled(votes, "cleo")
    between = votes.frame[(votes.frame["first"] == "ada") & (votes.frame["second"] == "cleo")]
    raw["ada"] = (between["verdict"] == "first").mean()
    assert raw["ada"] > 0.6
    assert longest.win_rate.low < 0.5 < longest.win_rate.high
    assert longest.length.low > 0
    assert longest.longer == pytest.approx(250, abs=40) and abs(other.longer) < 40


def test_the_preference_for_length_is_found_or_its_absence() -> None:
    liked, none = (length_preference(liking_length(liking, 300, 5)) for liking in (1.5, 0.0))
    assert liked.coefficient.low > 0 and liked.win_rate.value > 0.65
    assert none.coefficient.low < 0 < none.coefficient.high and none.win_rate.low < 0.5 < none.win_rate.high
    assert liked.win_rate.value == pytest.approx(1 / (1 + np.exp(-liked.coefficient.value * tanh(1))))


def test_the_preference_does_not_depend_on_which_system_is_named_first() -> None:
    votes = liking_length(1.0, 60, 6)
    turned = length_preference(votes.reordered(votes.systems[::-1]))
    assert turned.coefficient.value == pytest.approx(length_preference(votes).coefficient.value, abs=1e-9)


def test_answers_of_equal_length_say_nothing_about_length() -> None:
    rows = [Game(f"q{n}", "ada", "bert", "ab", "first", length_first=9, length_second=9) for n in range(20)]
    (found,) = length_controlled(games(rows), "bert")
    assert found.length.value is None
    assert found.win_rate.value == pytest.approx(20.5 / 21)  # one vote, half for and half against, is the prior
    assert length_preference(games(rows)).coefficient.value is None


def test_a_system_that_always_wins_keeps_a_win_rate_below_one() -> None:
    rows = [Game(f"q{n}", "ada", "bert", "ab", "first", length_first=n, length_second=20) for n in range(40)]
    (found,) = length_controlled(games(rows), "bert")
    assert 0.9 < found.win_rate.value < 1
    assert found.win_rate.low < found.win_rate.value < found.win_rate.high


def test_a_system_without_a_vote_against_the_baseline_is_undefined() -> None:
    rows = [Game("q", "ada", "bert", "ab", "first"), Game("q", "ada", "cleo", "ab", None)]
    bert, cleo = length_controlled(games(rows), "ada")
    assert cleo.win_rate.value is None and cleo.votes == 0 and cleo.longer is None
    assert bert.votes == 1 and (bert.win_rate.low, bert.win_rate.high) == (0.0, 1.0)


def test_a_wrong_baseline_and_a_missing_difficulty_are_refused() -> None:
    votes = made_up([0.0, 0.0], 3, 1)
    with pytest.raises(UsageError, match="no system is named 'zoe'"):
        length_controlled(votes, "zoe")
    with pytest.raises(DataError, match="no difficulty for 2 questions, the first of them 'q1'"):
        length_controlled(votes, "ada", difficulty={"q0": 0.0})


def test_intervals_hold_the_preference_that_votes_were_made_with() -> None:
    """At equal luck the log odds are exactly the model's, so the coefficient that was put in is the truth."""
    chance, held = np.random.default_rng(7), 0
    for _ in range(300):
        longer = chance.uniform(-1, 1, 60)
        scores = (chance.random(60) < logistic(0.3 + 1.0 * longer)).astype(float)
        found = regress(Rows(np.stack([np.ones(60), longer], axis=1), scores, np.ones(60)), np.arange(60))
        figure = found.figure(1)
        held += figure.low <= 1.0 <= figure.high
    assert 0.92 <= held / 300 <= 0.98


def test_log_odds_far_out_do_not_overflow() -> None:
    assert logistic(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
    assert logistic(np.array([log(3)]))[0] == pytest.approx(0.75)
