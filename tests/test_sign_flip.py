"""The p of a paired difference against scipy, and what loss could have been seen against a plain sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edge_judge.metrics.sign_flip import holm, sign_flip, smallest_loss


@given(st.integers(0, 300), st.integers(0, 300))
def test_with_one_discordant_trial_a_cluster_it_is_mcnemars_exact_test(lost: int, won: int) -> None:
    differences = np.array([1] * lost + [-1] * won + [0] * 3)
    expected = stats.binomtest(lost, lost + won).pvalue if lost + won else 1.0
    assert sign_flip(differences, np.arange(len(differences))) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 7)), min_size=2, max_size=30))
def test_it_is_scipys_permutation_test_of_the_sums_of_clusters(drawn: list[tuple[int, int]]) -> None:
    differences, clusters = np.array(drawn).T
    sums = np.bincount(clusters, differences, 8)
    oracle = stats.permutation_test(
        (sums,), lambda x, axis: x.sum(axis=axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert sign_flip(differences, clusters) == pytest.approx(oracle.pvalue, rel=1e-9)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.randoms())
def test_neither_the_order_of_clusters_nor_which_judge_is_called_better_matters(sums: list[int], random) -> None:
    shuffled = random.sample(sums, len(sums))
    first, second, mirrored = (
        sign_flip(np.array(one), np.arange(len(sums))) for one in (sums, shuffled, [-value for value in sums])
    )
    assert first == second == mirrored


def test_votes_that_flip_together_are_one_piece_of_evidence() -> None:
    clusters = np.repeat(np.arange(5), 12)
    assert sign_flip(np.ones(60, int), clusters) == 2 / 2**5
    assert sign_flip(np.array([], int), np.array([], int)) == 1.0


def test_where_nothing_differs_all_is_as_expected() -> None:
    assert sign_flip(np.zeros(9, int), np.arange(9)) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_is_statsmodels_holm(probabilities: list[float]) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="pip install '.[test]'")
    assert holm(probabilities) == pytest.approx(multitest.multipletests(probabilities, method="holm")[1])


def test_holm_by_hand_and_what_was_no_test_does_not_count() -> None:
    assert holm([0.03, None, 0.01, 0.02]) == pytest.approx((0.04, None, 0.03, 0.04))
    assert holm([0.4, 0.9]) == (0.8, 0.9)
    assert holm([]) == ()


@pytest.mark.parametrize(("size", "lost", "won"), [(600, 0, 0), (300, 9, 9), (150, 20, 11), (1000, 3, 1)])
def test_the_smallest_loss_is_the_first_whose_exact_power_reaches_four_fifths(size: int, lost: int, won: int) -> None:
    down, up = np.arange(size) < lost, np.arange(size) >= size - won
    found = smallest_loss(down, up, np.arange(size))
    assert found is not None
    assert plain_power(found, (lost + won) / size, size) >= 0.8 > plain_power(found - 1e-4, (lost + won) / size, size)


def plain_power(loss: float, discordant: float, size: int) -> float:
    share = max(loss, discordant)
    total = 0.0
    for count in range(1, size + 1):
        chance = stats.binom.pmf(count, size, share)
        if chance > 1e-12:
            most = stats.binom.ppf(0.025, count, 0.5)  # the first with more than 2.5 % below or at it
            most -= stats.binom.cdf(most, count, 0.5) > 0.025
            total += chance * stats.binom.cdf(most, count, (share - loss) / (2 * share)) if most >= 0 else 0.0
    return total


def test_pairs_that_flip_in_both_orders_together_show_less() -> None:
    never = np.zeros(600, bool)
    apart, together = (smallest_loss(never, never, clusters) for clusters in (np.arange(600), np.arange(600) // 2))
    assert apart is not None and together is not None and together > 1.9 * apart


def test_too_few_trials_would_show_no_loss_at_all() -> None:
    never = np.zeros(5, bool)
    assert smallest_loss(never, never, np.arange(5)) is None
    assert smallest_loss(never[:0], never[:0], np.arange(0)) is None
