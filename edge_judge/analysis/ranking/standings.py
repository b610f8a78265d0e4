"""A ranking: the figures of each system and of each pair of systems, from a judge's votes, in one place.

Knows: which figures a ranking has. Does not know: how each is computed, where votes come from, how a ranking is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge_judge.analysis.ranking.games import Games, hard_scores, soft_scores, vote_arrays
from edge_judge.metrics.intervals import Numbers
from edge_judge.records import Figure, Identity


@dataclass(frozen=True, slots=True)
class Standing:
    """The figures of a system. win_rate: by probabilities; hard: by verdicts as given; votes: that count; missing:
    questions that it did not answer.
    """

    system: str
    win_rate: Figure
    hard: Figure
    votes: int
    missing: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Systems, the best first. name: of the outputs; identity: of the judge's run, None for votes of others; against:
    the baseline that all systems met, None where all met each other; matrix: how often the first system of a pair wins
    over the second, in both directions; format_errors: of all verdicts that were asked for.
    """

    name: str
    identity: Identity | None
    against: str | None
    questions: int
    standings: tuple[Standing, ...]
    matrix: Mapping[tuple[str, str], Figure]
    format_errors: Figure
    games: Games


def build(
    games: Games,
    identity: Identity | None,
    missing: Mapping[str, int],
    questions: int,
    against: str | None,
    *,
    name: str = "",
) -> Ranking:
    """All figures of a ranking."""
    votes = vote_arrays(games)
    soft, hard = soft_scores(games), hard_scores(games)
    standings = []
    for place, system in enumerate(games.systems):
        first, second = votes.first == place, votes.second == place
        mine = (first | second) & votes.valid
        of_system = [np.where(first, scores, 1 - scores)[mine] for scores in (soft, hard)]
        standings.append(
            Standing(system, _mean(of_system[0]), _mean(of_system[1]), int(mine.sum()), missing.get(system, 0))
        )
    standings.sort(key=lambda one: -(one.win_rate.value or 0.0))
    matrix = {}
    for a, one in enumerate(games.systems):
        for b, other in enumerate(games.systems):
            met = (votes.first == a) & (votes.second == b) & votes.valid
            if met.any():
                matrix[one, other] = _mean(soft[met])
                matrix[other, one] = _mean(1 - soft[met])
    asked = int(votes.asked.sum())
    wrong = int((~votes.valid).sum())
    errors = Figure(wrong / asked, k=wrong, n=asked) if asked else Figure(None)
    title = name or (identity.benchmark if identity else "")
    return Ranking(title, identity, against, questions, tuple(standings), matrix, errors, games)


def _mean(scores: Numbers) -> Figure:
    return Figure(float(scores.mean()) if scores.size else None)
