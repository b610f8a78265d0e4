"""A few pairs of a benchmark: of every label its share, the same for everybody, and a part of every larger number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judgements import benchmark, known
from published import needs

from edge_judge.analysis.sampling import BLOCK, order
from edge_judge.analysis.subset import SEED, spread, subset
from edge_judge.benchmarks import pandalm
from edge_judge.records import LABELS, Benchmark, Pair

SORTED = benchmark(*["a"] * 130, *["b"] * 50, *["tie"] * 20)  # as files often are


def ids(judged: Benchmark) -> list[str]:
    return [pair.id for pair in judged.pairs]


def labels(pairs: Iterable[Pair]) -> list[float]:
    counted = Counter(label for pair in pairs for label in pair.labels)
    return [counted[label] / counted.total() for label in LABELS]


@pytest.mark.parametrize("size", [20, 40, 77, 150])
def test_every_label_has_its_share_of_a_few_pairs(size: int) -> None:
    counted = Counter(pair.labels[0] for pair in subset(SORTED, size).pairs)
    blocks = -(-size // BLOCK) + 1  # each may round a label up or down
    assert all(
        abs(counted[label] - size * share) <= blocks for label, share in zip(LABELS, labels(SORTED.pairs), strict=True)
    )


@given(st.integers(1, 200), st.integers(1, 200))
def test_a_larger_number_of_pairs_has_all_of_a_smaller_and_both_keep_the_order_of_the_file(
    one: int, other: int
) -> None:
    few, more = (ids(subset(SORTED, size)) for size in sorted((one, other)))
    assert set(few) <= set(more) and (len(few), len(more)) == tuple(sorted((one, other)))
    assert few == sorted(few, key=int) and more == sorted(more, key=int)


def test_the_order_is_that_of_sampling_block_by_block() -> None:
    taken = 0
    for block in order((SORTED,), SEED):
        assert {unit.id for unit in block} == set(spread(SORTED)[taken : taken + len(block)])
        taken += len(block)
    assert sorted(spread(SORTED)) == sorted(ids(SORTED))


def test_the_order_of_the_file_does_not_matter() -> None:
    turned = replace(SORTED, pairs=SORTED.pairs[::-1])
    assert spread(turned) == spread(SORTED)
    assert set(ids(subset(turned, 33))) == set(ids(subset(SORTED, 33)))


def test_pairs_without_a_label_come_last_and_at_random_where_there_are_no_others() -> None:
    some = benchmark(*[()] * 50, *["a"] * 10)
    assert set(spread(some)[:10]) == set(ids(some)[50:])
    none = benchmark(*[()] * 50)
    assert sorted(spread(none)) == sorted(ids(none)) and spread(none) != ids(none)


def test_the_head_is_what_stands_first() -> None:
    assert ids(subset(SORTED, 7, head=True)) == ids(SORTED)[:7]


@pytest.mark.parametrize("size", [None, 200, 201])
def test_no_number_or_one_that_is_large_enough_is_everything(size: int | None) -> None:
    assert subset(SORTED, size) is SORTED


def test_what_has_been_judged_is_taken_first_and_counts() -> None:
    begun = set(ids(subset(SORTED, 30, head=True)))
    more = set(ids(subset(SORTED, 50, judged=begun)))
    assert begun <= more and len(more) == 50
    assert more - begun == set([name for name in spread(SORTED) if name not in begun][:20])
    assert set(ids(subset(SORTED, 10, judged=begun))) == set([name for name in spread(SORTED) if name in begun][:10])


@needs(pandalm.SOURCE.path)
def test_fifty_pairs_of_pandalm_have_ties_as_the_whole_has_and_its_first_fifty_none() -> None:
    whole = known("pandalm")
    few, head = subset(whole, 50), subset(whole, 50, head=True)
    assert labels(head.pairs)[2] == 0
    assert labels(few.pairs) == pytest.approx(labels(whole.pairs), abs=0.04)
    assert len({pair.cluster for pair in few.pairs}) > 3 * len({pair.cluster for pair in head.pairs})
