"""A run: a benchmark put to a judge, verdict by verdict, resumable at any moment.

Knows: what decides a run's outcome, what is still to be done, what it cost.
Does not know: how a verdict is read, how figures are computed or shown, where a GGUF comes from.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any, Self

from edge_judge import worktime
from edge_judge.engine import Engine, engine_for, memory
from edge_judge.errors import DataError, RunError
from edge_judge.judging.judge import judge
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.quantities import counted
from edge_judge.records import (
    Batching,
    Benchmark,
    Judge,
    Limits,
    Measured,
    Order,
    Progress,
    ProgressListener,
    Verdict,
    WorkEstimate,
)
from edge_judge.runs.folder import RunFolder, noted
from edge_judge.runs.format import ANEW, BATCHING, OFFLOADED

GAPS = "left_out"  # in run.json: time in which the machine slept or the process was stopped
RESPELLED = 0.01  # share of a verdict's probability on a second spelling that a person should know of


class Session:
    """A judge and its engine, which loads what it needs when a verdict first needs it, once, and keeps it. Use as a
    context manager. engine: the one to ask, if not the one that runs the judge's file.
    """

    def __init__(
        self,
        judge_: Judge,
        *,
        threads: int | None = None,
        limits: Limits = Limits(),
        engine: Engine | None = None,
    ) -> None:
        self.judge, self.limits = judge_, limits
        self.engine = engine or engine_for(judge_, threads=threads, limits=limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.engine.close()

    def evaluate(
        self, part: Benchmark, protocol: Protocol, run: RunFolder, listener: ProgressListener = ProgressListener()
    ) -> tuple[list[Verdict], Measured]:
        """Every verdict on these pairs, those in the run's folder included, and the cost of the whole run so far, which
        the folder keeps too.

        Pairs that are given together are evaluated as one plan. Raises DataError where there are none, ModelError
        when prompts do not fit the model's context, MemoryLimitError when the work does not fit the limits, RunError
        when it does not fit any more as it was begun.
        """
        if not part.pairs:
            raise DataError(f"benchmark {part.name}: no pairs to judge", "a pair has question, a and b")
        questions = [Question(pair, order) for pair in part.pairs for order in protocol.orders]
        before = run.verdicts()
        reached = {_key(verdict): verdict for verdict in before}
        cost = run.measured()
        if cost is None or any(question.key not in reached for question in questions):
            run.reopen()
            work = RunProgress(part.name, questions, run, frozenset(reached), listener)
            if work.pending:
                self._note_text_handling(part, run, listener)
                self._judge(protocol, work)
                reached |= {_key(verdict): verdict for verdict in run.verdicts(len(before))}
                _refuse_lost(run, lost=sum(question.key not in reached for question in questions))
                _note_respelled(part.name, list(reached.values()), listener)
            cost = work.measured(run.measured())
            run.add("measured", asdict(cost))
            work.keep_gaps()
        return [reached[key] for key in sorted(question.key for question in questions)], cost

    def _note_text_handling(self, part: Benchmark, run: RunFolder, listener: ProgressListener) -> None:
        """Keep how the engine treats texts, and tell what may be wrong with it."""
        handling = self.engine.text_handling(text for pair in part.pairs for text in (pair.question, pair.a, pair.b))
        for doubt in handling.doubts:
            listener.note(f"{self.engine.name}: {doubt}")
        run.add("text_handling", asdict(handling))

    def _judge(self, protocol: Protocol, work: RunProgress) -> None:
        """Reach the verdicts that are pending."""
        verdicts = judge(
            self.engine,
            protocol,
            work.questions,
            wanted=lambda question: question.key in work.pending,
            listener=work,
            batching=work.batching,
            name=work.name,
        )
        with closing(verdicts):  # what ends the work also frees its cache, before the model that it needs
            for verdict in verdicts:
                work.keep(verdict)


class RunProgress(ProgressListener):
    """What a part of a run has left to do, has done and has cost. Reports it, with earlier verdicts, to a listener.

    Verdicts are kept in the run's folder alone: beside the work, they would leave its memory in pieces when it is done.
    """

    def __init__(
        self,
        name: str,
        questions: Sequence[Question],
        run: RunFolder,
        reached: frozenset[tuple[str, Order]],
        listener: ProgressListener,
    ) -> None:
        self.name, self.questions = name, questions
        self.pending = frozenset(question.key for question in questions if question.key not in reached)
        self.batching = _batching(run)
        self._run, self._left, self._listener = run, set(self.pending), listener
        self._reached = self._tokens = self._tokens_alone = 0
        self._clock = worktime.clock()
        self._start, self._gaps = self._clock.seconds(), self._clock.gaps()
        memory.forget_peak()

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        """Check and note how the work is divided: what was begun in one way is not ended in another."""
        if estimate.batching != self.batching and len(self.pending) < len(self.questions):
            raise RunError(
                f"{self._run.path}: this run does not fit in memory with the batches that it was started with",
                "allow more with --max-memory, or --fresh starts the run over",
            )
        self.batching = estimate.batching
        if estimate.smaller:
            self._run.add(BATCHING, asdict(estimate.batching))
        if estimate.offloaded is not None:
            self._run.add(OFFLOADED, asdict(estimate.offloaded))
        self._tokens_alone = estimate.tokens_alone
        self._listener.estimate(name, estimate)

    def keep(self, verdict: Verdict) -> None:
        if _key(verdict) in self._left:
            self._run.append(verdict)
            self._left.remove(_key(verdict))
            self._reached += 1

    def progress(self, progress: Progress) -> None:
        self._tokens = progress.tokens
        reached = len(self.questions) - len(self.pending) + progress.verdicts
        self._listener.progress(replace(progress, verdicts=reached, verdicts_total=len(self.questions)))

    def note(self, text: str) -> None:
        self._listener.note(text)

    def stood_still(self, name: str, seconds: float) -> None:
        self._listener.stood_still(name, seconds)

    def keep_gaps(self) -> None:
        """Note in run.json how often the work stood still, and for how long: no figure has this time in it."""
        if (gaps := self._clock.gaps().since(self._gaps)).times:
            before = noted(self._run.path, GAPS) or {}
            times, seconds = before.get("times", 0) + gaps.times, before.get("seconds", 0.0) + gaps.seconds
            self._run.add(GAPS, {"times": times, "seconds": round(seconds, 3)})

    def measured(self, before: Measured | None) -> Measured:
        """The cost of this work, added to that of an earlier part of the run."""
        here = Measured(
            wall_seconds=round(self._clock.seconds() - self._start, 3),
            tokens=self._tokens,
            tokens_total=self._tokens_alone,
            verdicts=self._reached,
            peak_rss=memory.peak(),
            machine=_machine(),
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


def unmeasured() -> Measured:
    """The cost of verdicts whose process was killed before it could note it."""
    return Measured(0.0, 0, 0, 0, 0, _machine())


def _machine() -> str:
    return f"{platform.machine()}, {counted(os.cpu_count() or 1, 'core')}"


def _batching(run: RunFolder) -> Batching:
    """How a run's work was divided when it was begun."""
    note = noted(run.path, BATCHING)
    if note is None:
        return Batching()
    usual = asdict(Batching())
    whole = note.keys() == usual.keys() and all(type(number) is int for number in note.values())
    if not whole or not all(1 <= note[name] <= most for name, most in usual.items()):
        raise RunError(f"{run.path / 'run.json'}: {BATCHING}: not a way to divide the work", ANEW)
    return Batching(**note)


def _key(verdict: Verdict) -> tuple[str, Order]:
    return verdict.id, verdict.order


def _note_respelled(name: str, verdicts: Sequence[Verdict], listener: ProgressListener) -> None:
    """Tell how many verdicts the judge may give in two spellings."""
    shares = [verdict.respelled or 0.0 for verdict in verdicts]
    if count := sum(share >= RESPELLED for share in shares):
        listener.note(
            f"{name}: in {count} of {len(shares)} verdicts at least {100 * RESPELLED:.0f} % of the "
            "probability is on other tokens for the same text "
            f"(largest share {100 * max(shares):.0f} %); it is counted"
        )


def _refuse_lost(run: RunFolder, lost: int) -> None:
    """Raises RunError where verdicts were written and are not in the file."""
    if lost:
        raise RunError(
            f"{run.path / 'verdicts.jsonl'}: {counted(lost, 'new verdict')} cannot be found there",
            "check the disk, and that nothing else writes this file; the same command judges what is missing",
        )
