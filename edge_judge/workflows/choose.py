"""Which scheme of a model can be trusted, with as few verdicts as possible: judge a block of pairs, decide, go on.

The ladder is walked from the widest scheme down and ends at the first that is not shown to be within the margin, so
that what `decide_scheme` promises holds for the whole ladder. Benchmarks take turns, a block each, and one that is
settled is left alone. Only one model is in memory at a time: the baseline is judged some blocks ahead, twice as far
each time, so that it is loaded a few times and not for every block.

All verdicts lie in ordinary runs' folders: what was recorded before is not judged again, and `eval` goes on from here.
There, too, it is noted by which seeds a scheme was decided: whoever tries several orders and tells of the best is wrong
more often than is promised.

Knows: sessions, runs' folders, decisions. Does not know: which schemes are in question (ladder.py), what is printed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol as Interface

from edge_judge.analysis import sampling
from edge_judge.analysis.decision import Decision, allowed, decide_scheme, passed
from edge_judge.analysis.paired_losses import Part
from edge_judge.analysis.sampling import Block, Unit
from edge_judge.metrics import scoring
from edge_judge.metrics.alignment import align
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Judge, Limits, Progress, ProgressListener, Run, WorkEstimate
from edge_judge.runs import folder as run_folder
from edge_judge.runs.folder import score_json
from edge_judge.runs.identity import run_identity, run_settings
from edge_judge.runs.session import Session
from edge_judge.workflows.cluster import Machines, machines, note_machines
from edge_judge.workflows.data import load_benchmarks
from edge_judge.workflows.ladder import Task, baseline_judge, judging_tasks, ladder_judges, recorded_baseline
from edge_judge.workflows.memory_advice import advising
from edge_judge.workflows.options import (
    BenchmarkOptions,
    ChooseSettings,
    ClusterOptions,
    LadderOptions,
    ProtocolOptions,
)
from edge_judge.workflows.seen import note_seen, seen_by, to_judge

AHEAD = 8  # blocks of the baseline that are judged at first
NOTE = "choose"  # the name of what is noted in run.json


@dataclass(frozen=True, slots=True)
class ChosenScheme:
    """decisions: on each scheme that was looked at, the widest first; unseen: the schemes that were not, because one
    before them was not within the margin. other_seeds: by which a scheme that was looked at had been decided before.
    """

    decisions: tuple[Decision, ...]
    unseen: tuple[str, ...]
    other_seeds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalWork:
    """How the schemes whose files are here are judged. machines: those that judge, None for this one alone."""

    results: Path
    threads: int | None = None
    limits: Limits = Limits()
    listener: ProgressListener = ProgressListener()
    machines: Machines | None = None


def choose(
    ladder: LadderOptions = LadderOptions(),
    benchmarks: BenchmarkOptions = BenchmarkOptions(),
    protocol: ProtocolOptions = ProtocolOptions(),
    limits: Limits = Limits(),
    settings: ChooseSettings = ChooseSettings(),
    listener: ProgressListener = ProgressListener(),
    cluster: ClusterOptions = ClusterOptions(),
) -> ChosenScheme:
    """Find the smallest scheme of a model that judges as its baseline does, with as few verdicts as possible.

    cluster: the machines that judge, if not this one alone.
    """
    loaded = load_benchmarks(benchmarks, listener)
    judges = ladder_judges(ladder)
    seen = [[seen_by(judge, benchmark) for judge in judges] for benchmark in loaded]
    asked = [to_judge(*each, settings.seen, listener) for each in zip(loaded, seen, strict=True)]
    tasks = judging_tasks(judges[0], loaded, asked, protocol)
    decisions: list[Decision] = []
    seeds: set[int] = set()
    with advising(judges[0], in_lock=not ladder.ggufs), machines(cluster, limits, listener) as others:
        work = LocalWork(settings.results, ladder.threads, limits, listener, others)
        with _baseline(ladder, tasks, work) as baseline:
            for decision, tried in walk(judges, baseline, tasks, settings, work):
                decisions.append(decision)
                seeds |= tried
                listener.note(f"{decision.run.scheme}: {decision.outcome} after {decision.pairs:,} pairs")
    unseen = tuple(judge.scheme for judge in judges[len(decisions) :])
    return ChosenScheme(tuple(decisions), unseen, tuple(sorted(seeds - {settings.seed})))


@contextmanager
def _baseline(ladder: LadderOptions, tasks: Sequence[Task], work: LocalWork) -> Iterator[JudgeSource]:
    """The baseline: judged here where its file is here, else as it was recorded, or imported from a pack."""
    judge = baseline_judge(ladder)
    if judge is None:
        yield RecordedJudge(recorded_baseline(ladder, tasks, work.results))
    else:
        with local_judge(judge, tasks, work) as source:
            yield source


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
        self, judge: Judge, tasks: Sequence[Task], folders: Sequence[run_folder.RunFolder], work: LocalWork
    ) -> None:
        self._judge, self._tasks, self._folders, self._work = judge, tasks, folders, work
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
        listener = _SchemeListener(self._work.listener, self._judge.scheme)
        for task, folder in zip(self._tasks, self._folders, strict=True):
            pairs = tuple(pair for pair in task.benchmark.pairs if Unit(task.benchmark.name, pair.id) in units)
            if pairs:
                part = replace(task.benchmark, pairs=pairs)
                self._session.evaluate(part, task.protocol, folder, listener)
                note_machines(folder, self._session.engine)
        return True

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
            verdicts, measured = folder.verdicts(), folder.measured()
            if verdicts and measured is not None:
                note_seen(folder, seen_by(self._judge, task.benchmark), verdicts)
                score = scoring.score(align(task.benchmark, verdicts), folder.identity)
                folder.complete(measured, self._judge.bytes, score_json(score))


@contextmanager
def local_judge(judge: Judge, tasks: Sequence[Task], work: LocalWork) -> Iterator[LocalJudge]:
    """A scheme for as long as it is needed; its runs are complete afterwards, over the pairs that were judged."""
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
        side = LocalJudge(judge, tasks, folders, work)
        try:
            yield side
            side.score()
        finally:
            side.unload()


@dataclass(slots=True)
class Clock:
    """Seconds that may be spent. A turn is begun only if one like the last would still fit."""

    seconds: float | None
    _start: float = field(default_factory=time.monotonic)
    _last: float = 0.0

    @property
    def spent(self) -> bool:
        return self.seconds is not None and time.monotonic() - self._start + self._last > self.seconds

    @contextmanager
    def timing(self) -> Iterator[None]:
        """While a block of each benchmark is judged."""
        begun = time.monotonic()
        yield
        self._last = time.monotonic() - begun


class _SchemeListener(ProgressListener):
    """Puts the scheme's name before each estimate."""

    def __init__(self, listener: ProgressListener, scheme: str) -> None:
        self._listener, self._scheme = listener, scheme

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        self._listener.estimate(f"{self._scheme} · {name}", estimate)

    def progress(self, progress: Progress) -> None:
        self._listener.progress(progress)


def walk(
    ladder: Sequence[Judge], baseline: JudgeSource, tasks: Sequence[Task], settings: ChooseSettings, work: LocalWork
) -> Iterator[tuple[Decision, set[int]]]:
    """A decision for each scheme of a ladder, the widest first, until one is not within the margin; and the seeds by
    which it was decided until now.

    Raises what `decide_scheme` raises, and what judging raises.
    """
    clock = Clock(settings.budget)
    decisions: list[Decision] = []
    for judge in ladder:
        with local_judge(judge, tasks, work) as side:
            decisions.append(decided(side, baseline, tasks, settings, clock, claims_new=passed(decisions)))
            seeds = side.tried(settings.seed)
        yield decisions[-1], seeds
        if decisions[-1].outcome != "within":
            return


def decided(
    side: JudgeSource,
    baseline: JudgeSource,
    tasks: Sequence[Task],
    settings: ChooseSettings,
    clock: Clock,
    *,
    claims_new: bool = True,
) -> Decision:
    """Judge blocks until all that is asked is decided, the budget is spent, or no pair is left."""
    blocks = [sampling.walk(task.asked, settings.seed) for task in tasks]
    most = allowed(blocks, settings.max_pairs)
    while True:
        parts = [
            Part(RecordedRun(task.of(ours), task.asked), RecordedRun(task.of(theirs), task.asked))
            for task, ours, theirs in zip(tasks, side.runs(), baseline.runs(), strict=True)
        ]
        decision = decide_scheme(
            parts, settings.margin, seed=settings.seed, max_pairs=settings.max_pairs, claims_new=claims_new
        )
        rests = [
            () if part.settled else one[part.blocks : limit]
            for part, one, limit in zip(decision.parts, blocks, most, strict=True)
        ]
        if decision.outcome == "worse" or not any(rests) or clock.spent:
            return decision
        turn = [rest[0] for rest in rests if rest]
        if not _has_judged([part.baseline.run for part in parts], tasks, turn):
            side.unload()
            ahead = [
                rest[: max(AHEAD, part.blocks)] for rest, part in zip(rests, decision.parts, strict=True)
            ]  # twice as far each time
            if not baseline.judge([block for some in ahead for block in some]):
                return decision
            baseline.unload()
        with clock.timing():
            if not side.judge(turn):
                return decision


def _has_judged(runs: Sequence[Run], tasks: Sequence[Task], blocks: Sequence[Block]) -> bool:
    """Whether these runs, one for each task, have judged all pairs of these blocks in all orders."""
    orders = {task.benchmark.name: len(task.protocol.orders) for task in tasks}
    names = [task.benchmark.name for task in tasks]
    judged = Counter(Unit(name, verdict.id) for name, run in zip(names, runs, strict=True) for verdict in run.verdicts)
    return all(judged[unit] >= orders[unit.benchmark] for block in blocks for unit in block)
