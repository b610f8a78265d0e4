"""The votes of a ranking, added up by question and by pair of systems.

Knows: votes as arrays. Does not know: what is computed of the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_judge.analysis.ranking.games import VoteArrays, score
from edge_judge.metrics.intervals import Codes, Numbers


@dataclass(frozen=True, slots=True, eq=False)
class QuestionTotals:
    """first, second: of each pair that has a valid vote, places in `systems`, first < second, shape (pairs,).

    votes, scores, ties: shape (questions, pairs): valid votes, wins of `first` plus half of the ties, and ties.
    """

    first: Codes
    second: Codes
    votes: Numbers
    scores: Numbers
    ties: Numbers

    @property
    def questions(self) -> int:
        """With a valid vote."""
        return int((self.votes.sum(axis=1) > 0).sum())


def question_totals(votes: VoteArrays, systems: int, soft: bool, questions: int | None = None) -> QuestionTotals:
    """The sums.

    soft: by probabilities, where votes have them. questions: how many codes there are, if more than in these votes.
    """
    outcome = (votes.soft if soft else votes.outcome)[votes.valid]
    keys = (votes.first * systems + votes.second)[votes.valid]
    pairs, pair = np.unique(keys, return_inverse=True)
    rows = int(votes.question.max(initial=-1)) + 1 if questions is None else questions
    cells = votes.question[votes.valid] * len(pairs) + pair

    def summed(values: Numbers) -> Numbers:
        sums: Numbers = np.bincount(cells, values, rows * len(pairs)).astype(np.float64).reshape(rows, len(pairs))
        return sums

    return QuestionTotals(
        first=pairs // systems,
        second=pairs % systems,
        votes=summed(np.ones(len(cells))),
        scores=summed(score(outcome)),
        ties=summed(outcome[:, 2]),
    )
