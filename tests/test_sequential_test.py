"""The sequential test: never wrong more often than it says, whenever one stops; monotone; and exact at the end."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_judge.analysis import sequential_test
from edge_judge.analysis.sequential_test import ALPHA, GAPS, GUESS, SHARES, WEIGHT, Observations

Numbers = NDArray[np.float64]


def walk(values: list[float] | Numbers, block: int = 1, total: int | None = None, bound: float = 1.0) -> Observations:
    found = np.asarray(values, float)
    n = found.shape[-1]
    ends = np.array([*range(block, n, block), n])
    return Observations(found, ends, n if total is None else total, bound)


@st.composite
def walks(draw: st.DrawFn) -> Observations:
    bound = draw(st.sampled_from([1.0, 2.5]))
    values = draw(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
    total = len(values) + draw(st.integers(0, 60))
    return walk([bound * value for value in values], draw(st.integers(1, 8)), total, bound)


def shuffled(values: Numbers, block: int, repeats: int, seed: int, total: int | None = 0) -> Observations:
    """So many random orders side by side. total: 0 for what there is, None for a sample of a population."""
    chance = np.random.default_rng(seed)
    mixed = chance.permuted(np.broadcast_to(values, (repeats, len(values))), axis=1)
    found = walk(mixed, block)
    return found if total == 0 else replace(found, total=total)


def bet(v: float, gap: float) -> float:
    """The fraction that grows fastest: the positive root of gap f^2 + v f = gap."""
    return min(sequential_test.BOLDEST, (-v + math.sqrt(v * v + 4 * gap * gap)) / (2 * gap))


def by_hand(values: list[float], mean: float, total: int | None, bound: float, aim: float) -> list[float]:
    """The capital after each value, a loop over the shares and the values."""
    after = []
    for n in range(1, len(values) + 1):
        capital = 0.0
        for times, share in zip(GAPS, SHARES, strict=True):
            product, seen, squares = share, 0.0, 0.0
            for place, x in enumerate(values[:n]):
                left = math.inf if total is None else total - place
                rest = mean if total is None else (total * mean - seen) / left
                grown = 1 if total is None else total / left
                v = (WEIGHT * GUESS + squares) / (WEIGHT + place)
                f = bet(v, min(0.5, times * aim / bound * grown))
                product *= 1 + f * (rest - x) / (bound - rest)
                seen, squares = seen + x, squares + (x / bound) ** 2
            capital += product
        after.append(capital)
    return after


@pytest.mark.parametrize("total", [10, None])
@pytest.mark.parametrize("bound", [1.0, 2.5])
def test_the_capital_is_that_of_a_plain_loop(total: int | None, bound: float) -> None:
    values = [0.5, 0.0, -1.0, 0.25, 0.0, 1.0]
    found = np.exp(sequential_test.log_capital(replace(walk(values, 1, 10, bound), total=total, aim=0.05), 0.2))
    assert found == pytest.approx(by_hand(values, 0.2, total, bound, 0.05))
    assert found[-1] == pytest.approx(
        np.exp(sequential_test.log_capital(replace(walk(values, 4, 10, bound), total=total, aim=0.05), 0.2))[-1]
    )


def test_the_whole_first_capital_is_bet() -> None:
    assert sum(SHARES) == pytest.approx(1) and len(SHARES) == len(GAPS)
    assert 0 < sequential_test.BOLDEST < 1


@pytest.mark.parametrize("v", [0.002, 0.02, 0.3])
def test_the_fraction_that_is_bet_is_the_one_that_scipy_finds_to_grow_fastest(v: float) -> None:
    """Of -1, 0 and 1, the outer two equally likely, against a mean that lies 0.02 higher."""
    from scipy.optimize import minimize_scalar

    def slowness(f: float) -> float:
        chances = {0.0: 1 - v, 1.0: v / 2, -1.0: v / 2}
        return -sum(p * math.log(1 + f * (0.02 - x) / (1 - 0.02)) for x, p in chances.items())

    best = minimize_scalar(slowness, bounds=(0, 0.999), method="bounded").x
    assert bet(v, 0.02) == pytest.approx(min(best, sequential_test.BOLDEST), rel=0.05)


POPULATIONS = [
    [1.0, 0.0, 0.0, 0.0, -1.0, 1.0],
    [0.3, -0.2, 0.9, 0.1, 0.0],
    [1.0, 1.0, -1.0, -1.0, -1.0, 0.0],
    [0.5, 0.5, 0.5],
]


@pytest.mark.parametrize("values", POPULATIONS)
@pytest.mark.parametrize("below", [0.0, 0.1, 0.4])
def test_over_every_order_the_capital_averages_at_most_one_and_is_seldom_ever_large(
    values: list[float], below: float
) -> None:
    every = replace(walk(np.array(list(permutations(values)))), aim=0.1)
    mean = sum(values) / len(values)
    for hypothesis, side in ((mean - below, every), (-mean - below, every.mirrored())):
        capital = np.exp(sequential_test.log_capital(side, hypothesis))
        assert capital.mean(axis=0).max() <= 1 + 1e-9
        for alpha in (0.025, 0.2, 0.5, 0.8):
            assert (capital.max(axis=1) >= 1 / alpha).mean() <= alpha


@pytest.mark.parametrize("values", POPULATIONS)
def test_over_every_sample_of_a_population_the_capital_averages_one(values: list[float]) -> None:
    every = replace(walk(np.array(list(product(values, repeat=4)))), total=None, aim=0.1)
    mean = sum(values) / len(values)
    for hypothesis, side in ((mean, every), (-mean, every.mirrored())):
        capital = np.exp(sequential_test.log_capital(side, hypothesis))
        assert capital.mean(axis=0) == pytest.approx(np.ones(4))
        assert (capital.max(axis=1) >= 2).mean() <= 0.5


NULLS = {
    "all lost in few": np.repeat([1.0, 0.0], [16, 784]),
    "lost and won": np.repeat([1.0, 0.0, -1.0], [48, 720, 32]),
    "a little everywhere": np.full(800, 0.02),
    "halves": np.repeat([0.5, 0.0], [32, 768]),
}
REPEATS = 4000


@pytest.mark.parametrize("name", NULLS)
@pytest.mark.parametrize("rule", ["first chance", "half the pairs", "one look"])
def test_a_loss_of_the_margin_is_seldom_called_within_it_whenever_one_stops(name: str, rule: str) -> None:
    values = NULLS[name]
    margin = float(values.mean()) - 1e-6
    within = sequential_test.not_above(shuffled(values, 20, REPEATS, 2), margin)
    wrong = {
        "first chance": within.any(axis=1),
        "half the pairs": within[:, :20].any(axis=1),
        "one look": within[:, 12],
    }[rule]
    assert wrong.mean() <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / REPEATS)


def test_the_interval_covers_the_mean_at_all_blocks_at_once() -> None:
    values = NULLS["lost and won"]
    every = shuffled(values, 20, 1000, 4)
    mean = float(values.mean())
    high = (sequential_test.log_capital(every, mean) >= -math.log(ALPHA))[:, :-1].any(axis=1)
    low = (sequential_test.log_capital(every.mirrored(), -mean) >= -math.log(ALPHA))[:, :-1].any(axis=1)
    assert (high | low).mean() <= 0.05


@given(walks(), st.floats(-0.99, 0.99), st.floats(0, 0.5))
def test_the_capital_grows_with_the_mean_it_doubts(seen: Observations, mean: float, more: float) -> None:
    mean, more = mean * seen.bound, more * seen.bound
    assert (sequential_test.log_capital(seen, mean + more) >= sequential_test.log_capital(seen, mean) - 1e-6).all()


def test_a_population_that_loses_the_margin_is_seldom_called_within_it_whatever_sample_was_drawn() -> None:
    chance = np.random.default_rng(8)
    drawn = chance.choice([1.0, 0.0, -1.0], (REPEATS, 600), p=[0.03, 0.96, 0.01])
    seen = replace(walk(drawn, 30), total=None)
    assert sequential_test.not_above(seen, 0.02).any(axis=1).mean() <= ALPHA
    own = sequential_test.not_above(walk(drawn, 30), 0.02).any(axis=1).mean()
    assert own > 0.3  # the sample by itself may well lose less


def test_a_sample_of_a_population_is_never_known_for_certain() -> None:
    seen = replace(walk(np.zeros(1000), 10), total=None)
    low, high = sequential_test.interval(seen)
    assert low == -high and 0.003 < high < 0.01
    assert not sequential_test.not_above(seen, 0.001).any()


@given(walks())
def test_the_interval_holds_the_estimate_and_what_is_possible_and_narrows_to_the_value(seen: Observations) -> None:
    low, high = sequential_test.interval(seen)
    value, n = sequential_test.mean(seen), seen.values.shape[-1]
    left = (seen.total - n) * seen.bound
    assert low <= value <= high
    slack = 1e-8 * seen.bound
    assert min(value, (n * value - left) / seen.total) - slack <= low
    assert high <= max(value, (n * value + left) / seen.total) + slack
    if n == seen.total:
        assert (low, high) == pytest.approx((value, value), abs=1e-8)


@given(walks(), st.floats(-0.9, 0.9))
def test_interval_and_decision_always_agree(seen: Observations, margin: float) -> None:
    low, high = sequential_test.interval(seen)
    assume(min(abs(margin - low), abs(margin - high)) > 1e-6)
    assert bool(sequential_test.not_above(seen, margin)[-1]) == (high <= margin)
    assert bool(sequential_test.above(seen, margin)[-1]) == (low > margin)


@given(walks())
def test_mirrored_values_have_the_mirrored_interval(seen: Observations) -> None:
    low, high = sequential_test.interval(seen)
    assert sequential_test.interval(seen.mirrored()) == pytest.approx((-high, -low), abs=1e-8)


def first_decision(seen: Observations, margin: float) -> tuple[str, int]:
    """What is decided first, and after how many blocks; undecided after all of them."""
    found = sequential_test.outcomes(seen, margin)
    return next(((one, n) for n, one in enumerate(found, 1) if one != "undecided"), ("undecided", len(found)))


def test_a_loss_of_just_the_margin_over_all_pairs_is_within_it() -> None:
    values = np.random.default_rng(5).permutation(np.repeat([1.0, 0.0], [12, 588]))
    assert first_decision(walk(values, 30), 0.02) == ("within", 20)
    assert first_decision(walk(values, 30), 0.0199)[0] == "worse"


def test_a_large_loss_is_called_worse_and_a_small_sample_undecided() -> None:
    values = np.random.default_rng(6).permutation(np.repeat([1.0, 0.0], [150, 450]))
    outcome, blocks = first_decision(walk(values, 30), 0.02)
    assert outcome == "worse" and blocks < 5
    assert first_decision(walk(np.zeros(60), 30, total=600), 0.02) == ("undecided", 2)


@pytest.mark.parametrize("total", [600, 1400, 3000])
def test_with_nothing_lost_it_takes_hardly_more_pairs_than_the_exact_test_of_fixed_size(total: int) -> None:
    """The least number of pairs, by scipy's hypergeometric: were a pair more lost than the margin allows, to meet none
    of them would have a probability of at most 2.5 %. No test can do with fewer.
    """
    from scipy.stats import hypergeom

    lost = round(0.02 * total) + 1
    least = next(n for n in range(1, total) if hypergeom.pmf(0, total, lost, n) <= ALPHA)
    outcome, pairs = first_decision(walk(np.zeros(total), 1), 0.02)
    assert outcome == "within"
    assert least <= pairs <= 1.25 * least


def test_whether_a_population_could_still_be_shown_to_be_within_is_what_happens_if_nothing_more_is_lost() -> None:
    seen = replace(walk([0.0, 1.0, 0.0, 0.0]), total=None)
    steps = range(0, 400, 10)
    longer = [replace(walk([0.0, 1.0, 0.0, 0.0, *[0.0] * n]), total=None) for n in steps]
    known = [sequential_test.not_above(one, 0.02).any() for one in longer]
    assert [sequential_test.could_be_within(seen, 0.02, n) for n in steps] == known
    assert not known[0] and known[-1]


def test_more_is_what_a_steady_walk_still_needs() -> None:
    seen = walk(np.zeros(60), 10, total=1000)
    ends = np.arange(70, 1001, 10)
    needed = first_decision(walk(np.zeros(1000), 10), 0.02)[1] * 10
    assert sequential_test.more(seen, 0.02, ends, 1) == needed - 60
    assert sequential_test.more(walk(np.zeros(60), 10), 0.02, np.array([], int), 1) is None


def test_more_of_a_population_looks_as_far_as_it_is_told() -> None:
    seen = replace(walk(np.zeros(60), 10), total=None)
    assert sequential_test.more(seen, 0.02, np.array([100]), 1) is None
    assert 100 < (sequential_test.more(seen, 0.02, np.arange(70, 1001, 10), 1) or 0) < 200


def test_more_never_goes_beyond_what_there_is() -> None:
    near = walk(np.tile([1.0, 0.0, 0.0, -1.0], 10), 10, total=80)
    assert sequential_test.more(near, 0.0, np.array([60, 80]), 1) in (20, 40)


@pytest.mark.parametrize(
    "values, ends, total", [([0.5, 2.0], [2], 5), ([0.5], [1, 1], 5), ([0.5, 0.5], [2], 1), ([math.nan], [1], 2)]
)
def test_what_is_no_walk_is_refused(values: list[float], ends: list[int], total: int) -> None:
    with pytest.raises(ValueError):
        Observations(np.array(values), np.array(ends), total, 1.0)


def test_the_interval_of_all_blocks_is_what_none_of_them_has_rejected() -> None:
    found = walk(np.random.default_rng(3).choice([1.0, 0.0, -1.0], 60, p=[0.6, 0.2, 0.2]), 10, 200)
    ends = found.ends
    parts = [replace(found, values=found.values[:end], ends=ends[: place + 1]) for place, end in enumerate(ends)]
    each = [sequential_test.interval(part) for part in parts]
    low, high = sequential_test.interval_of_all_blocks(found)
    assert low == pytest.approx(max(one[0] for one in each)) and high == pytest.approx(min(one[1] for one in each))
    assert low > min(one[0] for one in each) and sequential_test.interval_of_all_blocks(parts[0]) == each[0]


def test_a_better_guess_of_the_second_moment_decides_sooner_and_is_no_less_right() -> None:
    chance = np.random.default_rng(4)
    values = chance.choice([1.0, -1.0], (300, 200), p=[0.65, 0.35])
    equal = chance.choice([1.0, -1.0], (300, 200))
    capitals = {}
    for guess in (GUESS, 1.0):
        seen = replace(walk(values, 10), total=None, aim=0.3, guess=guess)
        capitals[guess] = sequential_test.log_capital(seen.mirrored(), 0.0)
        null = replace(walk(equal, 10), total=None, aim=0.3, guess=guess)
        assert sequential_test.above(null, 0.0).any(axis=1).mean() <= 0.05
    assert np.median(capitals[1.0][:, 2]) > np.median(capitals[GUESS][:, 2])
