"""Statistics of slices, each beside another hand: two-way variances, exact tests of many, gaps, paired means."""

from __future__ import annotations

from itertools import product
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from edge_judge.metrics.contrast import correlation, difference, equal_means_p
from edge_judge.metrics.intervals import rate
from edge_judge.metrics.many_tests import adjusted, attainable
from edge_judge.metrics.multiway import one_way_variance, stretch, two_way, two_way_variance
from edge_judge.metrics.paired_mean import paired_mean
from edge_judge.metrics.sign_flip import holm, sign_flip
from edge_judge.records import Figure


def crossed(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    return chance.integers(-1, 2, n), chance.integers(0, 8, n), chance.integers(0, 5, n)


def sandwich(values: np.ndarray, clusters: np.ndarray) -> float:
    """The cluster-robust variance of a mean, by a plain loop."""
    names = sorted(set(clusters.tolist()))
    sums = [sum(value - values.mean() for value in values[clusters == name]) for name in names]
    return sum(one * one for one in sums) / len(values) ** 2 * len(names) / (len(names) - 1)


@pytest.mark.parametrize("seed", range(5))
def test_two_way_variance_is_the_sum_of_three_sandwiches(seed: int) -> None:
    values, first, second = crossed(seed)
    one, other, both = (sandwich(values, codes) for codes in (first, second, 10 * first + second))
    assert float(one_way_variance(values, first)) == pytest.approx(one)
    assert float(two_way_variance(values, first, second)) == pytest.approx(max(one + other - both, one, other))


@pytest.mark.parametrize("seed", range(3))
def test_one_way_variance_is_that_of_statsmodels(seed: int) -> None:
    api = pytest.importorskip("statsmodels.api", reason="compares with statsmodels: pip install '.[test]'")
    values, first, _ = crossed(seed)
    fit = api.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": first})
    assert float(one_way_variance(values, first)) == pytest.approx(fit.cov_params()[0, 0])


@pytest.mark.parametrize("seed", range(3))
def test_one_way_variance_is_that_of_generalized_estimating_equations(seed: int) -> None:
    api = pytest.importorskip("statsmodels.api", reason="compares with statsmodels: pip install '.[test]'")
    values, first, _ = crossed(seed)
    hits = (values > 0).astype(float)
    fit = api.GEE(hits, np.ones(len(hits)), groups=first, family=api.families.Gaussian()).fit(cov_type="robust")
    clusters = len(set(first.tolist()))  # theirs is not corrected for how few there are
    assert float(one_way_variance(hits, first)) == pytest.approx(fit.cov_params()[0, 0] * clusters / (clusters - 1))


def test_a_second_clustering_that_says_nothing_new_stretches_by_nothing() -> None:
    values, first, _ = crossed(1)
    assert stretch(values, first, first) == pytest.approx(1.0)


@given(st.integers(0, 10_000))
def test_a_two_way_interval_holds_the_one_way_interval_and_stays_in_its_bounds(seed: int) -> None:
    values, first, second = crossed(seed)
    hits = values > 0
    narrow = rate(hits, first)
    wide = two_way(narrow, hits.astype(np.int64), first, second, (0.0, 1.0))
    assert wide.low is not None and wide.high is not None and narrow.low is not None and narrow.high is not None
    assert 0.0 <= wide.low <= narrow.low <= narrow.high <= wide.high <= 1.0


def test_where_nothing_varies_only_the_few_clusters_widen_it() -> None:
    hits, first, second = np.ones(40, np.int64), np.arange(40), np.arange(40) % 4
    assert stretch(hits, first, second) == pytest.approx(3.182446 / 2.022691, rel=1e-5)
    assert two_way(Figure(None), hits, first, second, (0.0, 1.0)) == Figure(None)


def every_p(differences: np.ndarray, clusters: np.ndarray) -> list[float]:
    """The p of every pattern of signs, by brute force."""
    sums = [one for one in np.bincount(clusters, differences) if one]
    totals = [
        abs(sum(sign * one for sign, one in zip(signs, sums, strict=True)))
        for signs in product((1, -1), repeat=len(sums))
    ]
    return sorted({sum(other >= one for other in totals) / len(totals) for one in totals})


@given(st.integers(0, 10_000))
def test_attainable_p_are_those_of_all_patterns_of_signs(seed: int) -> None:
    chance = np.random.default_rng(seed)
    differences, clusters = chance.integers(-2, 3, 20), chance.integers(0, 8, 20)
    reached = attainable(differences, clusters)
    assert sorted(set(np.round(reached, 9))) == pytest.approx(sorted(set(np.round(every_p(differences, clusters), 9))))
    assert np.isclose(reached, sign_flip(differences, clusters)).any()


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_adjusted_p_lie_between_p_and_holms(seed: int, tests: int) -> None:
    chance = np.random.default_rng(seed)
    made = [(chance.integers(-1, 2, 30), chance.integers(0, 10, 30)) for _ in range(tests)]
    plain = [sign_flip(*one) for one in made]
    for p, mine, theirs in zip(plain, adjusted(made), holm(plain), strict=True):
        assert theirs is not None and p - 1e-9 <= mine <= theirs + 1e-9


def test_tests_that_could_never_have_been_significant_cost_nothing() -> None:
    telling = (np.ones(10, np.int64), np.arange(10))
    silent = (np.zeros(10, np.int64), np.arange(10))
    single = (np.array([1, 0, 0]), np.arange(3))
    assert adjusted([telling, *[silent] * 50, *[single] * 50])[0] == pytest.approx(2 / 1024)
    assert adjusted([telling, telling]) == pytest.approx((4 / 1024, 4 / 1024))
    assert adjusted([]) == ()


def test_a_difference_of_independent_rates_is_newcombes() -> None:
    """Newcombe 1998, Statistics in Medicine 17:873-890, table II, case (a), method 10: 56/70 against 48/80."""
    sides = [rate(np.arange(n) < k, np.arange(n)) for k, n in ((56, 70), (48, 80))]
    found = difference(*sides, 0.0, 1.0)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_means_that_pull_apart_within_clusters_are_told_and_others_count_as_independent() -> None:
    chance = np.random.default_rng(5)
    one = chance.integers(0, 2, 50)
    places = np.arange(50)
    assert correlation(one, places, 1 - one, places) == pytest.approx(-1.0)
    assert correlation(one, places, one, places) == 0.0
    other = chance.integers(0, 2, 50)
    assert correlation(one, places, other, places) == pytest.approx(min(0.0, float(np.corrcoef(one, other)[0, 1])))
    assert difference(Figure(None), Figure(0.5, 0.4, 0.6), 0.0, 1.0) == Figure(None)


def test_paired_clusters_give_the_p_of_a_paired_t_test() -> None:
    chance = np.random.default_rng(2)
    one, other = chance.integers(0, 5, 40), chance.integers(0, 5, 40)
    places = np.arange(40)
    assert equal_means_p(one, places, other, places) == pytest.approx(ttest_1samp(one - other, 0).pvalue)
    assert equal_means_p(one, places, one, places) == 1.0
    assert equal_means_p(np.ones(3, int), np.arange(3), np.zeros(3, int), np.arange(3)) is None


def test_a_paired_mean_is_students_interval_with_two_clusters_more() -> None:
    chance = np.random.default_rng(4)
    values = chance.normal(size=30)
    found = paired_mean(values, np.arange(30), (-9.0, 9.0))
    far = abs(values - values.mean()).max()
    more = np.concatenate([values, values.mean() + np.array([far, -far])])
    low, high = ttest_1samp(more, 0).confidence_interval()
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))


def test_a_paired_mean_has_width_where_nothing_moved() -> None:
    still = paired_mean(np.zeros(50), np.arange(50), (-1.0, 1.0))
    assert still.low is not None and still.low < 0 < (still.high or 0.0)
    one_turned = paired_mean(np.zeros(50), np.arange(50), (-2.0, 2.0), 2.0)
    assert one_turned.high == pytest.approx(2.00758 * sqrt(8 * 52 / 51) / 52, rel=1e-4)
    assert paired_mean(np.array([]), np.array([], int), (-1.0, 1.0)) == Figure(None)
    assert paired_mean(np.ones(4), np.zeros(4, int), (-1.0, 1.0)).value == 1.0
