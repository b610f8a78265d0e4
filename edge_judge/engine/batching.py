"""Smaller and smaller batchings, for when memory is short.

Knows: numbers. Does not know: llama.cpp, or how much memory a batching takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from edge_judge.records import Batching

STEPS = (  # upper limits to try in turn
    Batching(cells=256, micro=256, members=32, slots=8),
    Batching(cells=256, micro=256, members=16, slots=4),
    Batching(cells=128, micro=128, members=8, slots=2),
    Batching(cells=64, micro=64, members=1, slots=1),
)


def smaller(batching: Batching) -> Iterator[Batching]:
    """A batching, then a few that take less and less memory. They are few, so that equal memory gives equal calls."""
    yield batching
    for step in STEPS:
        limits = zip(asdict(batching).items(), asdict(step).values(), strict=True)
        limited = Batching(**{name: min(value, limit) for (name, value), limit in limits})
        if limited != batching:
            yield limited
