"""A run: a benchmark put to a judge, verdict by verdict, resumable at any moment.

Knows: what decides a run's outcome, what is still to be done, what it cost.
Does not know: how a verdict is read, how figures are computed or shown, where a GGUF comes from.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edge_judge import __version__, memory, prompts
from edge_judge.engine import Model
from edge_judge.errors import DataError
from edge_judge.judging import Protocol, Question, Watch, judge
from edge_judge.plan import Plan
from edge_judge.records import Benchmark, Identity, Judge, Measured, Progress, Verdict
from edge_judge.store import RunFolder


def identity(benchmark: Benchmark, judge_: Judge, protocol: Protocol) -> Identity:
    return Identity(benchmark.name, judge_.model, judge_.scheme, protocol.grammar.name)


def settings(benchmark: Benchmark, judge_: Judge, protocol: Protocol) -> dict[str, Any]:
    """Everything that decides the outcome, as run.json keeps it."""
    import llama_cpp

    return {
        "gguf_sha256": judge_.sha256,
        "lock": judge_.lock,
        "benchmark_source": benchmark.source,
        "benchmark_sha256": benchmark.sha256,
        "prompt": protocol.grammar.prompt,
        "prompt_sha256": prompts.sha256(prompts.source(protocol.grammar.prompt)),
        "grammar_sha256": protocol.grammar.sha256,
        "order": "both" if len(protocol.orders) == 2 else "given",
        "ties": protocol.ties,
        "decoding": f"greedy, {protocol.limit} tokens" if protocol.grammar.free else "probabilities",
        "seed": None,  # nothing is drawn
        "llama_cpp": llama_cpp.__version__,
        "edge_judge": __version__,
    }


def evaluate(
    benchmark: Benchmark,
    judge_: Judge,
    protocol: Protocol,
    run: RunFolder,
    report: Callable[[Progress], None],
    *,
    threads: int | None = None,
) -> tuple[list[Verdict], Measured]:
    """Every verdict on the benchmark's pairs, those found in the run's folder and those reached now; and the cost.

    Raises DataError for an empty benchmark, ModelError when prompts do not fit the model's context.
    """
    if not benchmark.pairs:
        raise DataError(f"benchmark {benchmark.name}: no pairs to judge", "a pair has question, a and b")
    questions = [Question(pair, order) for pair in benchmark.pairs for order in protocol.orders]
    known = {(verdict.id, verdict.order): verdict for verdict in run.verdicts()}
    before = run.measured()
    if before is None or any(question.key not in known for question in questions):
        run.reopen()
        work = _Work(len(questions), report, reached=len(known))
        with Model(judge_.gguf, threads=threads) as model:
            watch = Watch(work.begin, work.done)
            for verdict in judge(model, protocol, questions, lambda question: question.key not in known, watch):
                if (verdict.id, verdict.order) not in known:
                    run.append(verdict)
                    known[verdict.id, verdict.order] = verdict
                    work.reached += 1
        before = work.measured(before)
    return [known[key] for key in sorted(question.key for question in questions)], before


@dataclass(slots=True)
class _Work:
    """What is done, and what it cost."""

    total: int
    report: Callable[[Progress], None]
    reached: int
    already: int = field(init=False)
    start: float = field(default_factory=time.monotonic)
    tokens: int = 0
    tokens_total: int = 0
    tokens_alone: int = 0

    def __post_init__(self) -> None:
        self.already = self.reached
        memory.forget_peak()

    def begin(self, plans: Sequence[Plan]) -> None:
        self.tokens_total = sum(plan.tokens for plan in plans)
        self.tokens_alone = sum(plan.tokens_alone for plan in plans)

    def done(self, tokens: int) -> None:
        self.tokens += tokens
        seconds = time.monotonic() - self.start
        total = max(self.tokens_total, self.tokens)  # what is written cannot be planned
        self.report(Progress(self.reached, self.total, self.tokens, total, seconds))

    def measured(self, before: Measured | None) -> Measured:
        """The cost of this work, added to that of an earlier part of the run."""
        here = Measured(
            wall_seconds=round(time.monotonic() - self.start, 3),
            tokens=self.tokens,
            tokens_total=self.tokens_alone,
            verdicts=self.reached - self.already,
            peak_rss=memory.peak(),
            machine=f"{platform.machine()}, {os.cpu_count()} cores",
        )
        if before is None:
            return here
        return replace(
            here,
            wall_seconds=round(here.wall_seconds + before.wall_seconds, 3),
            tokens=here.tokens + before.tokens,
            tokens_total=here.tokens_total + before.tokens_total,
            verdicts=here.verdicts + before.verdicts,
            peak_rss=max(here.peak_rss, before.peak_rss),
        )
