"""A run: a benchmark put to a judge, verdict by verdict, resumable at any moment.

Knows: what decides a run's outcome, what is still to be done, what it cost.
Does not know: how a verdict is read, how figures are computed or shown, where a GGUF comes from.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from edge_judge import __version__, memory, prompts
from edge_judge.engine import Means, Model
from edge_judge.errors import DataError
from edge_judge.judging import Watch, judge
from edge_judge.plan import Plan
from edge_judge.protocol import Protocol, Question
from edge_judge.records import Benchmark, Identity, Judge, Measured, Order, Progress, Verdict
from edge_judge.sheets import trained_in
from edge_judge.store import RunFolder


def identity(benchmark: Benchmark, judge_: Judge, protocol: Protocol) -> Identity:
    return Identity(benchmark.name, judge_.model, judge_.scheme, protocol.grammar.name)


def settings(benchmark: Benchmark, judge_: Judge, protocol: Protocol) -> dict[str, Any]:
    """Everything that decides the outcome, as run.json keeps it."""
    import llama_cpp

    shape = protocol.grammar
    deciding = {
        "gguf_sha256": judge_.sha256,
        "lock": judge_.lock,
        "benchmark_source": benchmark.source,
        "benchmark_sha256": benchmark.sha256,
        "prompt": shape.prompt,
        "prompt_sha256": prompt_sha256(judge_, protocol),
        "grammar_sha256": shape.sha256,
        "order": "both" if len(protocol.orders) == 2 else "given",
        "ties": protocol.ties,
        "decoding": protocol.decoding,
        "seed": None,  # nothing is drawn
        "llama_cpp": llama_cpp.__version__,
        "edge_judge": __version__,
    }
    # What is not said is as it usually is: runs of other protocols stay as they are.
    unusual = {
        "criteria": list(protocol.criteria) or None,
        "truncate": "answers" if protocol.truncate else None,
        "chat_template_sha256": judge_.chat and prompts.sha256(judge_.chat),
    }
    return deciding | {name: value for name, value in unusual.items() if value}


def prompt_sha256(judge_: Judge, protocol: Protocol) -> str:
    """The hash of the prompt's template, or of the one that came with the model."""
    if not protocol.grammar.trained_in:
        return prompts.sha256(prompts.source(protocol.grammar.prompt))
    with Model(judge_.gguf, vocab_only=True) as model:
        return prompts.sha256(trained_in(model))


class Session:
    """A judge whose model is loaded when a verdict first needs it, once, and stays loaded. Use as a context manager."""

    def __init__(self, judge_: Judge, *, threads: int | None = None, means: Means = Means()) -> None:
        self.judge, self.means = judge_, means
        self._threads = threads
        self._model: Model | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._model is not None:
            self._model.close()

    @property
    def model(self) -> Model:
        """The loaded model. Raises ModelError if llama.cpp cannot load it."""
        if self._model is None:
            self._model = Model(self.judge.gguf, threads=self._threads, chat=self.judge.chat)
        return self._model

    def evaluate(
        self, part: Benchmark, protocol: Protocol, run: RunFolder, report: Callable[[Progress], None]
    ) -> tuple[list[Verdict], Measured]:
        """Every verdict on a benchmark's pairs, or on some of them: those found in the run's folder and those reached
        now; and what all of the run has cost so far, which is kept in the folder too.

        Pairs that are given together are evaluated as one plan. Raises DataError where there are none, ModelError
        when prompts do not fit the model's context, MemoryShortError when the work does not fit the means.
        """
        if not part.pairs:
            raise DataError(f"benchmark {part.name}: no pairs to judge", "a pair has question, a and b")
        questions = [Question(pair, order) for pair in part.pairs for order in protocol.orders]
        known = {(verdict.id, verdict.order): verdict for verdict in run.verdicts()}
        cost = run.measured()
        if cost is None or any(question.key not in known for question in questions):
            cost = self._go_on(questions, protocol, run, known, report)
        return [known[key] for key in sorted(question.key for question in questions)], cost

    def _go_on(
        self,
        questions: Sequence[Question],
        protocol: Protocol,
        run: RunFolder,
        known: dict[tuple[str, Order], Verdict],
        report: Callable[[Progress], None],
    ) -> Measured:
        """Reach the verdicts that are not known yet, and add what it cost to what the run has cost before."""
        run.reopen()
        reached = sum(question.key in known for question in questions)
        work = _Work(len(questions), report, reached)
        if reached < len(questions):
            watch = Watch(work.begin, done=work.done)
            wanted = frozenset(question.key for question in questions if question.key not in known)
            for verdict in judge(
                self.model, protocol, questions, lambda question: question.key in wanted, watch, means=self.means
            ):
                if (verdict.id, verdict.order) not in known:
                    run.append(verdict)
                    known[verdict.id, verdict.order] = verdict
                    work.reached += 1
        cost = work.measured(run.measured())
        run.add("measured", asdict(cost))
        return cost


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
