"""Which pairs are kept back for validation: whole clusters, so that no question is both learned and measured.

Knows: clusters of pairs. Does not know: prompts, tokens.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edge_judge.errors import DataError
from edge_judge.records import Pair, TrainingPair


@dataclass(frozen=True, slots=True)
class Split:
    """The pairs to learn from, and those to measure on. No two of them have a cluster or a question in common."""

    learned: tuple[TrainingPair, ...]
    validation: tuple[TrainingPair, ...]


def split(pairs: Sequence[TrainingPair], share: float, seed: int) -> Split:
    """Keep back the share of the pairs, drawn by whole clusters; at least one cluster is on either side.

    The draw depends on a cluster's name and the seed alone. Raises DataError where there is only one cluster.
    """
    clusters = _clusters([learned.pair for learned in pairs])
    names = sorted(set(clusters), key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())
    if len(names) < 2:
        raise DataError(
            f"{len(pairs)} pairs, all of one question or group: none can be held out for validation",
            "training needs pairs of at least two questions",
        )
    size, kept = Counter(clusters), 0
    chosen: set[str] = set()
    for name in names[:-1]:
        if chosen and kept + size[name] > share * len(pairs):
            continue
        chosen.add(name)
        kept += size[name]
        if kept >= share * len(pairs):
            break
    parts = list(zip(pairs, clusters, strict=True))
    return Split(
        tuple(pair for pair, name in parts if name not in chosen),
        tuple(pair for pair, name in parts if name in chosen),
    )


def _clusters(pairs: Sequence[Pair]) -> list[str]:
    """The cluster of each pair, by the first name in it. Pairs that share a group or a question are in one."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for pair in pairs:
        first, second = sorted((root(f"question {pair.question}"), root(f"group {pair.group or pair.question}")))
        parent[second] = first
    return [root(f"question {pair.question}") for pair in pairs]
