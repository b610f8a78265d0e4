"""Judging benchmarks and scoring the verdicts, in runs that are begun, resumed or read back.

Knows: sessions, runs' folders, figures. Does not know: how a verdict is reached, how figures are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from edge_judge.analysis.subset import SEED, subset
from edge_judge.errors import DataError, UsageError
from edge_judge.metrics import published
from edge_judge.metrics.alignment import align
from edge_judge.metrics.scoring import score
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import ORDERS, Benchmark, Judge, Limits, Progress, ProgressListener
from edge_judge.report.scores import ScoreRow
from edge_judge.runs.folder import RunFolder, score_json
from edge_judge.runs.identity import run_identity, run_settings
from edge_judge.runs.session import Session
from edge_judge.workflows.adapters import sessions, with_adapters
from edge_judge.workflows.cluster import cluster_engine, note_machines
from edge_judge.workflows.data import ALL, load_benchmarks
from edge_judge.workflows.endpoint_cost import counting
from edge_judge.workflows.judges import find_engine, find_judge
from edge_judge.workflows.memory_advice import advising
from edge_judge.workflows.options import (
    BenchmarkOptions,
    ClusterOptions,
    EvaluateSettings,
    JudgeOptions,
    ProtocolOptions,
)
from edge_judge.workflows.protocol import check_references, protocol_for
from edge_judge.workflows.published import read_published
from edge_judge.workflows.seen import SeenPairs, note_seen, seen_by, to_judge

if TYPE_CHECKING:
    from edge_judge.engine.remote import RemoteEngine

SAMPLE = "sample"  # in run.json: how pairs were chosen, beside the settings, so that a run of another way goes on


@dataclass(frozen=True, slots=True)
class _Run:
    """What a judge is to judge. seen: pairs of the benchmark that its file was made with; others: the benchmark without
    those that are left out.
    """

    judge: Judge
    seen: SeenPairs
    others: Benchmark
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class _Runs:
    """All runs of one file or endpoint. chosen: its judge; judges: that, or one for each adapter of the file; endpoint:
    None for a file.
    """

    options: JudgeOptions
    chosen: Judge
    judges: tuple[Judge, ...]
    endpoint: RemoteEngine | None
    runs: tuple[_Run, ...]


def evaluate(
    judge: JudgeOptions | Sequence[JudgeOptions] = JudgeOptions(),
    benchmarks: BenchmarkOptions = BenchmarkOptions(),
    protocol: ProtocolOptions = ProtocolOptions(),
    limits: Limits = Limits(),
    settings: EvaluateSettings = EvaluateSettings(),
    listener: ProgressListener = ProgressListener(),
    cluster: ClusterOptions = ClusterOptions(),
) -> list[ScoreRow]:
    """Judge the pairs of each benchmark and score the verdicts. The same call again goes on where it was stopped.

    judge: one, or several that judge one after another, each loaded once for all benchmarks; if one of them cannot
    judge, nothing is judged. Adapters of a judge make a judge each, which share its loaded model. cluster: the machines
    that judge, if not this one alone.

    Raises UsageError for `head` without a limit, DataError where none of the benchmarks can be judged so.
    """
    if settings.head and settings.limit is None:
        raise UsageError("--head does nothing without --limit", "use for example: --limit 50 --head")
    several = (judge,) if isinstance(judge, JudgeOptions) else tuple(judge)
    if len(several) > 1 and cluster != ClusterOptions():
        raise UsageError(
            "several judges do not go with --cluster or --shared-folder", "judge with one of them after the other"
        )
    loaded = load_benchmarks(benchmarks, listener)
    skip = ALL in benchmarks.names
    found: dict[Judge, _Runs] = {}
    for options in several:
        prepared = _prepared(options, _engine(options, limits, cluster), loaded, protocol, settings, listener, skip)
        found.setdefault(prepared.chosen, prepared)
    if not any(prepared.runs for prepared in found.values()):
        raise DataError(
            "none of the benchmarks can be judged this way", "choose one of `edge-judge data list` with --benchmark"
        )
    return [
        row
        for prepared in found.values()
        for row in (_judged(prepared, limits, settings, listener, cluster) if prepared.runs else ())
    ]


def _engine(options: JudgeOptions, limits: Limits, cluster: ClusterOptions) -> RemoteEngine | None:
    """The endpoint that judges; None for a file. Raises UsageError for what does not go with several machines."""
    endpoint = find_engine(options, limits)
    if endpoint is not None and cluster != ClusterOptions():
        raise UsageError("--engine does not go with --cluster or --shared-folder", "leave one of them out")
    if options.adapters and cluster != ClusterOptions():
        raise UsageError("--adapter does not go with --cluster or --shared-folder", "merge it: quantize --adapter")
    return endpoint


def _prepared(
    options: JudgeOptions,
    endpoint: RemoteEngine | None,
    loaded: Sequence[Benchmark],
    protocol: ProtocolOptions,
    settings: EvaluateSettings,
    listener: ProgressListener,
    skip: bool,
) -> _Runs:
    """What a judge has to do. skip: as of `_has_references`. Raises what says that it cannot, before it is loaded."""
    chosen, orders = find_judge(options, endpoint), ORDERS if settings.order == "both" else ORDERS[:1]
    judges = with_adapters(chosen, options.adapters)
    runs = []
    for judge, benchmark in product(judges, loaded):
        seen = seen_by(judge, benchmark)
        others = to_judge(benchmark, (seen,), settings.seen, listener)
        part = subset(others, settings.limit, head=settings.head)
        ties = settings.ties == "allow" or benchmark.ties
        applied = protocol_for(chosen, protocol, orders=orders, ties=ties)
        if _has_references(applied, part, listener, skip=skip):
            runs.append(_Run(judge, seen, others, applied))
    return _Runs(options, chosen, tuple(judges), endpoint, tuple(runs))


def _judged(
    prepared: _Runs,
    limits: Limits,
    settings: EvaluateSettings,
    listener: ProgressListener,
    cluster: ClusterOptions,
) -> list[ScoreRow]:
    """The runs of one file or endpoint, which is loaded once for all of them."""
    options, endpoint = prepared.options, prepared.endpoint
    counted = partial(counting, endpoint, price=options.price, listener=listener)
    engine = endpoint or cluster_engine(prepared.chosen, cluster, limits, listener, options.threads)
    with advising(prepared.chosen, in_lock=options.gguf is None), ExitStack() as stack:
        opened = sessions(list(prepared.judges), stack, engine=engine, threads=options.threads, limits=limits)
        by_judge = dict(zip(prepared.judges, opened, strict=True))
        return [_evaluated(by_judge[run.judge], run, settings, counted, listener) for run in prepared.runs]


def _has_references(protocol: Protocol, benchmark: Benchmark, listener: ProgressListener, *, skip: bool) -> bool:
    """Whether a benchmark can be judged so. skip: leave out one that cannot, with a note, instead of raising."""
    try:
        missing = check_references(protocol, benchmark)
    except DataError as error:
        if not skip:
            raise
        listener.note(f"{benchmark.name} left out: {error}")
        return False
    if missing:
        listener.note(f"{benchmark.name}: {missing} of {len(benchmark.pairs)} pairs have no reference answer")
    return True


def _evaluated(
    session: Session,
    run: _Run,
    settings: EvaluateSettings,
    counted: Callable[[RunFolder], AbstractContextManager[None]],
    listener: ProgressListener,
) -> ScoreRow:
    """One run, begun, resumed or read back. counted: `counting` for the engine that judges."""
    judge, benchmark, others, protocol = run.judge, run.seen.benchmark, run.others, run.protocol
    identity = run_identity(benchmark, judge, protocol)
    deciding = run_settings(benchmark, judge, protocol, session.limits, session.engine)
    title = f"{benchmark.name} · {judge.model} {judge.scheme} · {protocol.grammar.name}"
    with RunFolder.open(settings.results, identity, deciding, fresh=settings.fresh) as folder:
        recorded = folder.verdicts()
        judged = {verdict.id for verdict in recorded}
        part = subset(others, settings.limit, head=settings.head, judged=judged)
        with counted(folder), listener.task(title):
            verdicts, measured = session.evaluate(part, protocol, folder, listener)
        if folder.count() == len(recorded):
            listener.note(f"{title}: already complete; --fresh judges it again")
        figures = score(align(part, verdicts), identity)
        note_machines(folder, session.engine)
        marked = note_seen(folder, run.seen, verdicts)
        if len(verdicts) == folder.count():  # never replaced by a score over fewer pairs
            folder.add(SAMPLE, _sample(others, part, settings))
            folder.complete(measured, judge.bytes, score_json(figures))
        floor = None
        if settings.repeat > 1:
            from edge_judge.judging import noise  # pandas takes half a second to load, and nothing else here needs it

            with counted(folder), listener.task(f"{title} · again"):
                times, progress = settings.repeat - 1, _ProgressOnly(listener)
                floor = noise.repeat(part, session.engine, protocol, verdicts, times, progress)
            folder.add("noise", asdict(floor))
    row = published.find_published(read_published(), figures.model, figures.benchmark)
    comparison = published.against_published(figures, row) if row else None
    labelled = sum(bool(pair.labels) for pair in part.pairs)
    return ScoreRow(figures, measured.verdicts_per_minute, comparison, floor, marked, labelled)


def _sample(benchmark: Benchmark, part: Benchmark, settings: EvaluateSettings) -> dict[str, object]:
    """How the pairs of a run were chosen, as run.json tells it. It decides no verdict, only which ones there are."""
    if len(part.pairs) == len(benchmark.pairs):
        return {"way": "all", "pairs": len(part.pairs)}
    way = "head" if settings.head else "spread"
    if part.pairs != subset(benchmark, len(part.pairs), head=settings.head).pairs:
        way = "mixed"  # a part of the run was begun in another way
    return {"way": way, "pairs": len(part.pairs)} | ({} if way == "head" else {"seed": SEED})


class _ProgressOnly(ProgressListener):
    """Passes on how far repeats are; what they have to do is known from the run itself."""

    def __init__(self, listener: ProgressListener) -> None:
        self._listener = listener

    def progress(self, progress: Progress) -> None:
        self._listener.progress(progress)
