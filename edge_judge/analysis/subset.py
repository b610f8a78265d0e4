"""A few pairs of a benchmark that stand for all of it, and that a larger number goes on from.

The head of a file does not: files are sorted by question, by model or by label. So pairs come in the order of
`sampling`, block by block, and within a block so that the first few hold of every label nearly its share. Pairs without
a human label come last, as nothing is right or wrong about them; where there are no labels all pairs come at random.

Chance is a hash of a fixed seed and the pair's name. So every judge gets the same pairs, and nobody chooses them.

Knows: benchmarks. Does not know: runs, verdicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from hashlib import sha256

from edge_judge.analysis.sampling import order
from edge_judge.metrics.scoring import majority
from edge_judge.records import Benchmark, Label, Pair

SEED = 0


def subset(benchmark: Benchmark, limit: int | None, *, head: bool = False, judged: Collection[str] = ()) -> Benchmark:
    """So many pairs of a benchmark, in the order of its file; all of them without a limit.

    head: the first ones of the file instead. judged: ids of pairs that have verdicts already. They are taken first, so
    that a run which was begun on other pairs goes on and loses nothing. Raises DataError as `sampling.order` does.
    """
    if limit is None or limit >= len(benchmark.pairs):
        return benchmark
    ids = [pair.id for pair in benchmark.pairs] if head else spread(benchmark)
    chosen = {*sorted(ids, key=lambda name: name not in judged)[:limit]}  # which is stable
    return replace(benchmark, pairs=tuple(pair for pair in benchmark.pairs if pair.id in chosen))


def spread(benchmark: Benchmark) -> list[str]:
    """The ids of all pairs, each first few of them a small picture of the whole."""
    pairs = {pair.id: pair for pair in benchmark.pairs}
    labelled = replace(benchmark, pairs=tuple(pair for pair in benchmark.pairs if pair.labels))
    blocks = order((labelled,), SEED) if labelled.pairs else ()
    ids = [name for block in blocks for name in _mixed([pairs[unit.id] for unit in block])]
    return ids + sorted((pair.id for pair in benchmark.pairs if not pair.labels), key=_chance)


def _mixed(block: Sequence[Pair]) -> list[str]:
    """The ids of a block's pairs, every label as evenly as it can be: the pairs of one label are spread over the block
    at equal distances from a place drawn at random.
    """
    strata: dict[Label | None, list[str]] = {}
    for pair in sorted(block, key=lambda pair: _chance(pair.id)):
        strata.setdefault(majority(Counter(pair.labels)), []).append(pair.id)
    places = {
        name: ((number + _share(f"{label}\n{names[0]}")) / len(names), _chance(name))
        for label, names in strata.items()
        for number, name in enumerate(names)
    }
    return sorted(places, key=places.__getitem__)


def _share(name: str) -> float:
    """A number in [0, 1), by chance."""
    return int.from_bytes(_chance(name)[:6], "big") / (1 << 48)


def _chance(name: str) -> bytes:
    return sha256(f"{SEED}\nsubset\n{name}".encode(errors="surrogatepass")).digest()  # JSON may name half a pair
