"""The run of a ranking by one judge: begun, resumed or read back; all of it, or as much as decides who beats whom.

Knows: meetings, rankings' folders, sessions. Does not know: outputs' files, labels, how figures are shown.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from edge_judge.analysis.ranking import stopping
from edge_judge.analysis.ranking.design import Meeting, games_of
from edge_judge.analysis.ranking.games import Games
from edge_judge.analysis.ranking.standings import RankedSystems, stand
from edge_judge.analysis.ranking.stopping import Decided
from edge_judge.errors import UsageError
from edge_judge.judging.workload import load
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import ORDERS, Benchmark, Limits, Outputs, ProgressListener, Verdict
from edge_judge.report.ranking import ranked_json
from edge_judge.runs.identity import run_identity, run_settings
from edge_judge.runs.rankings import RANKINGS, RankingFolder
from edge_judge.runs.session import Session
from edge_judge.workflows.cluster import cluster_engine, note_machines
from edge_judge.workflows.endpoint_cost import counting
from edge_judge.workflows.judges import find_engine, find_judge
from edge_judge.workflows.memory_advice import advising
from edge_judge.workflows.options import ClusterOptions, JudgeOptions, ProtocolOptions, RankSettings
from edge_judge.workflows.protocol import check_references, protocol_for

MOST = 20_000  # verdicts of a judge that are reached without being asked for by number
MEASURED = 8  # tasks whose tokens are counted to say what all of them would take


@dataclass(frozen=True)
class Match:
    """Who meets whom. benchmark: the pairs of all meetings."""

    outputs: Outputs
    held: tuple[Meeting, ...]
    benchmark: Benchmark

    @cached_property
    def missing(self) -> dict[str, int]:
        """How many questions each system did not answer."""
        return {system: len(self.outputs.missing(system)) for system in self.outputs.systems}

    @cached_property
    def unanswered(self) -> tuple[stopping.Missing, ...]:
        systems = self.outputs.systems
        return tuple(stopping.Missing(system, task) for system in systems for task in self.outputs.missing(system))


@dataclass(frozen=True, slots=True)
class Judged:
    """What was judged of a match, and what that decides where one could stop."""

    held: tuple[Meeting, ...]
    games: Games
    decided: Decided | None


def rank_by(
    match: Match,
    options: JudgeOptions,
    asked: ProtocolOptions,
    limits: Limits,
    settings: RankSettings,
    listener: ProgressListener,
    cluster: ClusterOptions,
) -> RankedSystems:
    """The ranking by one judge, which its folder keeps."""
    endpoint = find_engine(options, limits)
    if endpoint is not None and cluster != ClusterOptions():
        raise UsageError("--engine does not go with --cluster or --shared-folder", "leave one of them out")
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
                judging = _Judging(match, protocol, session, folder, listener)
                judged = judging.until_decided(settings) if settings.stops else judging.everything()
            note_machines(folder, session.engine)
            ranked = stand(
                judged.games,
                identity,
                questions=len(match.outputs.tasks),
                missing=match.missing,
                against=settings.against,
                decided=judged.decided,
            )
            folder.add("outputs", {"sha256": match.outputs.sha256})
            folder.keep_meetings(judged.held)
            if (measured := folder.measured()) is not None:
                folder.complete(measured, judge.bytes, ranked_json(ranked))
    return ranked


@dataclass(frozen=True, slots=True)
class _Judging:
    match: Match
    protocol: Protocol
    session: Session
    folder: RankingFolder
    listener: ProgressListener

    def everything(self) -> Judged:
        held = self.match.held
        return Judged(held, games_of(held, self.match.outputs.systems, self._verdicts(held)), None)

    def until_decided(self, settings: RankSettings) -> Judged:
        """Block after block of questions, and of each only the systems between which nothing is decided."""
        begun, systems = time.monotonic(), self.match.outputs.systems
        blocks = stopping.walk(meeting.question for meeting in self.match.held)
        held: list[Meeting] = []
        verdicts: list[Verdict] = []
        open_pairs = {(meeting.first, meeting.second) for meeting in self.match.held}
        for place, block in enumerate(blocks):
            due = [m for m in self.match.held if m.question in set(block) and (m.first, m.second) in open_pairs]
            held += due
            verdicts += self._verdicts(due)
            decided = self._decided(games_of(held, systems, verdicts), settings, outlook=False)
            open_pairs = {(pair.first, pair.second) for pair in decided.open()}
            spent = settings.budget is not None and time.monotonic() - begun >= settings.budget
            if not open_pairs or spent or place == len(blocks) - 1:
                break
        games = games_of(held, systems, verdicts)
        return Judged(tuple(held), games, self._decided(games, settings, outlook=True))

    def _decided(self, games: Games, settings: RankSettings, *, outlook: bool) -> Decided:
        return stopping.decide(
            games,
            [meeting.question for meeting in self.match.held],
            against=settings.against,
            missing=self.match.unanswered,
            margin=None if settings.margin is None else settings.margin / 100,
            outlook=outlook,
        )

    def _verdicts(self, held: Sequence[Meeting]) -> list[Verdict]:
        """The verdicts on the pairs of these meetings, those in the folder included."""
        ids = {meeting.id for meeting in held if not meeting.same}
        pairs = tuple(pair for pair in self.match.benchmark.pairs if pair.id in ids)
        if not pairs:
            return []
        return self.session.evaluate(
            replace(self.match.benchmark, pairs=pairs), self.protocol, self.folder, self.listener
        )[0]


def _check_size(match: Match, protocol: Protocol, session: Session, settings: RankSettings) -> None:
    """Raises UsageError, with the cost, where there are more verdicts than anybody asked for by number."""
    pairs = match.benchmark.pairs
    verdicts = len(pairs) * len(protocol.orders)
    if settings.games is not None or settings.stops or verdicts <= MOST:
        return
    tasks = list(dict.fromkeys(pair.group for pair in pairs))
    some = frozenset(tasks[:: max(1, len(tasks) // MEASURED)][:MEASURED])
    measured = load(session.engine, protocol, [pair for pair in pairs if pair.group in some])
    tokens = measured.tokens * verdicts / measured.verdicts
    raise UsageError(
        f"all pairs of {len(match.outputs.systems)} systems on {len(tasks):,} questions are {verdicts:,} verdicts, "
        f"about {tokens / 1e6:,.1f} million tokens to read",
        f"--stop judges until it is decided, --games {MOST // len(protocol.orders)} a sample, --against SYSTEM only "
        "pairs with a baseline, --games all everything",
    )
