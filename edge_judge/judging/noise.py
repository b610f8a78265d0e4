"""How much of a verdict is rounding: the same questions once more, with the work divided another way.

llama.cpp's sums depend a little on how many tokens are computed together. A run itself is always divided the same way
and repeats bit for bit; this tells how far its verdicts would move if it were not.
Knows: other ways to divide the work. Does not know: whether a verdict is right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_judge.engine import Engine
from edge_judge.judging.judge import judge
from edge_judge.metrics.verdict_frame import P, verdict_frame
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Batching, Benchmark, Noise, ProgressListener, Verdict

AGAIN = "_again"  # ends the names of the repeats' columns in a frame of both
BATCHINGS = (
    Batching(cells=1024, micro=256, members=16, slots=8),
    Batching(cells=512, micro=512, members=1, slots=1),
    Batching(cells=2048, micro=512, members=48, slots=12),
)


def repeat(
    benchmark: Benchmark,
    engine: Engine,
    protocol: Protocol,
    verdicts: Sequence[Verdict],
    times: int,
    listener: ProgressListener = ProgressListener(),
) -> Noise:
    """Judge a benchmark's pairs `times` more, each time divided another way, and compare with these verdicts."""
    questions = [Question(pair, order) for pair in benchmark.pairs for order in protocol.orders]
    again: list[Verdict] = []
    for turn in range(times):
        batching = BATCHINGS[turn % len(BATCHINGS)]
        again += judge(engine, protocol, questions, listener=listener, batching=batching, name=benchmark.name)
    return compare(verdicts, again, times)


def compare(verdicts: Sequence[Verdict], again: Sequence[Verdict], times: int) -> Noise:
    """How far repeated verdicts lie from the first ones on the same questions."""
    both = verdict_frame(again).merge(verdict_frame(verdicts), on=["id", "order"], suffixes=(AGAIN, ""))
    flips = int((both["verdict"].cat.codes != both[f"verdict{AGAIN}"].cat.codes).sum())
    gaps = abs(both[P].to_numpy() - both[[f"{name}{AGAIN}" for name in P]].to_numpy())
    moved = gaps[~np.isnan(gaps)].tolist()
    return Noise(times, len(both), flips, max(moved, default=None), sum(moved) / len(moved) if moved else None)
