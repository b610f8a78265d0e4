"""The interval arithmetic, against scipy, by hand, and by how often it covers the truth."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edge_judge.metrics.intervals import Bootstrap, effective_size, paired_difference, rate, student, wilson


@given(n=st.integers(1, 3000), data=st.data())
def test_wilson_is_scipys_wilson(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    low, high = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k / n, n) == pytest.approx((low, high), abs=1e-12)


def test_students_quantile_is_the_tabled_one() -> None:
    assert [round(student(freedom), 3) for freedom in (1, 4, 30)] == [12.706, 2.776, 2.042]


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_trials_that_are_each_their_own_cluster_get_plain_wilson(hits: list[bool]) -> None:
    figure = rate(np.array(hits), np.arange(len(hits)))
    assert (figure.k, figure.n) == (sum(hits), len(hits))
    assert (figure.low, figure.high) == pytest.approx(wilson(sum(hits) / len(hits), len(hits)))


def test_few_clusters_leave_few_degrees_of_freedom() -> None:
    values, clusters = np.array([1.0, 1, 0, 1, 0, 0]), np.array([0, 0, 1, 1, 2, 2])
    between = (1**2 + 0**2 + 1**2) / 6**2 * 3 / 2  # sums of each cluster's distances from the mean, 1/2
    alone = 6 * 0.25 / (6 * 5)
    design = between / alone + exp(-3 / 2) * (2 - between / alone)  # three trials stand out, and clusters hold two
    expected = 6 / design * (2.570582 / 4.302653) ** 2
    assert effective_size(values, clusters) == pytest.approx(expected, rel=1e-5)


def test_trials_told_twice_count_once() -> None:
    hits = np.array([True, False, True, True, False, True, True, False, True, True])
    once = rate(hits, np.arange(10))
    twice = rate(np.repeat(hits, 2), np.repeat(np.arange(10), 2))
    assert twice.n == 20
    assert twice.high - twice.low > 0.97 * (once.high - once.low)  # type: ignore[operator]


def test_trials_that_cancel_within_their_cluster_earn_no_credit() -> None:
    assert effective_size(np.array([1.0, 0.0] * 50), np.repeat(np.arange(50), 2)) == pytest.approx(100, rel=0.03)


@pytest.mark.parametrize("hit", [True, False])
def test_a_rate_of_nothing_or_everything_has_the_width_of_its_clusters(hit: bool) -> None:
    figure = rate(np.full(100, hit), np.repeat(np.arange(50), 2))
    assert figure.value == float(hit)
    assert (figure.low, figure.high) == pytest.approx(wilson(float(hit), 50))
    assert figure.high - figure.low > 0.05  # type: ignore[operator]


def test_one_cluster_counts_as_one_trial() -> None:
    figure = rate(np.array([True, True, False]), np.zeros(3, np.int64))
    assert (figure.low, figure.high) == pytest.approx(wilson(2 / 3, 1))


def test_nothing_has_no_rate() -> None:
    nothing = np.array([], bool)
    assert rate(nothing, np.array([], np.int64)).value is None
    assert paired_difference(nothing, nothing, np.array([], np.int64)).value is None


def test_a_paired_difference_is_bonett_and_prices_by_hand() -> None:
    lost, won = np.zeros(100, bool), np.zeros(100, bool)
    lost[:12], won[12:16] = True, True
    figure = paired_difference(lost, won, np.arange(100))
    more, less = 13 / 102, 5 / 102
    half = 1.959964 * ((more + less - (more - less) ** 2) / 102) ** 0.5
    assert figure.value == pytest.approx(0.08)
    assert (figure.low, figure.high) == pytest.approx((more - less - half, more - less + half), abs=1e-6)


def test_judges_that_never_differed_may_still_differ() -> None:
    never = np.zeros(500, bool)
    figure = paired_difference(never, never, np.arange(500))
    assert figure.value == 0
    assert figure.low == pytest.approx(-2.77 / 502, abs=1e-4)
    assert figure.high == pytest.approx(2.77 / 502, abs=1e-4)


@given(st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.integers(0, 9)), min_size=1, max_size=60))
def test_a_paired_difference_lies_in_an_interval_with_width(drawn: list[tuple[int, int]]) -> None:
    change, clusters = np.array(drawn).T
    figure = paired_difference(change == 1, change == -1, clusters)
    assert figure.value is not None and figure.low is not None and figure.high is not None
    assert -1 <= figure.low <= figure.value <= figure.high <= 1
    assert figure.high - figure.low > 1e-3


def test_clustered_intervals_cover_the_truth_where_naive_ones_do_not() -> None:
    random, clusters = np.random.default_rng(5), np.repeat(np.arange(60), 4)
    covered = naive = differences = 0
    for _ in range(400):
        easy = np.repeat(random.beta(2.4, 0.6, 60), 4)  # each question has its own difficulty; the mean is 0.8
        before, after = random.random(240) < easy, random.random(240) < 0.9 * easy
        figure = rate(before, clusters)
        lost = paired_difference(before & ~after, after & ~before, clusters)
        covered += figure.low <= 0.8 <= figure.high  # type: ignore[operator]
        low, high = wilson(before.mean(), 240)
        naive += low <= 0.8 <= high
        differences += lost.low <= 0.08 <= lost.high  # type: ignore[operator]
    assert covered / 400 > 0.925
    assert naive / 400 < 0.9
    assert differences / 400 > 0.925


CLUSTERS = st.tuples(st.integers(10, 40), st.integers(1, 30), st.floats(0, 0.2), st.booleans(), st.integers(0, 999))


@given(CLUSTERS)
def test_one_more_lost_trial_never_lowers_the_upper_end_of_a_loss(drawn: tuple[int, int, float, bool, int]) -> None:
    clusters, lost, more = one_more(*drawn)
    won = np.zeros(len(lost), bool)
    fewer, further = (paired_difference(trials, won, clusters) for trials in (lost, more))
    assert further.high >= fewer.high - 1e-12  # type: ignore[operator]


@given(CLUSTERS)
def test_one_more_wrong_trial_never_raises_the_lower_end_of_a_rate(drawn: tuple[int, int, float, bool, int]) -> None:
    clusters, lost, more = one_more(*drawn)
    assert rate(~more, clusters).low <= rate(~lost, clusters).low + 1e-12  # type: ignore[operator]


def one_more(groups: int, size: int, share: float, whole: bool, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clusters of equal size of which at most a fifth is lost, singly or whole; and the same with one more."""
    random, clusters = np.random.default_rng(seed), np.repeat(np.arange(groups), size)
    lost = (random.random(groups) < share)[clusters] if whole else random.random(len(clusters)) < share
    lost &= np.cumsum(lost) <= len(lost) // 5
    more = lost.copy()
    more[random.choice(np.flatnonzero(~lost))] = True
    return clusters, lost, more


def test_no_flip_and_one_flip_tell_about_the_same() -> None:
    clusters, never = np.repeat(np.arange(100), 12), np.zeros(1200, bool)
    once = never.copy()
    once[0] = True
    none, one = (paired_difference(lost, never, clusters) for lost in (never, once))
    assert 0.9 < (none.high - none.low) / (one.high - one.low) < 1.1  # type: ignore[operator]


def test_a_mean_without_upper_bound_has_an_interval_where_many_clusters_carry_it() -> None:
    numbers, places = np.random.default_rng(3).lognormal(0, 1, 900), np.arange(900)
    figure = Bootstrap(places).unbounded_mean(numbers, places)
    expected = stats.bootstrap(
        (numbers,), np.mean, method="BCa", n_resamples=4000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert figure.value == pytest.approx(numbers.mean())
    assert (figure.low, figure.high) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("numbers", [np.zeros(900), np.r_[np.full(890, 0.001), np.full(10, 3.0)], np.ones(50)])
def test_a_mean_that_few_clusters_carry_has_no_interval(numbers: np.ndarray) -> None:
    figure = Bootstrap(np.arange(len(numbers))).unbounded_mean(numbers, np.arange(len(numbers)))
    assert figure.value == pytest.approx(numbers.mean())
    assert (figure.low, figure.high) == (None, None)


def test_a_sum_of_absolute_means_is_that_of_a_plain_search() -> None:
    random, clusters = np.random.default_rng(8), np.repeat(np.arange(120), 3)
    columns = np.eye(4)[random.integers(0, 4, 360)] * random.normal(0.1, 0.5, (360, 1))
    figure = Bootstrap(clusters).absolute_sum(columns, clusters, 1.0)
    found, sums = columns.mean(axis=0), columns.reshape(120, 3, 4).sum(axis=1)
    draws = np.array([sums[random.integers(0, 120, 120)].sum(axis=0) / 360 - found for _ in range(4000)])
    length = abs(found).sum()
    exceeds = {share: (abs(share * found + draws).sum(axis=1) >= length).mean() for share in np.linspace(0, 1, 201)}
    median, low = (min(exceeds, key=lambda share: abs(exceeds[share] - chance)) for chance in (0.5, 0.025))
    assert figure.value == pytest.approx(median * length, rel=0.06)
    assert figure.low == pytest.approx(low * length, abs=0.06 * length)


def test_the_bootstrap_of_a_mean_is_about_the_t_interval() -> None:
    numbers = np.random.default_rng(3).normal(10, 2, 80)
    figure = Bootstrap(np.arange(80)).mean(numbers, np.arange(80), (-100.0, 100.0))
    expected = stats.t.interval(0.95, 79, numbers.mean(), stats.sem(numbers))
    assert figure.value == pytest.approx(numbers.mean())
    assert (figure.low, figure.high) == pytest.approx(expected, abs=0.06)


def test_the_bootstrap_is_seeded() -> None:
    first, second = (Bootstrap(np.arange(9)).mean(np.arange(9.0), np.arange(9), (0.0, 9.0)) for _ in range(2))
    assert first == second


def test_a_bootstrap_without_spread_is_as_wide_as_what_was_not_met() -> None:
    bounded = Bootstrap(np.arange(40)).mean(np.ones(40), np.arange(40), (0.0, 1.0))
    assert (bounded.value, bounded.high) == (1.0, 1.0)
    assert bounded.low == pytest.approx(wilson(1.0, 40)[0])
    unbounded = Bootstrap(np.arange(40)).mean(np.ones(40), np.arange(40), (0.0, float("inf")))
    assert (unbounded.value, unbounded.low, unbounded.high) == (1.0, None, None)
