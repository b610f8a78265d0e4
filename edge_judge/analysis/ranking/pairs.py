"""Pairs of answers with the judge's score: the two orders of a pair are one observation, and a person labels it once.

Knows: votes. Does not know: what is decided or corrected with their scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_judge.analysis.ranking.games import Games, hard_scores, soft_scores, vote_arrays
from edge_judge.metrics.intervals import Codes, Flags, Numbers, ratio


@dataclass(frozen=True, slots=True, order=True)
class AnswerPair:
    """Two systems' answers to one question, by their names."""

    question: str
    first: str
    second: str


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """The pairs of all votes, in the order in which they first appear. Arrays have shape (pairs,).

    question: a code from 0, by first appearance; first, second: places in `systems`. score: what the judge gave
    `first`, in [0, 1], the mean over the orders that have a verdict; nan where none has. asked: False where the two
    answers are the same text, which is a tie that nobody was asked about. vote_pair: the pair of each vote, shape
    (votes,).
    """

    systems: tuple[str, ...]
    pairs: tuple[AnswerPair, ...]
    question: Codes
    first: Codes
    second: Codes
    score: Numbers
    asked: Flags
    vote_pair: Codes


def pair_scores(games: Games, *, soft: bool = True) -> PairScores:
    """The pairs that were judged. soft: scores by probabilities where votes have them, else by verdicts alone."""
    votes = vote_arrays(games)
    scores = soft_scores(games) if soft else hard_scores(games)
    count = max(1, len(games.systems))
    keys = (votes.question * count + votes.first) * count + votes.second
    _, where, codes = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(where)  # of the pairs, by the vote in which each first appears
    vote_pair = np.argsort(order)[codes].astype(np.int64)
    rows = where[order]
    names = zip(*(games.frame[column].iloc[rows] for column in ("question", "first", "second")), strict=True)
    valid = np.isfinite(scores)
    sums = np.bincount(vote_pair[valid], scores[valid], len(rows)).astype(np.float64)
    counts = np.bincount(vote_pair[valid], minlength=len(rows)).astype(np.float64)
    return PairScores(
        systems=games.systems,
        pairs=tuple(AnswerPair(*name) for name in names),
        question=votes.question[rows],
        first=votes.first[rows],
        second=votes.second[rows],
        score=ratio(sums, counts),
        asked=votes.asked[rows],
        vote_pair=vote_pair,
    )
