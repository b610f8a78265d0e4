"""How work is cut into decode calls: as is usual, or smaller where memory is short.

Knows: numbers. Does not know: llama.cpp, nor how much memory a cut takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Batching:
    """How work is cut. None of it decides a verdict, but rounding differs a little from one cut to another.

    cells: tokens in one decode call; micro: tokens that llama.cpp computes at once; members: sequences in one decode
    call (llama.cpp's own limit is 256); slots: sequences that write side by side.

    The usual call is a compromise: each reads all weights once, which asks for large ones; but all of its tokens are
    held against every cell of the cache that is in use, and the fewer those are, the less of that is in vain.
    """

    cells: int = 384
    micro: int = 384
    members: int = 64
    slots: int = 16


STEPS = (  # where memory is short
    Batching(cells=256, micro=256, members=32, slots=8),
    Batching(cells=256, micro=256, members=16, slots=4),
    Batching(cells=128, micro=128, members=8, slots=2),
    Batching(cells=64, micro=64, members=1, slots=1),
)


def smaller(batching: Batching) -> Iterator[Batching]:
    """A cut, and those that take less and less memory: few and far between, so that the same memory gives the same."""
    yield batching
    for step in STEPS:
        limits = zip(asdict(batching).items(), asdict(step).values(), strict=True)
        cut = Batching(**{name: min(value, limit) for (name, value), limit in limits})
        if cut != batching:
            yield cut
