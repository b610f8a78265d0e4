"""Ranking systems by a judge's verdicts on their outputs, by recorded rankings, or by votes that others reached.

Knows: outputs, who meets whom, rankings' folders, sessions. Does not know: how a verdict is reached, how figures are
computed or shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_judge.analysis.ranking.design import Meeting, games_of, meetings, pairs_of
from edge_judge.analysis.ranking.standings import RankedSystems, stand
from edge_judge.benchmarks.custom import name_of
from edge_judge.benchmarks.outputs import load_outputs, name_of_outputs
from edge_judge.benchmarks.preferences import load_preferences
from edge_judge.errors import UsageError
from edge_judge.judging.workload import load
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import ORDERS, Benchmark, Limits, Outputs, ProgressListener
from edge_judge.report.ranking import ranked_json
from edge_judge.runs.identity import run_identity, run_settings
from edge_judge.runs.rankings import RANKINGS, RankingFolder, read_ranking
from edge_judge.runs.session import Session
from edge_judge.workflows.cluster import cluster_engine, note_machines
from edge_judge.workflows.endpoint_cost import counting
from edge_judge.workflows.judges import find_engine, find_judge
from edge_judge.workflows.memory_advice import advising
from edge_judge.workflows.options import ClusterOptions, JudgeOptions, OutputsOptions, ProtocolOptions, RankSettings
from edge_judge.workflows.protocol import check_references, protocol_for

MOST = 20_000  # verdicts of a judge that are reached without being asked for by number
MEASURED = 8  # tasks whose tokens are counted to say what all of them would take
SHOWN = 3  # ids of missing answers that are named


def rank(
    outputs: OutputsOptions,
    judge: JudgeOptions = JudgeOptions(),
    protocol: ProtocolOptions = ProtocolOptions(),
    limits: Limits = Limits(),
    settings: RankSettings = RankSettings(),
    listener: ProgressListener = ProgressListener(),
    cluster: ClusterOptions = ClusterOptions(),
) -> list[RankedSystems]:
    """Rank systems by their answers to the same questions: a ranking for each scheme of the judge.

    The same call again goes on where it was stopped; with other outputs it judges only the pairs that are new. Raises
    UsageError for options that do not go together and for more verdicts than `MOST` that nobody asked for by number,
    DataError for outputs that cannot be ranked, RunError for a recorded ranking that is not whole.
    """
    if outputs.preferences is not None:
        return [_by_preferences(outputs, settings)]
    folders = [path for path in outputs.paths if path.is_dir()]
    if folders:
        if len(folders) < len(outputs.paths):
            raise UsageError("folders of rankings do not go with files of outputs", "name either")
        return [_recorded(path) for path in folders]
    loaded = load_outputs(outputs.paths, outputs.format)
    _note_missing(loaded, listener)
    schemes = tuple(dict.fromkeys(settings.schemes)) or (judge.scheme,)
    if len(schemes) > 1 and cluster != ClusterOptions():
        raise UsageError("several --scheme do not go with several machines", "rank with one after the other")
    held = meetings(loaded, settings.against, settings.games if isinstance(settings.games, int) else None)
    name = name_of(Path(f"{outputs.name}.")) if outputs.name else name_of_outputs(outputs.paths)
    match = _Match(loaded, held, Benchmark(name, pairs_of(loaded, held), loaded.sha256, True, str(outputs.paths[0])))
    return [
        _judged(match, replace(judge, scheme=scheme), protocol, limits, settings, listener, cluster)
        for scheme in schemes
    ]


@dataclass(frozen=True, slots=True)
class _Match:
    """What is to be judged. benchmark: the pairs of all meetings."""

    outputs: Outputs
    held: Sequence[Meeting]
    benchmark: Benchmark

    @property
    def missing(self) -> dict[str, int]:
        return {system: len(self.outputs.missing(system)) for system in self.outputs.systems}


def _judged(
    match: _Match,
    options: JudgeOptions,
    asked: ProtocolOptions,
    limits: Limits,
    settings: RankSettings,
    listener: ProgressListener,
    cluster: ClusterOptions,
) -> RankedSystems:
    """The ranking by one judge, begun, resumed or read back."""
    endpoint = find_engine(options, limits)
    if endpoint is not None and cluster != ClusterOptions():
        raise UsageError("--engine does not go with --cluster or --shared-folder", "an endpoint judges by itself")
    judge = find_judge(options, endpoint)
    protocol = protocol_for(judge, asked, orders=ORDERS if settings.order == "both" else ORDERS[:1])
    check_references(protocol, match.benchmark)
    engine = endpoint or cluster_engine(judge, cluster, limits, listener, options.threads)
    session = Session(judge, threads=options.threads, limits=limits, engine=engine)
    with advising(judge, in_lock=options.gguf is None), session:
        _check_size(match, protocol, session, settings)
        identity = run_identity(match.benchmark, judge, protocol)
        deciding = run_settings(match.benchmark, judge, protocol, limits, session.engine)
        del deciding["benchmark_sha256"]  # a pair's id has the hash of its texts
        title = f"{identity.benchmark} · {judge.model} {judge.scheme} · {protocol.grammar.name}"
        with RankingFolder.open(settings.results / RANKINGS, identity, deciding, fresh=settings.fresh) as folder:
            with counting(endpoint, folder, price=options.price, listener=listener), listener.task(title):
                verdicts, measured = session.evaluate(match.benchmark, protocol, folder, listener)
            note_machines(folder, session.engine)
            games = games_of(match.held, match.outputs.systems, verdicts)
            ranking = stand(
                games,
                identity,
                questions=len(match.outputs.tasks),
                missing=match.missing,
                against=settings.against,
            )
            folder.add("outputs", {"sha256": match.outputs.sha256})
            folder.keep_meetings(match.held)
            folder.complete(measured, judge.bytes, ranked_json(ranking))
    return ranking


def _recorded(path: Path) -> RankedSystems:
    recorded = read_ranking(path)
    games = games_of(recorded.meetings, recorded.systems, recorded.verdicts)
    return stand(
        games,
        recorded.identity,
        questions=recorded.questions,
        missing=recorded.missing,
        against=recorded.against,
    )


def _by_preferences(outputs: OutputsOptions, settings: RankSettings) -> RankedSystems:
    """The ranking by the votes in a file, which no judge reached."""
    path = outputs.preferences
    if path is None or outputs.paths:
        raise UsageError("--preferences does not go with outputs", "the file has the votes; leave the outputs out")
    games = load_preferences(path)
    if settings.against is not None:
        frame = games.frame
        games = games.of(((frame["first"] == settings.against) | (frame["second"] == settings.against)).to_numpy())
    return stand(games, name=name_of(path), against=settings.against)


def _note_missing(outputs: Outputs, listener: ProgressListener) -> None:
    for system in outputs.systems:
        if missing := outputs.missing(system):
            named = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
            listener.note(
                f"{system}: {len(missing):,} of {len(outputs.tasks):,} answers are missing ({named}); "
                "it is compared where it answered"
            )


def _check_size(match: _Match, protocol: Protocol, session: Session, settings: RankSettings) -> None:
    """Raises UsageError, with the cost, where there are more verdicts than anybody asked for by number."""
    pairs = match.benchmark.pairs
    verdicts = len(pairs) * len(protocol.orders)
    if settings.games is not None or verdicts <= MOST:
        return
    tasks = list(dict.fromkeys(pair.group for pair in pairs))
    some = frozenset(tasks[:: max(1, len(tasks) // MEASURED)][:MEASURED])
    measured = load(session.engine, protocol, [pair for pair in pairs if pair.group in some])
    tokens = measured.tokens * verdicts / measured.verdicts
    systems = len(match.outputs.systems)
    raise UsageError(
        f"all pairs of {systems} systems on {len(tasks):,} questions are {verdicts:,} verdicts, "
        f"about {tokens / 1e6:,.1f} million tokens to read",
        f"--games {MOST // len(protocol.orders)} judges a sample, --against SYSTEM only pairs with a baseline, "
        "--games all everything",
    )
