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

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from edge_judge.analysis import sampling
from edge_judge.analysis.decision import Decision, allowed, decide_scheme, passed
from edge_judge.analysis.paired_losses import Part
from edge_judge.analysis.sampling import Block, Unit
from edge_judge.errors import UsageError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Judge, Limits, ProgressListener, Run
from edge_judge.report.decision import outcome_line
from edge_judge.workflows.cluster import machines
from edge_judge.workflows.data import load_benchmarks
from edge_judge.workflows.judged_parts import JudgeSource, LocalWork, RecordedJudge, local_judge
from edge_judge.workflows.ladder import Task, baseline_judge, judging_tasks, ladder_judges, recorded_baseline
from edge_judge.workflows.memory_advice import advising
from edge_judge.workflows.options import (
    BenchmarkOptions,
    ChooseSettings,
    ClusterOptions,
    LadderOptions,
    ProtocolOptions,
)
from edge_judge.workflows.seen import seen_by, to_judge
from edge_judge.worktime import Budget

AHEAD = 8  # blocks of the baseline that are judged at first


@dataclass(frozen=True, slots=True)
class ChosenScheme:
    """decisions: on each scheme that was looked at, the widest first; unseen: the schemes that were not, because one
    before them was not within the margin. other_seeds: by which a scheme that was looked at had been decided before.
    """

    decisions: tuple[Decision, ...]
    unseen: tuple[str, ...]
    other_seeds: tuple[int, ...] = ()


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
    _check_max_pairs(tasks, settings)
    decisions: list[Decision] = []
    seeds: set[int] = set()
    with advising(judges[0], in_lock=not ladder.ggufs), machines(cluster, limits, listener) as others:
        work = LocalWork(settings.results, ladder.threads, limits, listener, others, settings.max_pairs)
        with _baseline(ladder, tasks, work) as baseline:
            for decision, tried in walk(judges, baseline, tasks, settings, work):
                decisions.append(decision)
                seeds |= tried
                listener.note(outcome_line(decision))
    unseen = tuple(judge.scheme for judge in judges[len(decisions) :])
    return ChosenScheme(tuple(decisions), unseen, tuple(sorted(seeds - {settings.seed})))


def _check_max_pairs(tasks: Sequence[Task], settings: ChooseSettings) -> None:
    """Raises UsageError where a block of each benchmark is more than may be judged: nothing could be decided."""
    least = sum(len(sampling.walk(task.asked, settings.seed)[0]) for task in tasks)
    if settings.max_pairs is not None and settings.max_pairs < least:
        block = "the first block has" if len(tasks) == 1 else "the first blocks of these benchmarks have"
        raise UsageError(
            f"--max-pairs {settings.max_pairs}: {block} {least} pairs, and nothing is decided on fewer",
            f"--max-pairs {least} or more",
        )


@contextmanager
def _baseline(ladder: LadderOptions, tasks: Sequence[Task], work: LocalWork) -> Iterator[JudgeSource]:
    """The baseline: judged here where its file is here, else as it was recorded, or imported from a pack."""
    judge = baseline_judge(ladder)
    if judge is None:
        yield RecordedJudge(recorded_baseline(ladder, tasks, work.results))
    else:
        with local_judge(judge, tasks, work, bar=f"{judge.scheme}, baseline") as source:
            yield source


def walk(
    ladder: Sequence[Judge], baseline: JudgeSource, tasks: Sequence[Task], settings: ChooseSettings, work: LocalWork
) -> Iterator[tuple[Decision, set[int]]]:
    """A decision for each scheme of a ladder, the widest first, until one is not within the margin; and the seeds by
    which it was decided until now.

    Raises what `decide_scheme` raises, and what judging raises.
    """
    budget = Budget(settings.budget)
    decisions: list[Decision] = []
    for judge in ladder:
        with work.listener.task(judge.scheme), local_judge(judge, tasks, work) as side:
            decisions.append(decided(side, baseline, tasks, settings, budget, claims_new=passed(decisions)))
            seeds = side.tried(settings.seed)
        yield decisions[-1], seeds
        if decisions[-1].outcome != "within":
            return


def decided(
    side: JudgeSource,
    baseline: JudgeSource,
    tasks: Sequence[Task],
    settings: ChooseSettings,
    budget: Budget,
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
        if decision.outcome == "worse" or not any(rests) or budget.spent:
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
        with budget.step():
            if not side.judge(turn):
                return decision


def _has_judged(runs: Sequence[Run], tasks: Sequence[Task], blocks: Sequence[Block]) -> bool:
    """Whether these runs, one for each task, have judged all pairs of these blocks in all orders."""
    orders = {task.benchmark.name: len(task.protocol.orders) for task in tasks}
    names = [task.benchmark.name for task in tasks]
    judged = Counter(Unit(name, verdict.id) for name, run in zip(names, runs, strict=True) for verdict in run.verdicts)
    return all(judged[unit] >= orders[unit.benchmark] for block in blocks for unit in block)
