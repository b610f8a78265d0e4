"""The sequential test: never wrong more often than it says, whenever one stops; monotone; and exact at the end."""

from __future__ import annotations

import json
import math
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_judge.analysis import sampling, sequential_test
from edge_judge.analysis.sequential_test import ALPHA, FRACTIONS, SHARES, Observations

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


def dealt(values: Numbers, blocks: int, repeats: int, seed: int) -> Observations:
    """Values dealt as `sampling` deals pairs, cell by cell; their number is a multiple of the blocks."""
    chance = np.random.default_rng(seed)
    cells = np.broadcast_to(values.reshape(-1, blocks), (repeats, len(values) // blocks, blocks))
    mixed = chance.permuted(cells, axis=2).swapaxes(1, 2)
    return walk(mixed.reshape(repeats, -1), len(values) // blocks)


def test_the_capital_of_one_bet_worked_by_hand() -> None:
    # three of ten seen, in blocks of two and one: the rest must average 0.2, then (2 - 0.5) / 8
    found = np.exp(sequential_test.log_capital(walk([0.5, 0.0, -1.0], 2, total=10), 0.2))
    first = [(1 + f * (0.2 - 0.5) / 0.8) * (1 + f * 0.2 / 0.8) for f in FRACTIONS]
    second = [1 + f * (0.1875 + 1) / (1 - 0.1875) for f in FRACTIONS]
    assert found[0] == pytest.approx(sum(w * a for w, a in zip(SHARES, first, strict=True)))
    assert found[1] == pytest.approx(sum(w * a * b for w, a, b in zip(SHARES, first, second, strict=True)))


def test_the_whole_first_capital_is_bet() -> None:
    assert sum(SHARES) == pytest.approx(1)
    assert all(0 < fraction < 1 for fraction in FRACTIONS)


CELLS = [
    ([1.0, 0.0, 0.0], [0.0, -1.0, 1.0]),
    ([1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]),  # all of the loss in one stratum
    ([0.3, -0.2, 0.9], [0.1, 0.0, 0.0], [-0.5, 1.0, -0.4]),
    ([1.0, 0.0, 0.5], [0.0, 0.2, -0.3], [1.0, None, None]),  # None: a blank, where a cell is not full
    ([0.0, 0.0, 0.0], [-1.0, None, 1.0]),
]


def orders(cells: tuple[list[float | None], ...]) -> list[Observations]:
    """Every order in which the cells can be dealt."""
    found = []
    for dealing in product(*(permutations(cell) for cell in cells)):
        blocks = [[x for x in block if x is not None] for block in zip(*dealing, strict=True)]
        ends = np.cumsum([len(block) for block in blocks])
        found.append(Observations(np.array([x for block in blocks for x in block]), ends, int(ends[-1]), 1.0))
    return found


@pytest.mark.parametrize("cells", CELLS)
@pytest.mark.parametrize("below", [0.0, 0.1, 0.4])
def test_over_every_order_the_capital_averages_at_most_one_and_is_seldom_ever_large(
    cells: tuple[list[float | None], ...], below: float
) -> None:
    every = orders(cells)
    mean = float(every[0].values.mean())
    for hypothesis, side in ((mean - below, every), (-mean - below, [one.mirrored() for one in every])):
        capital = np.exp([sequential_test.log_capital(one, hypothesis) for one in side])
        assert capital.mean(axis=0).max() <= 1 + 1e-9
        for alpha in (0.025, 0.2, 0.5, 0.8):
            assert (capital.max(axis=1) >= 1 / alpha).mean() <= alpha


def test_a_fixed_allotment_of_rare_strata_would_break_the_bet() -> None:
    """Why cells are dealt: always taking the larger stratum first averages more than 1."""
    first_block = walk([0.0, 0.0], 2, total=6)  # of 0, 0, 0, 0, 1, 1: the mean is 1/3
    assert float(np.exp(sequential_test.log_capital(first_block, 1 / 3))[0]) > 1


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
    shuffled = np.random.default_rng(1).permutation(values)
    within = sequential_test.not_above(dealt(shuffled, 40, REPEATS, 2), margin)
    wrong = {
        "first chance": within.any(axis=1),
        "half the pairs": within[:, :20].any(axis=1),
        "one look": within[:, 12],
    }[rule]
    assert wrong.mean() <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / REPEATS)


def test_the_interval_covers_the_mean_at_all_blocks_at_once() -> None:
    values = np.random.default_rng(3).permutation(NULLS["lost and won"])
    every = dealt(values, 40, 1000, 4)
    mean = float(values.mean())
    high = (sequential_test.log_capital(every, mean) >= -math.log(ALPHA))[:, :-1].any(axis=1)
    low = (sequential_test.log_capital(every.mirrored(), -mean) >= -math.log(ALPHA))[:, :-1].any(axis=1)
    assert (high | low).mean() <= 0.05


@given(walks(), st.floats(-0.99, 0.99), st.floats(0, 0.5))
def test_the_capital_grows_with_the_mean_it_doubts(seen: Observations, mean: float, more: float) -> None:
    mean, more = mean * seen.bound, more * seen.bound
    assert (sequential_test.log_capital(seen, mean + more) >= sequential_test.log_capital(seen, mean) - 1e-6).all()


@given(walks())
def test_the_interval_holds_the_estimate_and_what_is_possible_and_narrows_to_the_value(seen: Observations) -> None:
    low, high = sequential_test.interval(seen)
    value, n = float(seen.values.mean()), seen.values.shape[-1]
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


def test_a_loss_of_just_the_margin_over_all_pairs_is_within_it() -> None:
    values = np.random.default_rng(5).permutation(np.repeat([1.0, 0.0], [12, 588]))
    assert sequential_test.first_decision(walk(values, 30), 0.02) == ("within", 20)
    assert sequential_test.first_decision(walk(values, 30), 0.0199)[0] == "worse"


def test_a_large_loss_is_called_worse_and_a_small_sample_undecided() -> None:
    values = np.random.default_rng(6).permutation(np.repeat([1.0, 0.0], [150, 450]))
    outcome, blocks = sequential_test.first_decision(walk(values, 30), 0.02)
    assert outcome == "worse" and blocks < 5
    assert sequential_test.first_decision(walk(np.zeros(60), 30, total=600), 0.02) == ("undecided", 2)


def test_no_valid_test_sees_no_loss_before_it_could_have_met_one() -> None:
    """With no pair lost, the number of pairs is near the least there can be: log(1 / alpha) / margin."""
    outcome, blocks = sequential_test.first_decision(walk(np.zeros(1000), 1, total=100_000), 0.02)
    assert outcome == "within"
    least = math.log(ALPHA) / math.log(1 - 0.02)
    assert least <= blocks <= 1.1 * least


def test_more_is_what_a_steady_walk_still_needs() -> None:
    seen = walk(np.zeros(60), 10, total=1000)
    ends = np.arange(70, 1001, 10)
    needed = sequential_test.first_decision(walk(np.zeros(1000), 10), 0.02)[1] * 10
    assert sequential_test.more(seen, 0.02, ends, 1) == needed - 60
    assert sequential_test.more(walk(np.zeros(60), 10), 0.02, np.array([], int), 1) is None


def test_more_never_goes_beyond_what_there_is() -> None:
    near = walk(np.tile([1.0, 0.0, 0.0, -1.0], 10), 10, total=80)
    assert sequential_test.more(near, 0.0, np.array([60, 80]), 1) in (20, 40)


@pytest.mark.parametrize(
    "values, ends, total", [([0.5, 2.0], [2], 5), ([0.5], [1, 1], 5), ([0.5, 0.5], [2], 1), ([math.nan], [1], 2)]
)
def test_what_is_no_walk_is_refused(values: list[float], ends: list[int], total: int) -> None:
    with pytest.raises(ValueError):
        Observations(np.array(values), np.array(ends), total, 1.0)


def test_the_recorded_simulation_is_of_this_test_and_shows_what_is_wanted() -> None:
    found = json.loads((Path(__file__).parent.parent / "results/choose/simulation.json").read_text(encoding="utf-8"))
    bets = [found["alpha_each_side"], *found["fractions"], *found["shares"], found["block"]]
    assert bets == [ALPHA, *FRACTIONS, *SHARES, sampling.BLOCK]
    assert all(row["wrong"] / row["orders"] == row["rate"] <= 0.05 and row["orders"] >= 1000 for row in found["wrong"])
    for row in found["pairs"]:
        assert row["target"] == (row["probabilities"] <= row["mcnemar"] / 4)
        assert row["target"] or row["flips"] < 0.06  # with fewer a quarter is about the least any test needs, or less
        assert row["probabilities"] <= row["both_orders"]
