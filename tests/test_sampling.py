"""The order in which pairs are looked at: each once, every block a picture of the whole, and the same anywhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judgements import benchmark, random_benchmark

from edge_judge import benchmarks
from edge_judge.analysis import sampling
from edge_judge.analysis.sampling import BLOCK, FEWEST, LOOK, Unit
from edge_judge.errors import DataError
from edge_judge.metrics.scoring import majority
from edge_judge.records import Label

RECORDED = [["4"], ["8"], ["7"], ["0", "1"], ["6"], ["3"], ["2", "9"], ["5"]]
LABEL = st.sampled_from(["a", "b", "tie"])


@given(st.lists(LABEL, min_size=1, max_size=150), st.lists(LABEL, max_size=60), st.integers(0, 9))
def test_every_labelled_pair_is_dealt_once_and_every_stratum_evenly(
    labels: list[Label], others: list[Label], seed: int
) -> None:
    first, second = benchmark(*labels), benchmark(*others, name="other")
    blocks = sampling.order([first, second], seed)
    units = [unit for block in blocks for unit in block]
    assert sorted((u.benchmark, u.id) for u in units) == sorted(
        (one.name, pair.id) for one in (first, second) for pair in one.pairs
    )
    sizes = [len(block) for block in blocks]
    assert max(sizes) - min(sizes) <= 1 and max(sizes) <= BLOCK and min(sizes) >= 1
    assert len(blocks) >= min(FEWEST, len(units))
    stratum = {Unit(one.name, p.id): (one.name, p.labels) for one in (first, second) for p in one.pairs}
    for name, count in Counter(stratum.values()).items():
        for block in blocks:  # whole cells give one each; a stratum begins and ends in the midst of one
            share = count / len(blocks)
            assert share - 2 < sum(stratum[unit] == name for unit in block) < share + 2


def test_the_order_is_the_seeds_and_not_the_files() -> None:
    judged = random_benchmark(1, 300)
    turned = replace(judged, pairs=judged.pairs[::-1])
    dealt = [set(block) for block in sampling.order([judged], 5)]
    assert [set(block) for block in sampling.order([turned], 5)] == dealt
    assert [set(block) for block in sampling.order([judged], 6)] != dealt


def test_the_order_never_changes_between_versions() -> None:
    """Recorded, because a budget raised later goes on in the same order."""
    blocks = sampling.order([benchmark("a", "b", "tie", "a", "b", "a", "b", "a", "b", "a")], 0)
    assert [[unit.id for unit in block] for block in blocks] == RECORDED


def test_within_a_block_pairs_keep_the_order_of_their_files() -> None:
    both = [random_benchmark(1, 200), replace(random_benchmark(2, 90), name="other")]
    names = [Unit(one.name, pair.id) for one in both for pair in one.pairs]
    place = {unit: number for number, unit in enumerate(names)}
    for block in sampling.order(both, 3):
        assert list(block) == sorted(block, key=place.__getitem__)


def test_every_pair_is_equally_likely_in_every_block() -> None:
    judged = benchmark(*["a"] * 13, *["b"] * 4, "tie")
    rounds = 3000
    counts: Counter[tuple[str, int]] = Counter()
    for seed in range(rounds):
        counts.update((unit.id, n) for n, block in enumerate(sampling.order([judged], seed)) for unit in block)
    expected = rounds / FEWEST
    assert len(counts) == 18 * FEWEST
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())


def test_pairs_that_nobody_judged_are_left_out_and_nothing_but_them_is_refused() -> None:
    judged = benchmark("a", (), ("a", "b"), "b")
    units = {unit.id for block in sampling.order([judged], 0) for unit in block}
    assert units == {"0", "2", "3"}
    with pytest.raises(DataError, match="no pair has a human label"):
        sampling.order([benchmark((), ())], 0)


def test_two_pairs_with_one_name_are_refused() -> None:
    judged = benchmark("a", "b")
    with pytest.raises(DataError, match="same benchmark and id"):
        sampling.order([judged, judged], 0)


def test_a_majority_is_a_label_ahead_of_all_others() -> None:
    votes = benchmark(("a", "a", "b"), ("a", "b"), (), "tie", ("a", "b", "tie", "tie")).pairs
    assert [majority(Counter(pair.labels)) for pair in votes] == ["a", None, None, "tie", "tie"]


def test_the_embedded_benchmark_has_nineteen_blocks() -> None:
    blocks = sampling.order([benchmarks.load("pocket")], 0)
    assert len(blocks) == 19 and {len(block) for block in blocks} == {31, 32}


def test_a_name_with_half_a_surrogate_pair_has_its_place_too() -> None:
    """JSON can say one, and UTF-8 cannot."""
    odd = benchmark(*["a"] * 12)
    odd = replace(odd, pairs=tuple(replace(pair, id=f"{pair.id}\ud800") for pair in odd.pairs))
    dealt = [unit.id for block in sampling.order([odd], 0) for unit in block]
    assert sorted(dealt) == sorted(pair.id for pair in odd.pairs)


def test_a_walk_deals_every_labelled_pair_once_in_blocks_of_one_size() -> None:
    judged = benchmark(*["a", ("a", "b"), (), "tie"] * 100)
    blocks = sampling.walk(judged, 4)
    sizes = [len(block) for block in blocks]
    assert max(sizes) <= LOOK and max(sizes) - min(sizes) <= 1
    assert sorted(unit.id for block in blocks for unit in block) == sorted(p.id for p in judged.pairs if p.labels)
    assert sampling.walk(replace(judged, pairs=judged.pairs[::-1]), 4) == blocks != sampling.walk(judged, 5)
    assert len(sampling.walk(benchmark(*["a"] * 20), 0)) == FEWEST and len(sampling.walk(benchmark("a"), 0)) == 1
    with pytest.raises(DataError, match="no pair has a human label"):
        sampling.walk(benchmark(()), 0)


def test_in_a_walk_all_orders_are_equally_likely() -> None:
    rounds = 3000
    found = Counter(
        tuple(unit.id for block in sampling.walk(benchmark("a", "b", "tie"), seed) for unit in block)
        for seed in range(rounds)
    )
    assert len(found) == 6
    assert all(abs(count - rounds / 6) < 5 * (rounds / 6) ** 0.5 for count in found.values())


def test_every_pair_of_a_question_is_equally_likely_to_speak_wherever_it_stands_in_the_walk() -> None:
    judged = benchmark(*["a"] * 6, groups=["one", "one", "one", "two", "two", "three"])
    rounds = 3000
    counts: Counter[str] = Counter()
    firsts = 0
    for seed in range(rounds):
        speakers = {unit.id for unit in sampling.speakers(judged, seed)}
        assert len(speakers) == 3 and "5" in speakers
        counts.update(speakers)
        order = [unit.id for block in sampling.walk(judged, seed) for unit in block]
        firsts += next(name for name in order if name in "012") in speakers
    for name, share in (("0", 3), ("1", 3), ("2", 3), ("3", 2), ("4", 2)):
        assert abs(counts[name] - rounds / share) < 5 * (rounds / share) ** 0.5
    assert abs(firsts - rounds / 3) < 5 * (rounds / 3) ** 0.5
