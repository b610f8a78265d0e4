"""Several judges' votes on the same pairs of answers as the votes of one judge: a jury, or a cascade.

A jury votes as in `analysis.jury`: by the mean of its members' probabilities where all have some, else by majority; a
member without a valid verdict has no vote. In a cascade the large judge judges the pairs that the small one is less
sure of than a threshold, in all orders; confidence is that of `analysis.selective`.

Knows: votes. Does not know: runs, where votes come from, how the large judge is asked.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from edge_judge.analysis.jury import vote
from edge_judge.analysis.ranking.games import WINNERS, Games
from edge_judge.analysis.selective import pair_answers, refuse_without_probabilities
from edge_judge.errors import DataError
from edge_judge.metrics.alignment import NONE
from edge_judge.metrics.intervals import Codes, Flags, Numbers
from edge_judge.metrics.trials import Frame, codes, probabilities
from edge_judge.metrics.verdict_frame import P
from edge_judge.records import Identity

Way: TypeAlias = Literal["mean probability", "majority"]

MET = ["question", "first", "second"]
VOTE = [*MET, "order"]
VERDICTS: tuple[str | None, ...] = (*WINNERS, None)  # in the order of their codes
P_WINNERS = [f"p_{winner}" for winner in WINNERS]


class Met(NamedTuple):
    """A pair of answers: those of two systems to a question."""

    question: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class JuryJudge:
    """A jury that ranks as one judge. members: in the order in which they were named; way: how it votes."""

    members: tuple[Identity, ...]
    way: Way


@dataclass(frozen=True, slots=True)
class TokensRead:
    """Tokens of prompts that the large judge of a cascade reads, shared beginnings counted once. passed: for the pairs
    that are passed on to it; everything: for all pairs, had it judged them alone.
    """

    passed: int
    everything: int


@dataclass(frozen=True, slots=True)
class CascadeJudge:
    """A cascade that ranks as one judge. threshold: pairs on which the small judge's confidence is below it go to the
    large one; passed: how many of the `pairs` of texts do. tokens: None where nobody has counted them.
    """

    small: Identity
    large: Identity
    threshold: float
    passed: int
    pairs: int
    tokens: TokensRead | None = None


CombinedJudge: TypeAlias = JuryJudge | CascadeJudge


def jury_votes(members: Sequence[Games]) -> tuple[Games, Way]:
    """What the members say together on each pair and order, and how that is found. A tie is legal, and is what a vote
    comes to where nothing else is ahead.

    Raises DataError where they were not asked about the same pairs in the same orders.
    """
    first, *others = members
    asked = first.frame["asked"].to_numpy(np.bool_)
    tables = [_verdicts(frame[asked]) for frame in (first.frame, *(_same_rows(other, first) for other in others))]
    voted = vote(tables, ties=True)
    if voted.mean is None:
        return _with_votes(first, asked, voted.majority, np.full(voted.p.shape, np.nan)), "majority"
    known = np.where((voted.mean == NONE)[:, None], np.nan, voted.p)
    return _with_votes(first, asked, voted.mean, known), "mean probability"


def unsure(small: Games, threshold: float, who: Identity) -> frozenset[Met]:
    """The pairs on which the small judge's confidence is below the threshold. Two equal answers are never among them.

    Raises RunError where the small judge's verdicts have no probabilities.
    """
    frame = small.frame[small.frame["asked"]]
    if frame.empty:
        return frozenset()
    verdicts = _verdicts(frame)
    refuse_without_probabilities(verdicts, who)
    confidence = pair_answers(verdicts)["confidence"].to_numpy()
    pairs = frame[MET].drop_duplicates().itertuples(index=False)  # by first appearance, as their codes are
    return frozenset(Met(*pair) for pair, sure in zip(pairs, confidence, strict=True) if sure < threshold)


def cascade_votes(small: Games, large: Games, passed: Set[Met]) -> Games:
    """The small judge's votes, but the large one's on the pairs that are passed on.

    Raises DataError where the large judge was not asked about one of these in the same orders.
    """
    rows = among(small, passed)
    if not rows.any():
        return small
    theirs = _verdicts(_same_rows(large.of(among(large, passed)), small.of(rows)))
    return _with_votes(small, rows, codes(theirs, "verdict"), probabilities(theirs))


def among(games: Games, passed: Set[Met]) -> Flags:
    """Which votes are on these pairs, whichever system the votes name first. Result: shape (votes,)."""
    both = {*passed, *(Met(pair.question, pair.second, pair.first) for pair in passed)}
    return np.array([pair in both for pair in games.frame[MET].itertuples(index=False, name=None)], np.bool_)


def _verdicts(frame: Frame) -> Frame:
    """Votes with the columns of a run's verdicts (`metrics.trials`): `first` is a, `second` b; a question a cluster."""
    code = {winner: place for place, winner in enumerate(WINNERS)}
    return pd.DataFrame(
        {
            "pair": frame.groupby(MET, sort=False).ngroup().to_numpy(),
            "verdict": frame["verdict"].map(code).fillna(NONE).to_numpy(np.int8),
            "cluster": pd.factorize(frame["question"], sort=True)[0],
            **{ours: frame[theirs].to_numpy(np.float64) for ours, theirs in zip(P, P_WINNERS, strict=True)},
        }
    )


def _same_rows(other: Games, first: Games) -> Frame:
    """The other judge's votes, row by row on the same pairs and orders as the first's."""
    apart = sorted(set(first.systems) ^ set(other.systems))
    if apart:
        raise DataError(f"judges of other systems: only one of them judged {', '.join(apart)}")
    turned = other if other.systems == first.systems else other.reordered(first.systems)
    numbered = turned.frame[VOTE].assign(row=np.arange(len(turned)))
    both = pd.merge(first.frame[VOTE], numbered, on=VOTE, how="left", validate="one_to_one")
    missing = both["row"].isna()
    if missing.any() or len(first) < len(turned):
        raise DataError(
            f"the judges did not judge the same pairs: {int(missing.sum()):,} votes of the first are not among the "
            f"other's, {len(turned) - int((~missing).sum()):,} of the other's not among the first's",
            "the same edge-judge rank command, with each --scheme and without --stop, gives each judge the same pairs",
        )
    return turned.frame.take(both["row"].to_numpy(np.int64)).reset_index(drop=True)


def _with_votes(games: Games, rows: Flags, verdicts: Codes, p: Numbers) -> Games:
    """The same votes, but for some rows others. verdicts: their codes, shape (rows,); p: shape (rows, 3)."""
    frame = games.frame.copy()
    shown = frame["verdict"].to_numpy(object).copy()
    shown[rows] = np.array(VERDICTS, object)[verdicts]
    frame["verdict"] = pd.Series(shown, dtype=object)
    for place, column in enumerate(P_WINNERS):
        frame.loc[rows, column] = p[:, place]
    return Games(games.systems, frame)
