"""Everything about systems that were ranked: the figures of each, of each two, and of the votes, in one place.

Knows: which figures there are. Does not know: how one is computed, where votes come from, how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_judge.analysis.ranking.combined import CombinedJudge
from edge_judge.analysis.ranking.games import Games
from edge_judge.analysis.ranking.labels import Correction, HumanVerdict
from edge_judge.analysis.ranking.length_control import LengthPreference, length_controlled, length_preference
from edge_judge.analysis.ranking.quality import Quality, quality
from edge_judge.analysis.ranking.ratings import Ranking, Rating, rank
from edge_judge.analysis.ranking.stopping import Decided
from edge_judge.analysis.ranking.win_rates import WinRate, pair_win_rates, win_rates
from edge_judge.records import Figure, Identity


@dataclass(frozen=True, slots=True)
class Standing:
    """The figures of a system. win_rate: against the baseline, or all others; None for the baseline itself.
    equal_length: against the baseline, as if answers were of equal length, None without a baseline; missing: questions
    that it did not answer; length: of its answers in the votes, characters in the mean, None without votes.
    """

    system: str
    rating: Rating
    win_rate: WinRate | None
    equal_length: Figure | None
    missing: int
    length: float | None


@dataclass(frozen=True, slots=True, eq=False)
class RankedSystems:
    """name: of the outputs; identity: of the judge's run, None for votes of others; combined: the judges that voted
    together instead, None otherwise; against: the baseline that all systems met, None where all met each other;
    questions: how many were asked; standings: the best first; matrix: the win rate of each system against each other
    that it met; unasked: meetings of two equal answers. decided: where judging could stop, what is known wherever it
    did; correction: by a person's labels, where there are some; labels: these themselves.
    """

    name: str
    identity: Identity | None
    against: str | None
    questions: int
    standings: tuple[Standing, ...]
    ranking: Ranking
    matrix: Mapping[tuple[str, str], WinRate]
    quality: Quality
    length_preference: LengthPreference
    unasked: int
    games: Games
    decided: Decided | None = None
    correction: Correction | None = None
    combined: CombinedJudge | None = None
    labels: tuple[HumanVerdict, ...] = ()


def stand(
    games: Games,
    identity: Identity | None = None,
    *,
    name: str = "",
    questions: int | None = None,
    missing: Mapping[str, int] | None = None,
    against: str | None = None,
    decided: Decided | None = None,
    combined: CombinedJudge | None = None,
) -> RankedSystems:
    """All figures. name: where there is no identity to take it from; questions: how many were asked, None for those
    with votes. Raises DataError and UsageError as `ratings.rank` does.
    """
    ranking = rank(games, baseline=against)
    rates = {rate.system: rate for rate in win_rates(games, against)}
    equal = {} if against is None else {one.system: one.win_rate for one in length_controlled(games, against)}
    lengths, absent = _lengths(games), missing or {}
    standings = tuple(
        Standing(
            system=one.system,
            rating=one,
            win_rate=rates.get(one.system),
            equal_length=equal.get(one.system),
            missing=absent.get(one.system, 0),
            length=lengths.get(one.system),
        )
        for one in ranking.ratings
    )
    return RankedSystems(
        name=identity.benchmark if identity else name,
        identity=identity,
        against=against,
        questions=int(games.frame["question"].nunique()) if questions is None else questions,
        standings=standings,
        ranking=ranking,
        matrix={(rate.system, rate.opponent or ""): rate for rate in pair_win_rates(games)},
        quality=quality(games),
        length_preference=length_preference(games),
        unasked=len(games.frame[~games.frame["asked"]].drop_duplicates(["question", "first", "second"])),
        games=games,
        decided=decided,
        combined=combined,
    )


def _lengths(games: Games) -> dict[str, float]:
    """The mean length of each system's answers, each answer once."""
    frame, found = games.frame, {}
    for system in games.systems:
        own = [
            frame[frame[side] == system].set_index("question")[f"length_{side}"].groupby(level=0).first()
            for side in ("first", "second")
        ]
        by_question = own[0].combine_first(own[1])
        if by_question.any():  # 0 everywhere where votes came without answers
            found[system] = float(by_question.mean())
    return found
