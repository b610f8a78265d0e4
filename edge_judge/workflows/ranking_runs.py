"""The run of a ranking by one judge: begun, resumed or read back; all of it, or as much as decides who beats whom.

Knows: meetings, rankings' folders, sessions. Does not know: outputs' files, labels, how figures are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from edge_judge.analysis.ranking import stopping
from edge_judge.analysis.ranking.combined import TokensRead
from edge_judge.analysis.ranking.design import Meeting, games_of
from edge_judge.analysis.ranking.games import Games
from edge_judge.analysis.ranking.standings import RankedSystems, stand
from edge_judge.analysis.ranking.stopping import Decided
from edge_judge.errors import UsageError
from edge_judge.judging.workload import load
from edge_judge.protocols.protocol import Protocol
from edge_judge.quantities import counted
from edge_judge.records import ORDERS, Benchmark, Identity, Judge, Limits, Outputs, Pair, ProgressListener, Verdict
from edge_judge.report.ranking import ranked_json
from edge_judge.runs.identity import run_identity, run_settings
from edge_judge.runs.rankings import RANKINGS, RankingFolder, read_tokens
from edge_judge.runs.session import Session
from edge_judge.workflows.cluster import cluster_engine, note_machines
from edge_judge.workflows.endpoint_cost import counting
from edge_judge.workflows.judges import find_engine, find_judge
from edge_judge.workflows.memory_advice import advising
from edge_judge.workflows.options import ClusterOptions, JudgeOptions, ProtocolOptions, RankSettings
from edge_judge.workflows.protocol import check_references, protocol_for
from edge_judge.worktime import Budget

if TYPE_CHECKING:
    from edge_judge.engine.remote import RemoteEngine

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


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """The votes of a judge on a part of a match. tokens: of prompts, None where the judge does not count them."""

    identity: Identity
    games: Games
    tokens: TokensRead | None


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
    asking = _ask(match, options, asked, limits, settings, cluster)
    with _begun(match, asking, limits, settings, listener, cluster) as judging:
        with judging.counted():
            judged = judging.until_decided(settings) if settings.stops else judging.everything()
        folder = judging.folder
        note_machines(folder, judging.session.engine)
        ranked = stand(
            judged.games,
            asking.identity,
            questions=len(match.outputs.tasks),
            missing=match.missing,
            against=settings.against,
            decided=judged.decided,
        )
        folder.add("outputs", {"sha256": match.outputs.sha256})
        folder.keep_meetings(judged.held)
        if (measured := folder.measured()) is not None:
            folder.complete(measured, asking.judge.bytes, ranked_json(ranked))
    return ranked


def judge_part(
    match: Match,
    held: Sequence[Meeting],
    options: JudgeOptions,
    asked: ProtocolOptions,
    limits: Limits,
    settings: RankSettings,
    listener: ProgressListener,
) -> JudgedPart:
    """The votes of a judge on some of the meetings, without a model where there are none. The verdicts lie in the
    folder of the judge's ranking, which they leave incomplete until the judge ranks all.
    """
    asking = _ask(match, options, asked, limits, settings, ClusterOptions())
    if not held:
        return JudgedPart(asking.identity, games_of((), match.outputs.systems, ()), None)
    with _begun(match, asking, limits, settings, listener, ClusterOptions()) as judging:
        with judging.counted():
            games = judging.games(held)
        return JudgedPart(asking.identity, games, judging.tokens(held))


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who is asked, and how."""

    options: JudgeOptions
    endpoint: RemoteEngine | None
    judge: Judge
    protocol: Protocol
    identity: Identity


def _ask(
    match: Match,
    options: JudgeOptions,
    asked: ProtocolOptions,
    limits: Limits,
    settings: RankSettings,
    cluster: ClusterOptions,
) -> _Asking:
    endpoint = find_engine(options, limits)
    if endpoint is not None and cluster != ClusterOptions():
        raise UsageError("--engine does not go with --cluster or --shared-folder", "leave one of them out")
    judge = find_judge(options, endpoint)
    protocol = protocol_for(judge, asked, orders=ORDERS if settings.order == "both" else ORDERS[:1])
    check_references(protocol, match.benchmark)
    return _Asking(options, endpoint, judge, protocol, run_identity(match.benchmark, judge, protocol))


@contextmanager
def _begun(
    match: Match,
    asking: _Asking,
    limits: Limits,
    settings: RankSettings,
    listener: ProgressListener,
    cluster: ClusterOptions,
) -> Iterator[_Judging]:
    """The judge with its engine and the folder of its ranking, begun or resumed."""
    options, judge, protocol = asking.options, asking.judge, asking.protocol
    engine = asking.endpoint or cluster_engine(judge, cluster, limits, listener, options.threads)
    session = Session(judge, threads=options.threads, limits=limits, engine=engine)
    with advising(judge, in_lock=options.gguf is None), session:
        _check_size(match, protocol, session, settings)
        deciding = run_settings(match.benchmark, judge, protocol, limits, session.engine)
        del deciding["benchmark_sha256"]  # a pair's id has the hash of its texts
        with RankingFolder.open(settings.results / RANKINGS, asking.identity, deciding, fresh=settings.fresh) as folder:
            yield _Judging(match, asking, session, folder, listener)


@dataclass(frozen=True, slots=True)
class _Judging:
    match: Match
    asking: _Asking
    session: Session
    folder: RankingFolder
    listener: ProgressListener

    @contextmanager
    def counted(self) -> Iterator[None]:
        """While it is judged: its progress has a title, and what an endpoint answers is counted."""
        who, asking = self.asking.identity, self.asking
        title = f"{who.benchmark} · {who.model} {who.scheme} · {who.grammar}"
        with counting(asking.endpoint, self.folder, price=asking.options.price, listener=self.listener):
            with self.listener.task(title):
                yield

    def everything(self) -> Judged:
        return Judged(self.match.held, self.games(self.match.held), None)

    def games(self, held: Sequence[Meeting]) -> Games:
        """The votes on these meetings."""
        return games_of(held, self.match.outputs.systems, self._verdicts(held))

    def tokens(self, held: Sequence[Meeting]) -> TokensRead | None:
        """What the judge reads for these meetings, and for all. An endpoint counts tokens otherwise, or not at all.

        The folder keeps it: counting takes the model.
        """
        if self.asking.endpoint is not None:
            return None
        parts = self._pairs(held), self.match.benchmark.pairs
        passed, everything = ([pair.id for pair in pairs] for pairs in parts)
        known = read_tokens(self.folder.path, passed, everything)
        if known is None:
            engine, protocol = self.session.engine, self.asking.protocol
            known = TokensRead(*(load(engine, protocol, pairs).tokens for pairs in parts))
            self.folder.keep_tokens(passed, everything, known)
        return known

    def until_decided(self, settings: RankSettings) -> Judged:
        """Block after block of questions, and of each only the systems between which nothing is decided."""
        budget, systems = Budget(settings.budget), self.match.outputs.systems
        blocks = stopping.walk(meeting.question for meeting in self.match.held)
        held: list[Meeting] = []
        verdicts: list[Verdict] = []
        open_pairs = {(meeting.first, meeting.second) for meeting in self.match.held}
        for place, block in enumerate(blocks):
            due = [m for m in self.match.held if m.question in set(block) and (m.first, m.second) in open_pairs]
            held += due
            with budget.step():
                verdicts += self._verdicts(due)
            decided = self._decided(games_of(held, systems, verdicts), settings, outlook=False)
            open_pairs = {(pair.first, pair.second) for pair in decided.open()}
            if not open_pairs or budget.spent or place == len(blocks) - 1:
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
        pairs, protocol = self._pairs(held), self.asking.protocol
        if not pairs:
            return []
        part = replace(self.match.benchmark, pairs=pairs)
        return self.session.evaluate(part, protocol, self.folder, self.listener)[0]

    def _pairs(self, held: Sequence[Meeting]) -> tuple[Pair, ...]:
        ids = {meeting.id for meeting in held if not meeting.same}
        return tuple(pair for pair in self.match.benchmark.pairs if pair.id in ids)


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
        f"all pairs of {counted(len(match.outputs.systems), 'system')} on {counted(len(tasks), 'question')} are "
        f"{counted(verdicts, 'verdict')}, "
        f"about {tokens / 1e6:,.1f} million tokens to evaluate",
        f"--stop judges until it is decided, --games {MOST // len(protocol.orders)} a sample, --against SYSTEM only "
        "pairs with a baseline, --games all everything",
    )
