"""The votes of a judge on pairs of systems' answers: what every figure of a ranking is made of.

Knows: votes, and what a legal one is. Does not know: where they come from, what is computed of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from math import isnan, nan
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from edge_judge.errors import DataError
from edge_judge.metrics.intervals import Codes, Flags, Numbers
from edge_judge.records import ORDERS, Order

Winner: TypeAlias = Literal["first", "second", "tie"]

WINNERS: tuple[Winner, ...] = ("first", "second", "tie")
ROUNDING = 1e-3  # the probabilities of a vote may miss 1 by so much: files round them


@dataclass(frozen=True, slots=True)
class Game:
    """One vote: two systems' answers to a question, in one order.

    order: "ab" where the answer of `first` was shown first. verdict: None where the judge gave no valid one, which is
    never a tie. p_first, p_second, p_tie: the probability of each verdict, nan where the engine gave none.
    length_first, length_second: characters of the answers. asked: False where the two answers are the same text, so
    that the tie was taken for granted.
    """

    question: str
    first: str
    second: str
    order: Order
    verdict: Winner | None
    p_first: float = nan
    p_second: float = nan
    p_tie: float = nan
    length_first: int = 0
    length_second: int = 0
    asked: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Games:
    """Votes of a judge on pairs of systems' answers.

    systems: their names; one of them may have no votes. frame: a row for each vote, with the columns

        question   object  the cluster: all votes on a question stand or fall together
        first      object  a system; it precedes `second` in `systems`, whichever was shown first
        second     object  the other
        order      object  "ab" where `first` was shown first, else "ba"
        verdict    object  "first", "second", "tie", or None where the judge gave no valid verdict
        p_first, p_second, p_tie      float64  the probability of each verdict, in sum 1; nan in all three without them
        length_first, length_second   int64    characters of the answers
        asked      bool    False for a tie of two equal texts, which no judge was asked about
    """

    systems: tuple[str, ...]
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def of(self, rows: Flags) -> Games:
        """The votes that are flagged, of the same systems. rows: shape (votes,)."""
        return Games(self.systems, self.frame[rows].reset_index(drop=True))

    def reordered(self, systems: Sequence[str]) -> Games:
        """The same votes, with the same systems in another order."""
        rows = (Game(*row) for row in self.frame[[field.name for field in fields(Game)]].itertuples(index=False))
        return games(rows, systems)


@dataclass(frozen=True, slots=True, eq=False)
class VoteArrays:
    """The votes as arrays of shape (votes,).

    question: a code from 0, by first appearance; first, second: places in `systems`. reverse: whether `second` was
    shown first; valid: whether there is a verdict; outcome: shape (votes, 3), how much of the vote went to first,
    second and tie: all of it to one by the verdict. soft: the same by probabilities, where the vote has them. Both are
    nan where there is no verdict.
    """

    question: Codes
    first: Codes
    second: Codes
    reverse: Flags
    valid: Flags
    asked: Flags
    outcome: Numbers
    soft: Numbers


def games(rows: Iterable[Game], systems: Sequence[str] | None = None) -> Games:
    """The votes as a frame. systems: all names, in their order; by default those of the rows, as they appear.

    A row whose first system comes after its second is turned round. Raises DataError for a vote that cannot be: of a
    system against itself or one that is not named, of an unknown order or verdict, with probabilities that are none.
    """
    found = list(rows)
    names = tuple(dict.fromkeys(name for row in found for name in (row.first, row.second)))
    names = names if systems is None else tuple(dict.fromkeys(systems))
    places = {name: place for place, name in enumerate(names)}
    for number, row in enumerate(found, start=1):
        _check(row, places, f"vote {number}, on question {row.question!r}")
    return Games(names, _frame([_turned(row) if places[row.first] > places[row.second] else row for row in found]))


def vote_arrays(games: Games) -> VoteArrays:
    """The votes as arrays."""
    frame = games.frame
    places = {name: place for place, name in enumerate(games.systems)}
    verdict = frame["verdict"].map({winner: place for place, winner in enumerate(WINNERS)})
    valid = verdict.notna().to_numpy(np.bool_)
    outcome = np.full((len(frame), 3), nan)
    outcome[valid] = np.eye(3)[verdict[valid].to_numpy(np.int64)]
    p = frame[[f"p_{winner}" for winner in WINNERS]].to_numpy(np.float64)
    known = valid & np.isfinite(p).all(axis=1)
    soft = outcome.copy()
    soft[known] = p[known] / p[known].sum(axis=1, keepdims=True)
    return VoteArrays(
        # by name: a resample of the same votes is the same in whichever order they were judged
        question=pd.factorize(frame["question"], sort=True)[0].astype(np.int64),
        first=np.array([places[name] for name in frame["first"]], np.int64),
        second=np.array([places[name] for name in frame["second"]], np.int64),
        reverse=(frame["order"] == "ba").to_numpy(np.bool_),
        valid=valid,
        asked=frame["asked"].to_numpy(np.bool_),
        outcome=outcome,
        soft=soft,
    )


def hard_scores(games: Games) -> Numbers:
    """What each vote gave `first`: 1 for a win, 1/2 for a tie, 0 for a loss; nan without a verdict. Shape (votes,)."""
    return score(vote_arrays(games).outcome)


def soft_scores(games: Games) -> Numbers:
    """The same by probability, p_first + p_tie / 2; as `hard_scores` where a vote has no probabilities."""
    return score(vote_arrays(games).soft)


def score(outcome: Numbers) -> Numbers:
    """Wins and half of the ties. outcome: shape (votes, 3), first, second, tie. Result: shape (votes,)."""
    result: Numbers = outcome[:, 0] + outcome[:, 2] / 2
    return result


def _frame(rows: Sequence[Game]) -> pd.DataFrame:
    def objects(values: list[str] | list[Winner | None] | list[Order]) -> pd.Series[str]:
        return pd.Series(values, dtype=object)

    return pd.DataFrame(
        {
            "question": objects([row.question for row in rows]),
            "first": objects([row.first for row in rows]),
            "second": objects([row.second for row in rows]),
            "order": objects([row.order for row in rows]),
            "verdict": objects([row.verdict for row in rows]),
            "p_first": pd.Series([row.p_first for row in rows], dtype=np.float64),
            "p_second": pd.Series([row.p_second for row in rows], dtype=np.float64),
            "p_tie": pd.Series([row.p_tie for row in rows], dtype=np.float64),
            "length_first": pd.Series([row.length_first for row in rows], dtype=np.int64),
            "length_second": pd.Series([row.length_second for row in rows], dtype=np.int64),
            "asked": pd.Series([row.asked for row in rows], dtype=np.bool_),
        }
    )


def _turned(row: Game) -> Game:
    """The same vote with the systems' places exchanged."""
    verdicts: dict[Winner | None, Winner | None] = {"first": "second", "second": "first", "tie": "tie", None: None}
    return Game(
        question=row.question,
        first=row.second,
        second=row.first,
        order="ba" if row.order == "ab" else "ab",
        verdict=verdicts[row.verdict],
        p_first=row.p_second,
        p_second=row.p_first,
        p_tie=row.p_tie,
        length_first=row.length_second,
        length_second=row.length_first,
        asked=row.asked,
    )


def _check(row: Game, places: dict[str, int], where: str) -> None:
    for name in (row.first, row.second):
        if name not in places:
            raise DataError(f"{where}: unknown system {name!r}, expected one of {', '.join(places)}")
    if row.first == row.second:
        raise DataError(
            f"{where}: system {row.first!r} is compared with itself", "a pair has the answers of two systems"
        )
    if row.order not in ORDERS:
        raise DataError(f"{where}: order {row.order!r}, expected one of {', '.join(ORDERS)}")
    if row.verdict is not None and row.verdict not in WINNERS:
        raise DataError(f"{where}: verdict {row.verdict!r}, expected one of {', '.join(WINNERS)}, or none")
    p = (row.p_first, row.p_second, row.p_tie)
    if all(isnan(one) for one in p):
        return
    if not all(0 <= one <= 1 + ROUNDING for one in p) or abs(sum(p) - 1) > ROUNDING:
        raise DataError(f"{where}: probabilities {', '.join(f'{one:g}' for one in p)}, expected three that sum to 1")
