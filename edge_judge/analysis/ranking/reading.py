"""Which pairs a person should read: those that say most about a ranking, and about its judge.

Knows: votes, ratings. Does not know: texts, how pairs are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from edge_judge.analysis.ranking.games import Games
from edge_judge.analysis.ranking.pairs import AnswerPair, pair_scores
from edge_judge.analysis.ranking.quality import both_orders

Reason: TypeAlias = Literal["upset", "orders disagree"]
MOST = 10  # pairs for each reason


@dataclass(frozen=True, slots=True)
class PairToRead:
    """reason: the lower ranked system wins, surest first; or the verdict depends on which answer is shown first. score:
    of `pair.first`, over the votes.
    """

    pair: AnswerPair
    reason: Reason
    score: float


def to_read(games: Games, best_first: Sequence[str]) -> tuple[PairToRead, ...]:
    """A few pairs for each reason, no pair twice. best_first: the systems as they are ranked."""
    scores = pair_scores(games)
    place = {name: rank for rank, name in enumerate(best_first)}
    known = {
        pair: score
        for pair, score, asked in zip(scores.pairs, scores.score.tolist(), scores.asked.tolist(), strict=True)
        if asked and score == score
    }
    upsets = [(_won_by_lower(pair, score, place), pair) for pair, score in known.items()]
    surest = sorted((one for one in upsets if one[0] > 0.5), key=lambda one: (-round(one[0], 9), one[1]))
    found = [PairToRead(pair, "upset", known[pair]) for _, pair in surest[:MOST]]
    taken = {one.pair for one in found}
    split = [pair for pair in _split(games) if pair in known and pair not in taken]
    return (*found, *(PairToRead(pair, "orders disagree", known[pair]) for pair in sorted(split)[:MOST]))


def _won_by_lower(pair: AnswerPair, score: float, place: dict[str, int]) -> float:
    """What the votes gave the system that is ranked lower."""
    return score if place[pair.first] > place[pair.second] else 1 - score


def _split(games: Games) -> Iterator[AnswerPair]:
    """The pairs with another winner in each order; a tie is none."""
    frame = games.frame
    columns = zip(frame["question"], frame["first"], frame["second"], frame["verdict"], strict=True)
    rows = list(columns)
    for one, other in zip(*both_orders(games), strict=True):
        *names, said = rows[one]
        if {said, rows[other][3]} == {"first", "second"}:
            yield AnswerPair(*names)
