"""Pairs to learn from that a benchmark also has: a judge that learned them cannot be measured there.

A pair overlaps if a benchmark has its question, in the same words, or a near-duplicate of the whole pair: the Jaccard
index of the five-word sequences of question and answers is at least 0.8, the measure and threshold of Lee et al. 2022
(arXiv:2107.06499), here computed exactly. The order of the two answers does not matter.
Knows: texts of pairs. Does not know: files, why a pair is left out.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from edge_judge.benchmarks.fingerprint import normalized
from edge_judge.records import Benchmark, Pair

WORDS = 5  # of a sequence
LEAST = 0.8  # Jaccard index of a near-duplicate
_WORD = re.compile(r"\w+")

Sequences = frozenset[tuple[str, ...]]


class OverlapFinder:
    """Tells which benchmark has a pair."""

    def __init__(self, benchmarks: Iterable[Benchmark]) -> None:
        self._questions: dict[str, str] = {}
        self._pairs: list[tuple[str, Sequences]] = []
        self._holding: dict[tuple[str, ...], list[int]] = defaultdict(list)  # a sequence -> places in _pairs
        for benchmark in benchmarks:
            for pair in benchmark.pairs:
                self._add(benchmark.name, pair)

    def benchmark_of(self, pair: Pair) -> str | None:
        """The name of a benchmark that has the pair, or one nearly like it; None if none has."""
        if (same := self._questions.get(normalized(pair.question))) is not None:
            return same
        sequences = sequences_of(pair)
        shared = Counter(place for sequence in sequences for place in self._holding.get(sequence, ()))
        for place, count in shared.items():
            name, others = self._pairs[place]
            if count >= LEAST * (len(sequences) + len(others) - count):
                return name
        return None

    def _add(self, name: str, pair: Pair) -> None:
        self._questions.setdefault(normalized(pair.question), name)
        sequences = sequences_of(pair)
        for sequence in sequences:
            self._holding[sequence].append(len(self._pairs))
        self._pairs.append((name, sequences))


def words(text: str) -> tuple[str, ...]:
    """The words of a text, whatever the signs between them. A text without words is its own only word."""
    return tuple(_WORD.findall(normalized(text))) or (normalized(text),)


def sequences_of(pair: Pair) -> Sequences:
    """The five-word sequences of question and answers; a shorter text is one sequence."""
    return frozenset(sequence for text in (pair.question, pair.a, pair.b) for sequence in _sequences(words(text)))


def _sequences(found: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(max(1, len(found) - WORDS + 1)):
        yield tuple(found[start : start + WORDS])
