"""How far a judge's votes can be relied on, seen from the votes alone: no labels are needed.

Knows: votes. Does not know: who is right, how a table is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from edge_judge.analysis.ranking.games import Games, VoteArrays, score, vote_arrays
from edge_judge.analysis.ranking.totals import QuestionTotals, question_totals
from edge_judge.metrics.intervals import ROUNDING, Bootstrap, Codes, Flags, Numbers, rate, ratio
from edge_judge.records import ORDERS, Figure

NEAR = 0.05  # of 1/2: so near, the mean score of a pair's votes names no winner
NONE = 3  # where there is no valid verdict


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of the votes that were asked for; two equal answers, a tie by themselves, count in none but the cycles.

    position_bias: share of verdicts for the answer shown first minus share for the one shown second, over pairs judged
    in both orders, all votes counting; in [-1, 1]. consistency: the same verdict in both orders (none is not a
    verdict). ties: of valid verdicts. near_ties: of a question's pairs, those whose mean score over their votes, by
    probability where there is one, is within 0.05 of 1/2. format_errors: votes without a valid verdict.

    Cycles are triples of systems in which A beats B, B beats C and C beats A, among triples in which each of the three
    pairs has a winner by its mean score. cycles: by win rates over all questions, without an interval; k of n.
    question_cycles: on each question by itself. Votes at random would make a quarter of both.
    """

    position_bias: Figure
    consistency: Figure
    ties: Figure
    near_ties: Figure
    format_errors: Figure
    cycles: Figure
    question_cycles: Figure


def quality(games: Games) -> Quality:
    """All of the figures; undefined where there is nothing to compute one of."""
    votes = vote_arrays(games)
    forward, backward = both_orders(games)
    totals = question_totals(votes, len(games.systems), soft=True)
    asked, valid = votes.asked, votes.asked & votes.valid
    code = np.where(votes.valid, np.argmax(np.nan_to_num(votes.outcome), axis=1), NONE)
    tie = code == 2
    same = (code[forward] == code[backward]) & (code[forward] != NONE)
    return Quality(
        position_bias=_position_bias(votes, code, np.concatenate([forward, backward])),
        consistency=rate(same, votes.question[forward]),
        ties=rate(tie[valid], votes.question[valid]),
        near_ties=_near_ties(votes, valid, len(games.systems)),
        format_errors=rate(~votes.valid[asked], votes.question[asked]),
        cycles=_cycles(totals, len(games.systems)),
        question_cycles=_question_cycles(totals, len(games.systems)),
    )


def both_orders(games: Games) -> tuple[Codes, Codes]:
    """The rows of the votes on a pair in the order "ab" and, place by place, in "ba"; only votes that were asked for.

    Where a pair has several votes in an order, the first goes with the first of the other, and so on.
    """
    frame = games.frame[games.frame["asked"]]
    keys = ["question", "first", "second"]
    numbered = frame[keys].assign(
        number=frame.groupby([*keys, "order"], sort=False).cumcount(), row=np.flatnonzero(games.frame["asked"])
    )
    forward, backward = (numbered[frame["order"] == order] for order in ORDERS)
    both = pd.merge(forward, backward, on=[*keys, "number"], how="inner")
    return both["row_x"].to_numpy(np.int64), both["row_y"].to_numpy(np.int64)


def _position_bias(votes: VoteArrays, code: Codes, rows: Codes) -> Figure:
    reverse, said = votes.reverse[rows], code[rows]
    first = said == np.where(reverse, 1, 0)
    second = said == np.where(reverse, 0, 1)
    return Bootstrap(votes.question).mean(first.astype(float) - second, votes.question[rows], (-1.0, 1.0))


def _near_ties(votes: VoteArrays, valid: Flags, systems: int) -> Figure:
    cell = ((votes.question * systems + votes.first) * systems + votes.second)[valid]
    cells, place, sizes = np.unique(cell, return_inverse=True, return_counts=True)
    means = np.bincount(place, score(votes.soft[valid]), len(cells)) / sizes
    return rate(abs(means - 0.5) <= NEAR + ROUNDING, cells // systems**2)


def _cycles(totals: QuestionTotals, systems: int) -> Figure:
    summed = QuestionTotals(
        totals.first, totals.second, *(part.sum(axis=0)[None] for part in (totals.votes, totals.scores, totals.ties))
    )
    (cycles, triples), *_ = _cycles_and_triples(summed, systems)
    return Figure(cycles / triples, k=int(cycles), n=int(triples)) if triples else Figure(None, n=0)


def _question_cycles(totals: QuestionTotals, systems: int) -> Figure:
    counts = _cycles_and_triples(totals, systems)
    if not counts[:, 1].sum():
        return Figure(None, n=0)
    having = counts[counts[:, 1] > 0]
    places = np.arange(len(having))
    shown = Bootstrap(places).figure(having, places, lambda sums: ratio(sums[:, 0], sums[:, 1]), (0.0, 1.0))
    k, n = having.sum(axis=0).astype(int).tolist()
    return Figure(shown.value, shown.low, shown.high, k, n)


def _cycles_and_triples(totals: QuestionTotals, systems: int) -> Numbers:
    """Of each row: triples of systems that form a cycle, and those whose three pairs have winners. Shape (rows, 2)."""
    lead = totals.scores - totals.votes / 2
    beats = np.zeros((len(lead), systems, systems))
    beats[:, totals.first, totals.second] = lead > ROUNDING
    beats[:, totals.second, totals.first] = lead < -ROUNDING
    decided = beats + beats.transpose(0, 2, 1)
    counts = [_closed_walks(beats) / 3, _closed_walks(decided) / 6]
    return np.rint(np.stack(counts, axis=1))


def _closed_walks(graphs: Numbers) -> Numbers:
    """Of three steps, in each graph: a cycle of three is counted once for each beginning, and each way round."""
    walks: Numbers = ((graphs @ graphs) * graphs.transpose(0, 2, 1)).sum(axis=(1, 2))
    return walks
