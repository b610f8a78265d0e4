"""Rankings by several judges together: a jury, or a cascade; judged here, or from the folders of recorded rankings.

Knows: which judges go together, which pairs the large judge of a cascade is asked about.
Does not know: how votes are combined (`analysis.ranking.combined` does), how a judge is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from edge_judge.analysis.ranking.combined import CascadeJudge, JuryJudge, Met, cascade_votes, jury_votes, unsure
from edge_judge.analysis.ranking.design import Meeting, games_of
from edge_judge.analysis.ranking.games import Games
from edge_judge.analysis.ranking.standings import RankedSystems, stand
from edge_judge.errors import RunError, UsageError
from edge_judge.records import Identity, Limits, ProgressListener
from edge_judge.runs.rankings import RecordedRanking, is_ranked, read_judged, read_ranking, read_tokens
from edge_judge.settings import run_name
from edge_judge.workflows.options import ClusterOptions, JudgeOptions, ProtocolOptions, RankSettings
from edge_judge.workflows.ranking_runs import Match, judge_part, rank_by

_SAME_PAIRS = "the same edge-judge rank command, with each --scheme and without --stop, gives all the same pairs"


def check_combination(settings: RankSettings, judges: int) -> None:
    """Raises UsageError where so many judges cannot be a jury or a cascade, as the settings ask."""
    if settings.jury and settings.cascade is not None:
        raise UsageError("--jury does not go with --cascade", "a jury votes on all pairs, a cascade passes some on")
    if settings.cascade is not None and not 0 <= settings.cascade <= 1:
        raise UsageError(
            f"--cascade {settings.cascade:g}: not a confidence", "a probability from 0 to 1, for example 0.9"
        )
    several = "name two with --scheme or --model, or the folders of two rankings"
    if settings.jury and judges < 2:
        raise UsageError("--jury needs two judges or more", several)
    if settings.cascade is not None and judges != 2:
        raise UsageError(f"--cascade needs two judges, the small one first; there {_are(judges)}", several)
    if settings.stops and (settings.jury or settings.cascade is not None):
        raise UsageError(
            "--stop, --margin and --budget do not go with --jury or --cascade: each judge stops at other questions",
            "--games N judges a sample",
        )


def rank_by_jury(members: Sequence[RankedSystems]) -> RankedSystems:
    """The ranking by all of them together. Raises UsageError where one is named twice, DataError for other pairs."""
    names = tuple(_judge_of(member) for member in members)
    _refuse_twice(names)
    votes, way = jury_votes([member.games for member in members])
    first = members[0]
    return stand(
        votes,
        name=first.name,
        questions=first.questions,
        missing={standing.system: standing.missing for standing in first.standings},
        against=first.against,
        combined=JuryJudge(names, way),
    )


def rank_by_cascade(
    match: Match,
    judges: Sequence[JudgeOptions],
    asked: ProtocolOptions,
    limits: Limits,
    settings: RankSettings,
    listener: ProgressListener,
) -> tuple[RankedSystems, ...]:
    """The ranking by the cascade, and by the small judge alone. settings: with a threshold.

    The large judge is asked once the small one has judged all, so that its model is loaded after the other's is freed.
    Raises UsageError where both are the same, RunError where the small one's verdicts have no probabilities.
    """
    small = rank_by(match, judges[0], asked, limits, settings, listener, ClusterOptions())
    threshold, who = settings.cascade or 0.0, _judge_of(small)
    passed = unsure(small.games, threshold, who)
    held = [meeting for meeting in match.held if _met(meeting) in passed]
    large = judge_part(match, held, judges[1], asked, limits, settings, listener)
    _refuse_twice((who, large.identity))
    passed_on, everything = _pairs(held), _pairs(match.held)
    judge = CascadeJudge(who, large.identity, threshold, len(passed_on), len(everything), large.tokens)
    return _cascade(small, large.games, passed, judge), small


def recorded_rankings(folders: Sequence[Path], settings: RankSettings) -> tuple[RankedSystems, ...]:
    """The rankings in these folders, after that of a jury or a cascade of them where the settings ask for one.

    The large judge's folder need not be a complete ranking, if it has verdicts on the pairs that are passed on. Raises
    RunError where judges that go together did not judge the same pairs.
    """
    check_combination(settings, len(folders))
    if settings.cascade is not None:
        return _recorded_cascade(folders[0], folders[1], settings.cascade)
    recorded = [read_ranking(path) for path in folders]
    rankings = tuple(_ranked(one) for one in recorded)
    if not settings.jury:
        return rankings
    for path, other in zip(folders[1:], recorded[1:], strict=True):
        if apart := len(_texts(recorded[0]) ^ _texts(other)):
            raise RunError(f"{path}: judged other pairs than {folders[0]}: {apart:,} are in one alone", _SAME_PAIRS)
    return rank_by_jury(rankings), *rankings


def _recorded_cascade(small_folder: Path, large_folder: Path, threshold: float) -> tuple[RankedSystems, ...]:
    recorded, judged = read_ranking(small_folder), read_judged(large_folder)
    _refuse_twice((recorded.identity, judged.identity))
    small = _ranked(recorded)
    passed = unsure(small.games, threshold, recorded.identity)
    held = [meeting for meeting in recorded.meetings if _met(meeting) in passed]
    passed_on, everything = _pairs(held), _pairs(recorded.meetings)
    if missing := len(passed_on - {verdict.id for verdict in judged.verdicts}):
        raise RunError(
            f"{large_folder}: no verdict on {missing:,} of the {len(passed_on):,} pairs that are passed on to it",
            f"edge-judge rank with the files of outputs, both judges and --cascade {threshold:g} judges them",
        )
    tokens = read_tokens(large_folder, passed_on, everything)
    judge = CascadeJudge(recorded.identity, judged.identity, threshold, len(passed_on), len(everything), tokens)
    together = _cascade(small, games_of(held, recorded.systems, judged.verdicts), passed, judge)
    if is_ranked(large_folder):
        large = read_ranking(large_folder)
        if set(large.systems) == set(recorded.systems):
            return together, small, _ranked(large)
    return together, small


def _cascade(small: RankedSystems, large: Games, passed: frozenset[Met], judge: CascadeJudge) -> RankedSystems:
    return stand(
        cascade_votes(small.games, large, passed),
        name=small.name,
        questions=small.questions,
        missing={standing.system: standing.missing for standing in small.standings},
        against=small.against,
        combined=judge,
    )


def _ranked(recorded: RecordedRanking) -> RankedSystems:
    return stand(
        games_of(recorded.meetings, recorded.systems, recorded.verdicts),
        recorded.identity,
        questions=recorded.questions,
        missing=recorded.missing,
        against=recorded.against,
    )


def _judge_of(ranked: RankedSystems) -> Identity:
    if ranked.identity is None:
        raise ValueError(f"{ranked.name}: ranked by no single judge")
    return ranked.identity


def _texts(recorded: RecordedRanking) -> set[tuple[str, str, frozenset[str]]]:
    """Whose answers met, and which texts they were."""
    return {(one.id, one.question, frozenset((one.first, one.second))) for one in recorded.meetings}


def _met(meeting: Meeting) -> Met:
    return Met(meeting.question, meeting.first, meeting.second)


def _pairs(held: Sequence[Meeting]) -> frozenset[str]:
    """The ids of the pairs of texts that a judge is asked about."""
    return frozenset(meeting.id for meeting in held if not meeting.same)


def _refuse_twice(names: Sequence[Identity]) -> None:
    for one, other in combinations(names, 2):
        if one == other:
            raise UsageError(f"{run_name(one)} is named twice", "judges that are combined are different ones")


def _are(judges: int) -> str:
    return "is 1" if judges == 1 else f"are {judges}"
