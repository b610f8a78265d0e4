"""A run: a benchmark put to a judge, verdict by verdict, resumable at any moment.

Knows: what decides a run's outcome, what is still to be done, what it cost.
Does not know: how a verdict is read, how figures are computed or shown, where a GGUF comes from.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from edge_judge.engine import Batching, Footprint, Limits, Model, memory
from edge_judge.engine.plan import Plan
from edge_judge.errors import DataError, RunError
from edge_judge.judging.judge import Watch, judge
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Benchmark, Judge, Measured, Order, Progress, Verdict, WorkEstimate
from edge_judge.runs.folder import RunFolder, noted

CUT = "cut"  # in run.json: how the work was cut, where that is not as usual


@dataclass(frozen=True, slots=True)
class Follow:
    """Who follows a run: begin(ahead) once it is known what is to be done, report(progress) after each decode call."""

    begin: Callable[[WorkEstimate], None] = lambda _: None
    report: Callable[[Progress], None] = lambda _: None


class Session:
    """A judge whose model is loaded when a verdict first needs it, once, and stays loaded. Use as a context manager."""

    def __init__(self, judge_: Judge, *, threads: int | None = None, limits: Limits = Limits()) -> None:
        self.judge, self.limits = judge_, limits
        self._threads = threads
        self._model: Model | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._model is not None:
            self._model.close()

    @property
    def model(self) -> Model:
        """The loaded model. Raises ModelError if llama.cpp cannot load it, MemoryShortError if it is too large."""
        if self._model is None:
            self._model = Model(
                self.judge.gguf, threads=self._threads, chat=self.judge.chat, allowed=self.limits.memory
            )
        return self._model

    def evaluate(
        self, part: Benchmark, protocol: Protocol, run: RunFolder, follow: Follow = Follow()
    ) -> tuple[list[Verdict], Measured]:
        """Every verdict on a benchmark's pairs, or on some of them: those found in the run's folder and those reached
        now; and what all of the run has cost so far, which is kept in the folder too.

        Pairs that are given together are evaluated as one plan. Raises DataError where there are none, ModelError
        when prompts do not fit the model's context, MemoryShortError when the work does not fit the means, RunError
        when it does not fit any more as it was begun.
        """
        if not part.pairs:
            raise DataError(f"benchmark {part.name}: no pairs to judge", "a pair has question, a and b")
        questions = [Question(pair, order) for pair in part.pairs for order in protocol.orders]
        known = {(verdict.id, verdict.order): verdict for verdict in run.verdicts()}
        cost = run.measured()
        if cost is None or any(question.key not in known for question in questions):
            run.reopen()
            work = RunProgress(questions, protocol, run, known, follow)
            if work.wanted:
                self._judge(work)
            cost = work.measured(run.measured())
            run.add("measured", asdict(cost))
        return [known[key] for key in sorted(question.key for question in questions)], cost

    def _judge(self, work: RunProgress) -> None:
        """Reach the verdicts that are wanted."""
        watch = Watch(work.begin, work.takes, work.done, work.check)
        found = judge(
            self.model,
            work.protocol,
            work.questions,
            lambda question: question.key in work.wanted,
            watch,
            work.cut,
            self.limits,
        )
        with closing(found):  # what ends the work also frees its cache, before the model that it hangs on
            for verdict in found:
                work.keep(verdict)


class RunProgress:
    """What is to be done of a part of a run, what is done, and what it cost."""

    def __init__(
        self,
        questions: Sequence[Question],
        protocol: Protocol,
        run: RunFolder,
        known: dict[tuple[str, Order], Verdict],
        follow: Follow,
    ) -> None:
        self.questions, self.protocol = questions, protocol
        self.wanted = frozenset(question.key for question in questions if question.key not in known)
        self.cut = _cut(run)
        self._run, self._known, self._follow = run, known, follow
        self._reached = self._tokens = self._tokens_total = self._tokens_alone = 0
        self._start = self._begun = time.monotonic()
        memory.forget_peak()

    def begin(self, plans: Sequence[Plan]) -> None:
        self._tokens_total = sum(plan.tokens for plan in plans)
        self._tokens_alone = sum(plan.tokens_alone for plan in plans)

    def check(self, cut: Batching) -> None:
        """Note a cut that is smaller than usual. What was begun in one cut is not ended in another."""
        if cut != self.cut and len(self.wanted) < len(self.questions):
            raise RunError(
                f"{self._run.path}: cut into such parts as it was begun in, this run does not fit the memory",
                "allow more with --max-memory, or --fresh begins the run anew",
            )
        self.cut = cut
        if cut != Batching():
            self._run.add(CUT, asdict(cut))

    def takes(self, footprint: Footprint) -> None:
        self._begun = time.monotonic()
        each, smaller = self.protocol.limit, self.cut != Batching()
        ahead = WorkEstimate(len(self.wanted), self._tokens_total, self._tokens_alone, each, footprint.total, smaller)
        self._follow.begin(ahead)

    def keep(self, verdict: Verdict) -> None:
        key = (verdict.id, verdict.order)
        if key not in self._known:
            self._run.append(verdict)
            self._known[key] = verdict
            self._reached += 1

    def done(self, tokens: int) -> None:
        self._tokens += tokens
        now = time.monotonic()
        total = max(self._tokens_total, self._tokens)  # what is written cannot be planned, so verdicts foresee it
        share = self._reached / len(self.wanted) if self.protocol.limit else self._tokens / total
        left = (now - self._begun) * (1 / share - 1) if share else None
        already = len(self.questions) - len(self.wanted)
        reached = already + self._reached
        self._follow.report(Progress(reached, len(self.questions), self._tokens, total, now - self._start, left))

    def measured(self, before: Measured | None) -> Measured:
        """The cost of this work, added to that of an earlier part of the run."""
        here = Measured(
            wall_seconds=round(time.monotonic() - self._start, 3),
            tokens=self._tokens,
            tokens_total=self._tokens_alone,
            verdicts=self._reached,
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


def _cut(run: RunFolder) -> Batching:
    """How a run's work was cut when it was begun."""
    found = noted(run.path, CUT)
    if found is None:
        return Batching()
    usual = asdict(Batching())
    whole = found.keys() == usual.keys() and all(type(number) is int for number in found.values())
    if not whole or not all(1 <= found[name] <= most for name, most in usual.items()):
        raise RunError(f"{run.path / 'run.json'}: {CUT}: not a way to cut the work", "--fresh begins the run anew")
    return Batching(**found)
