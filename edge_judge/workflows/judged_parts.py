"""A scheme whose verdicts are reached a part at a time: judged here, or as it was recorded elsewhere.

Knows: sessions and runs' folders, by which seeds a scheme was decided, one bar for all parts. Does not know: which
pairs are judged next, and why (choose.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol as Interface

from edge_judge.analysis.sampling import Block, Unit
from edge_judge.metrics import scoring
from edge_judge.metrics.alignment import align
from edge_judge.records import Benchmark, Judge, Limits, Progress, ProgressListener, Run, WorkEstimate
from edge_judge.runs import folder as run_folder
from edge_judge.runs.folder import score_json
from edge_judge.runs.identity import run_identity, run_settings
from edge_judge.runs.session import Session, unmeasured
from edge_judge.workflows.cluster import Machines, note_machines
from edge_judge.workflows.ladder import Task
from edge_judge.workflows.seen import note_seen, seen_by

NOTE = "choose"  # the name of what is noted in run.json


@dataclass(frozen=True, slots=True)
class LocalWork:
    """How the schemes whose files are here are judged. machines: those that judge, None for this one alone; max_pairs:
    of each scheme, None for all.
    """

    results: Path
    threads: int | None = None
    limits: Limits = Limits()
    listener: ProgressListener = ProgressListener()
    machines: Machines | None = None
    max_pairs: int | None = None


class JudgeSource(Interface):
    """A scheme, or the baseline."""

    def runs(self) -> list[Run]:
        """What was judged so far, a run for each task."""

    def judge(self, blocks: Sequence[Block]) -> bool:
        """Judge these pairs too; False where that cannot be done here."""

    def unload(self) -> None:
        """Give back the model's memory."""


@dataclass(frozen=True, slots=True)
class RecordedJudge:
    """A scheme that cannot be judged on this machine: what was recorded elsewhere is all there is."""

    recorded: Sequence[Run]

    def runs(self) -> list[Run]:
        return list(self.recorded)

    def judge(self, blocks: Sequence[Block]) -> bool:
        return False

    def unload(self) -> None:
        return None


class LocalJudge:
    """A scheme whose GGUF is here, with its runs' folders, which it alone writes."""

    def __init__(
        self,
        judge: Judge,
        tasks: Sequence[Task],
        folders: Sequence[run_folder.RunFolder],
        work: LocalWork,
        bar: str | None = None,
    ) -> None:
        """bar: the title of a bar for each call of `judge`; None where one is open for all calls."""
        self._judge, self._tasks, self._folders, self._work, self._bar = judge, tasks, folders, work, bar
        self._session: Session | None = None

    def runs(self) -> list[Run]:
        size = self._judge.bytes
        return [
            Run(folder.identity, folder.settings, folder.measured(), tuple(folder.verdicts()), size)
            for folder in self._folders
        ]

    def judge(self, blocks: Sequence[Block]) -> bool:
        units = {unit for block in blocks for unit in block}
        if self._session is None:
            machines, limits = self._work.machines, self._work.limits
            engine = machines.engine(self._judge) if machines is not None else None
            self._session = Session(self._judge, threads=self._work.threads, limits=limits, engine=engine)
        with ExitStack() as stack:
            if self._bar is not None:
                stack.enter_context(self._work.listener.task(self._bar))
            for task, folder in zip(self._tasks, self._folders, strict=True):
                pairs = tuple(pair for pair in task.benchmark.pairs if Unit(task.benchmark.name, pair.id) in units)
                if pairs:
                    part = replace(task.benchmark, pairs=pairs)
                    self._session.evaluate(part, task.protocol, folder, self._listener(part))
                    note_machines(folder, self._session.engine)
        return True

    def _listener(self, part: Benchmark) -> ProgressListener:
        """Follows a part as one of all pairs that this scheme may take."""
        ids = {pair.id for pair in part.pairs}
        judged = [(folder.identity.benchmark, verdict.id) for folder in self._folders for verdict in folder.verdicts()]
        others = sum(benchmark != part.name or id not in ids for benchmark, id in judged)
        total = _most_verdicts(self._tasks, self._work.max_pairs)
        return _SchemeListener(self._work.listener, self._judge.scheme, others, max(total, len(judged)))

    def tried(self, seed: int) -> set[int]:
        """The seeds by which this scheme was decided, this one included, which is noted with its runs."""
        seeds = {seed}
        for folder in self._folders:
            if folder.verdicts():
                seeds |= set((run_folder.noted(folder.path, NOTE) or {}).get("seeds", []))
        for folder in self._folders:
            if folder.verdicts():
                folder.add(NOTE, {"seeds": sorted(seeds)})
        return seeds

    def unload(self) -> None:
        if self._session is not None:
            self._session.__exit__(None, None, None)
            self._session = None

    def score(self) -> None:
        """Complete the runs over what was judged: a later one goes on from there."""
        for task, folder in zip(self._tasks, self._folders, strict=True):
            verdicts = folder.verdicts()
            if verdicts:
                measured = folder.measured() or unmeasured()
                note_seen(folder, seen_by(self._judge, task.benchmark), verdicts)
                score = scoring.score(align(task.benchmark, verdicts), folder.identity)
                folder.complete(measured, self._judge.bytes, score_json(score))


def _most_verdicts(tasks: Sequence[Task], max_pairs: int | None) -> int:
    """How many verdicts a scheme takes if nothing is decided before."""
    pairs = [sum(bool(pair.labels) for pair in task.asked.pairs) for task in tasks]
    orders = [len(task.protocol.orders) for task in tasks]
    if max_pairs is not None and max_pairs < sum(pairs):
        return max_pairs * max(orders)
    return sum(count * each for count, each in zip(pairs, orders, strict=True))


@contextmanager
def local_judge(judge: Judge, tasks: Sequence[Task], work: LocalWork, bar: str | None = None) -> Iterator[LocalJudge]:
    """A scheme for as long as it is needed; its runs are complete afterwards, over the pairs that were judged. bar: as
    of `LocalJudge`.
    """
    with ExitStack() as stack:
        folders = [
            stack.enter_context(
                run_folder.RunFolder.open(
                    work.results,
                    run_identity(task.benchmark, judge, task.protocol),
                    run_settings(task.benchmark, judge, task.protocol, work.limits),
                    fresh=False,
                )
            )
            for task in tasks
        ]
        side = LocalJudge(judge, tasks, folders, work, bar)
        try:
            yield side
            side.score()
        finally:
            side.unload()


class _SchemeListener(ProgressListener):
    """Puts the scheme's name before each estimate and each pause, and counts the verdicts of a part among all of the
    scheme. others: those reached on other pairs; most: all there may be, since what decides is not known before.
    """

    def __init__(self, listener: ProgressListener, scheme: str, others: int, most: int) -> None:
        self._listener, self._scheme, self._others, self._most = listener, scheme, others, most

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        self._listener.estimate(f"{self._scheme} · {name}", estimate)

    def stood_still(self, name: str, seconds: float) -> None:
        self._listener.stood_still(f"{self._scheme} · {name}", seconds)

    def progress(self, progress: Progress) -> None:
        reached = self._others + progress.verdicts
        self._listener.progress(
            Progress(reached, self._most, reached, self._most, progress.seconds, unit="verdicts at most")
        )
