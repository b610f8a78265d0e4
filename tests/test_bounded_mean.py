"""The test of a mean below zero: against Clopper and Pearson, against weights that are drawn, and by its bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edge_judge.metrics.bounded_mean import FEWEST, copies_needed, mean_interval, surely_below_zero, unseen_size


def drawn(values: np.ndarray, worst: float, draws: int = 200_000) -> float:
    """How often a mean by random weights is not below zero, one cluster as bad as can be added."""
    weights = np.random.default_rng(1).dirichlet(np.ones(len(values) + 1), draws)
    return float((weights @ np.append(values, worst) >= 0).mean())


@pytest.mark.parametrize(("n", "wrong", "asked"), [(60, 0, 0.05), (300, 5, 0.04), (2000, 60, 0.04), (10, 1, 0.5)])
def test_where_a_cluster_is_one_trial_it_is_the_bound_of_clopper_and_pearson(n: int, wrong: int, asked: float) -> None:
    values = np.where(np.arange(n) < wrong, 1 - asked, -asked)
    assert surely_below_zero(values, 1 - asked) == pytest.approx(stats.binom.cdf(wrong, n, asked))


@pytest.mark.parametrize("clusters", [5, 6, 10, 30, 60])
def test_p_is_how_often_random_weights_have_no_mean_below_zero(clusters: int) -> None:
    chance = np.random.default_rng(clusters)
    sizes = chance.integers(1, 9, clusters)
    values = chance.binomial(sizes, 0.1) - 0.2 * sizes
    p = surely_below_zero(values, 0.8 * 8)
    assert p == pytest.approx(drawn(values, 0.8 * 8), abs=4 * 0.5 / np.sqrt(200_000))


def test_two_kinds_of_clusters_come_out_as_any_number_of_kinds() -> None:
    """The short way for two kinds, and the integral with a third kind that is all but the same as one of the two."""
    two = np.where(np.arange(40) < 3, 0.9, -0.1)
    three = np.where(np.arange(40) == 39, -0.1 - 1e-12, two)
    assert surely_below_zero(two, 0.9) == pytest.approx(surely_below_zero(three, 0.9), rel=1e-6)


@given(st.lists(st.integers(-3, 3), min_size=FEWEST, max_size=30), st.integers(0, 29))
def test_a_cluster_that_is_worse_makes_no_p_smaller(values: list[int], place: int) -> None:
    worse = [value + (place % len(values) == other) for other, value in enumerate(values)]
    one, other = (surely_below_zero(np.array(each, float), 4.0) for each in (values, worse))
    assert 0 <= one <= other + 1e-9 and other <= 1


@given(st.permutations(range(12)))
def test_the_order_of_the_clusters_changes_nothing(order: list[int]) -> None:
    values = np.random.default_rng(3).normal(-0.2, 0.5, 12)
    assert surely_below_zero(values[order], 2.0) == surely_below_zero(values, 2.0)


def test_few_clusters_show_nothing_and_what_cannot_be_bad_needs_no_showing() -> None:
    assert surely_below_zero(np.full(FEWEST - 1, -1.0), 0.001) == 1
    assert surely_below_zero(np.full(20, -1.0), 0.0) == 0
    assert surely_below_zero(np.full(20, 0.0), 1.0) == surely_below_zero(np.full(20, 1.0), 1.0) == 1


def test_the_copies_that_are_needed_show_it_and_hardly_fewer_do() -> None:
    values = np.where(np.arange(50) < 2, 0.9, -0.1)
    copies = copies_needed(values, 0.9, 0.05)
    assert copies is not None and copies > 1
    assert surely_below_zero(values, 0.9, copies) <= 0.05 < surely_below_zero(values, 0.9, 0.97 * copies)
    # three copies are the same clusters three times over
    assert surely_below_zero(values, 0.9, 3) == pytest.approx(surely_below_zero(np.tile(values, 3), 0.9))
    assert copies_needed(np.full(500, -0.1), 0.9, 0.05) == 1
    assert copies_needed(np.full(500, 0.1), 0.9, 0.05) is None
    assert copies_needed(np.full(FEWEST - 1, -0.1), 0.9, 0.05) is None


def test_a_cluster_not_seen_is_as_large_as_the_larger_ones_that_were() -> None:
    assert unseen_size(np.array([6, 6, 6])) == 6
    assert unseen_size(np.array([1, 4, 1, 2])) == pytest.approx((16 + 4) / 6)
    assert unseen_size(np.array([3])) == 3


@pytest.mark.parametrize(("n", "hits"), [(30, 12), (80, 79), (30, 0), (50, 50)])
def test_where_a_cluster_is_one_trial_the_interval_is_that_of_clopper_and_pearson(n: int, hits: int) -> None:
    values = np.where(np.arange(n) < hits, 1.0, 0.0)
    low, high = mean_interval(values, np.ones(n, np.int64), (0.0, 1.0))
    assert low == pytest.approx(stats.beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0, abs=1e-7)
    assert high == pytest.approx(stats.beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0, abs=1e-7)


@settings(max_examples=12)
@given(
    st.lists(st.tuples(st.floats(-1, 2), st.integers(1, 3)), min_size=FEWEST, max_size=12),
    st.floats(0, 1),
    st.floats(0.1, 3),
)
def test_the_interval_has_the_mean_and_moves_with_the_values(
    clusters: list[tuple[float, int]], moved: float, stretched: float
) -> None:
    sizes = np.array([size for _, size in clusters])
    sums = np.array([value for value, _ in clusters]) * sizes
    low, high = mean_interval(sums, sizes, (-1.0, 2.0))
    assert -1 <= low <= sums.sum() / sizes.sum() + 1e-9 and sums.sum() / sizes.sum() - 1e-9 <= high <= 2
    ends = mean_interval(stretched * sums + moved * sizes, sizes, (moved - stretched, moved + 2 * stretched))
    assert ends == pytest.approx((moved + stretched * low, moved + stretched * high), abs=1e-5)
    mirrored = mean_interval(-sums, sizes, (-2.0, 1.0))
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)


def test_the_ends_are_where_p_crosses_its_level_and_few_clusters_have_none() -> None:
    chance = np.random.default_rng(4)
    sizes = chance.integers(1, 4, 25)
    sums = chance.random(25) * sizes
    low, high = mean_interval(sums, sizes, (0.0, 1.0), 0.05)
    assert surely_below_zero(sums - high * sizes, (1 - high) * unseen_size(sizes)) == pytest.approx(0.05)
    assert surely_below_zero(low * sizes - sums, low * unseen_size(sizes)) == pytest.approx(0.05)
    assert mean_interval(sums[: FEWEST - 1], sizes[: FEWEST - 1], (0.0, 1.0)) == (0.0, 1.0)
    assert mean_interval(np.full(9, 1.0), np.ones(9, np.int64), (0.0, 1.0))[1] == 1.0
