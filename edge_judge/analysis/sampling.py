"""In which order pairs are looked at when not all of them may be needed: at random, in blocks that are each a small
picture of the whole.

Pairs are sorted by stratum (benchmark, then the label that most votes gave) and at random within one. Every run of
neighbours, as many as there are blocks, is a cell, and is dealt out at random, one pair to each block. So a block
holds of every stratum its share, but for one pair or so, and every pair is in exactly one block. What is left after
the last full cell goes to as many blocks drawn at random. That is `order`.

`walk` is simpler: all orders of a benchmark's pairs are equally likely. `sequential_test` needs that, and no more.

Chance is a hash of the seed and the pair's name: the same on every machine, with every version of Python, and
whatever the order of the file.

A pair without a human label has nothing to be right about. It is in no block.

Knows: benchmarks. Does not know: verdicts, tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from edge_judge.errors import DataError
from edge_judge.metrics.scoring import majority
from edge_judge.records import LABELS, Benchmark

BLOCK = 32  # pairs: with both orders a prompt batch well filled, and a decision soon enough
LOOK = 16  # pairs of a walk: a decision comes up to so many pairs late
FEWEST = 8  # blocks, however few pairs there are


@dataclass(frozen=True, slots=True)
class Unit:
    """A pair of a benchmark, by its names."""

    benchmark: str
    id: str


Block: TypeAlias = tuple[Unit, ...]


def order(benchmarks: Sequence[Benchmark], seed: int) -> tuple[Block, ...]:
    """Every labelled pair once, in blocks of at most 32 pairs; there are at least 8 blocks where there are pairs for
    them. Within a block pairs keep the order of their files.

    Raises DataError where two pairs have the same name or none has a label.
    """
    named = [Unit(benchmark.name, pair.id) for benchmark in benchmarks for pair in benchmark.pairs]
    places = {unit: place for place, unit in enumerate(named)}
    units = [unit for stratum in _strata(benchmarks) for unit in _shuffled(stratum, "sort", seed)]
    if not units:
        raise DataError("no pair has a human label, so there is no accuracy to measure", "give pairs a label")
    if len(places) != len(named):
        raise DataError("two pairs have the same benchmark and id", "give every pair a unique id")
    count = min(len(units), max(FEWEST, -(-len(units) // BLOCK)))
    blocks: list[list[Unit]] = [[] for _ in range(count)]
    for start in range(0, len(units), count):
        for block, unit in _dealt(units[start : start + count], count, seed):
            blocks[block].append(unit)
    return tuple(tuple(sorted(block, key=places.__getitem__)) for block in blocks)


def walk(benchmark: Benchmark, seed: int) -> tuple[Block, ...]:
    """Every labelled pair once, all orders equally likely, in blocks of at most 16 pairs; there are at least 8 blocks
    where there are pairs for them. Within a block pairs stand in the order drawn.

    Raises DataError where two pairs have the same id or none has a label.
    """
    if len({pair.id for pair in benchmark.pairs}) < len(benchmark.pairs):
        raise DataError("two pairs have the same benchmark and id", "give every pair a unique id")
    units = _shuffled([Unit(benchmark.name, pair.id) for pair in benchmark.pairs if pair.labels], "walk", seed)
    if not units:
        raise DataError("no pair has a human label, so there is no accuracy to measure", "give pairs a label")
    count = min(len(units), max(FEWEST, -(-len(units) // LOOK)))
    cuts = [len(units) * number // count for number in range(count + 1)]
    return tuple(tuple(units[start:end]) for start, end in zip(cuts, cuts[1:], strict=False))


def speakers(benchmark: Benchmark, seed: int) -> frozenset[Unit]:
    """A pair of each cluster, all its labelled pairs equally likely, drawn independently of `walk`."""
    chosen: dict[str, Unit] = {}
    names = {Unit(benchmark.name, pair.id): pair.cluster for pair in benchmark.pairs if pair.labels}
    for unit in _shuffled(list(names), "speak", seed):
        chosen.setdefault(names[unit], unit)
    return frozenset(chosen.values())


def shuffled(names: Sequence[str], purpose: str, seed: int) -> list[str]:
    """All orders equally likely; where names are added or left out the others keep their order. Names are unique."""
    return sorted(names, key=lambda name: _chance(seed, purpose, name))


def _strata(benchmarks: Sequence[Benchmark]) -> Iterator[list[Unit]]:
    for benchmark in sorted(benchmarks, key=lambda benchmark: benchmark.name):
        for label in (*LABELS, None):
            pairs = [pair for pair in benchmark.pairs if pair.labels and majority(Counter(pair.labels)) == label]
            yield [Unit(benchmark.name, pair.id) for pair in pairs]


def _dealt(cell: Sequence[Unit], blocks: int, seed: int) -> Iterator[tuple[int, Unit]]:
    """A block of its own for each unit of a cell."""
    if len(cell) == blocks:
        yield from enumerate(_shuffled(cell, "deal", seed))
    else:
        drawn = sorted(range(blocks), key=lambda block: _chance(seed, "rest", str(block)))[: len(cell)]
        yield from zip(drawn, cell, strict=True)


def _shuffled(units: Sequence[Unit], purpose: str, seed: int) -> list[Unit]:
    return sorted(units, key=lambda unit: _chance(seed, purpose, f"{unit.benchmark}\n{unit.id}"))


def _chance(seed: int, purpose: str, name: str) -> bytes:
    return sha256(f"{seed}\n{purpose}\n{name}".encode(errors="surrogatepass")).digest()  # JSON may name half a pair
