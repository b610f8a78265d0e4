"""How much of a verdict is rounding: the same questions once more, with the work cut another way.

llama.cpp's sums depend a little on how many tokens are computed together. A run itself is always cut the same way and
repeats bit for bit; this tells how far its verdicts would move if it were not.
Knows: other ways to cut the work. Does not know: whether a verdict is right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from edge_judge.engine import Batching, Limits, Model
from edge_judge.engine.plan import Plan
from edge_judge.judging.judge import Watch, judge
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Benchmark, Noise, Progress, Verdict

CUTS = (
    Batching(cells=1024, micro=256, members=16, slots=8),
    Batching(cells=512, micro=512, members=1, slots=1),
    Batching(cells=2048, micro=512, members=48, slots=12),
)


def repeat(
    benchmark: Benchmark,
    model: Model,
    protocol: Protocol,
    verdicts: Sequence[Verdict],
    times: int,
    report: Callable[[Progress], None],
    *,
    limits: Limits = Limits(),
) -> Noise:
    """Judge a benchmark's pairs `times` more, each time cut another way, and compare with these verdicts."""
    questions = [Question(pair, order) for pair in benchmark.pairs for order in protocol.orders]
    again: list[Verdict] = []
    for turn in range(times):
        watch = _follow(report, len(questions))
        again += judge(model, protocol, questions, watch=watch, batching=CUTS[turn % len(CUTS)], limits=limits)
    return compare(verdicts, again, times)


def compare(verdicts: Sequence[Verdict], again: Sequence[Verdict], times: int) -> Noise:
    """How far repeated verdicts lie from the first ones on the same questions."""
    known = {(verdict.id, verdict.order): verdict for verdict in verdicts}
    both = [(known[other.id, other.order], other) for other in again if (other.id, other.order) in known]
    flips = sum(first.verdict != other.verdict for first, other in both)
    apart = [gap for first, other in both for gap in _gaps(first, other)]
    mean = sum(apart) / len(apart) if apart else None
    return Noise(times, len(both), flips, max(apart, default=None), mean)


def _gaps(first: Verdict, other: Verdict) -> Iterator[float]:
    """The differences between the probabilities of two verdicts that have them."""
    if first.p is not None and other.p is not None:
        yield from (abs(p - other.p[label]) for label, p in first.p.items())


def _follow(report: Callable[[Progress], None], total: int) -> Watch:
    counts, start = {"tokens": 0, "done": 0}, time.monotonic()

    def begin(plans: Sequence[Plan]) -> None:
        counts["tokens"] = sum(plan.tokens for plan in plans)

    def done(tokens: int) -> None:
        counts["done"] += tokens
        share = min(1.0, counts["done"] / max(1, counts["tokens"]))
        seconds, tokens = time.monotonic() - start, max(counts["tokens"], counts["done"])
        left = seconds / share - seconds if share else None
        report(Progress(int(share * total), total, counts["done"], tokens, seconds, left))

    return Watch(begin, done=done)
