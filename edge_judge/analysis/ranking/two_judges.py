"""Would another judge have said the same? Two judges of the same answers, and the rankings that they give.

Knows: rankings, votes. Does not know: what the judges are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from edge_judge.analysis.ranking.davidson import PRIOR
from edge_judge.analysis.ranking.games import Games, vote_arrays
from edge_judge.analysis.ranking.ratings import Difference, Ranking, rank_totals
from edge_judge.analysis.ranking.resampling import SCALED, QuestionResamples, figure
from edge_judge.analysis.ranking.totals import question_totals
from edge_judge.errors import DataError
from edge_judge.metrics.intervals import Numbers, ratio
from edge_judge.records import Figure

SURE = 0.975  # the share of resamples in which what is sure is seen
KEYS = ["question", "first", "second", "order", "number"]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a system's rating moved: points of the second judge's minus the first's, both with the same middle."""

    system: str
    points: Figure


@dataclass(frozen=True, slots=True, eq=False)
class TwoJudges:
    """first, second: rankings by the votes that both judges were asked for. votes: how many each; left_out: votes of
    either that the other does not have.

    tau: Kendall's tau-b of the ratings. Of the pairs that the first judge decides: reversed, those that the second
    decides the other way; undecided, those that it does not decide; kept, how many it decides alike. gained: pairs that
    only the second decides. shifts: of every system, the largest first.
    """

    first: Ranking
    second: Ranking
    votes: int
    left_out: int
    tau: Figure
    reversed: tuple[Difference, ...]
    undecided: tuple[Difference, ...]
    gained: tuple[Difference, ...]
    kept: int
    shifts: tuple[Shift, ...]

    @property
    def decided(self) -> int:
        """Pairs that the first judge decides."""
        return self.kept + len(self.reversed) + len(self.undecided)


def two_judges(
    first: Games, second: Games, *, soft: bool = True, baseline: str | None = None, prior: float = PRIOR
) -> TwoJudges:
    """Rank by each judge, on the votes that both were asked for, with the same resamples of questions.

    Raises DataError where they judged other systems, or have no vote in common, and as `ratings.rank` does.
    """
    if set(first.systems) != set(second.systems):
        apart = sorted(set(first.systems) ^ set(second.systems))
        raise DataError(f"the two judges judged different systems: only one of them judged {', '.join(apart)}")
    one, other = _in_common(first, second)
    chance = QuestionResamples(one.frame["question"].nunique())
    rankings = []
    for games in (one, other):  # rows and questions stand in the same order in both
        totals = question_totals(vote_arrays(games), len(games.systems), soft, chance.questions)
        rankings.append(rank_totals(games.systems, totals, baseline=baseline, prior=prior, resamples=chance))
    left_out = len(first) + len(second) - 2 * len(one)
    return _compared(rankings[0], rankings[1], len(one), left_out, chance.questions)


def kendall_tau(first: Numbers, second: Numbers) -> Numbers:
    """Kendall's tau-b (1945, Biometrika 33:239-251) of each row; nan where all of a row's numbers are equal.

    first, second: shape (rows, systems).
    """
    ours, theirs = _orders(first), _orders(second)
    both = np.sqrt((ours**2).sum(axis=1) * (theirs**2).sum(axis=1))
    return ratio((ours * theirs).sum(axis=1), both)


def tau_figure(points: Sequence[Numbers], draws: Sequence[Numbers], questions: int) -> Figure:
    """Kendall's tau of two judges' ratings, with its 95 % interval; undefined where a judge's ratings are all equal.

    points: of each judge, shape (1, systems); draws: of each, shape (resamples, systems). Chance pulls tau towards 0:
    of two systems that are nearly equal, two judges of one mind rate now the one, now the other higher. A resample is
    pulled once more, so percentiles alone left a tau of 1 out in 23 to 39 % of simulated cases. So the upper end
    reaches at least to where every pair of systems agrees that is not surely reversed (in 97.5 % of the resamples), and
    the lower end of a tau that is not above 0 likewise to where every pair is reversed that does not surely agree.
    """
    value = float(kendall_tau(points[0], points[1])[0])
    if not np.isfinite(value):
        return Figure(None)
    shown = figure(value, kendall_tau(draws[0], draws[1]), questions, (-1.0, 1.0))
    if shown.low is None or shown.high is None:
        return shown
    agreed = _orders(draws[0]) * _orders(draws[1])
    apart, alike = ((agreed * sign > 0).mean(axis=0) >= SURE for sign in (-1, 1))
    high = max(shown.high, 1 - 2 * float(apart.mean()))
    low = min(shown.low, 2 * float(alike.mean()) - 1) if value <= 0 else shown.low
    return Figure(value, low, high)


def shift_figures(points: Sequence[Numbers], draws: Sequence[Numbers], questions: int) -> list[Figure]:
    """How far each system's rating moved, with its 95 % interval. Takes what `tau_figure` does."""
    moved, drawn = points[1][0] - points[0][0], draws[1] - draws[0]
    return [figure(float(moved[place]), drawn[:, place], questions, (-np.inf, np.inf)) for place in range(len(moved))]


def _orders(points: Numbers) -> Numbers:
    """Of every two systems 1 if the first has more points, -1 if the second has, else 0: shape (rows, pairs)."""
    one, other = np.triu_indices(points.shape[1], 1)
    apart = points[:, one] - points[:, other]
    signs: Numbers = np.where(abs(apart) < SCALED, 0.0, np.sign(apart))
    return signs


def _in_common(first: Games, second: Games) -> tuple[Games, Games]:
    """The votes that both judges were asked for, row by row on the same answers, in the first's order."""
    turned = second if second.systems == first.systems else second.reordered(first.systems)
    numbered = [
        games.frame.assign(
            number=games.frame.groupby(KEYS[:-1], sort=False).cumcount(), row=np.arange(len(games.frame))
        )
        for games in (first, turned)
    ]
    both = pd.merge(numbered[0][[*KEYS, "row"]], numbered[1][[*KEYS, "row"]], on=KEYS, how="inner")
    if both.empty:
        raise DataError(
            "the two judges have no votes in common: no pair of answers was judged by both in the same order"
        )
    one, other = (
        Games(first.systems, games.frame.take(both[row].to_numpy()).reset_index(drop=True))
        for games, row in ((first, "row_x"), (turned, "row_y"))
    )
    return one, other


def _compared(first: Ranking, second: Ranking, votes: int, left_out: int, questions: int) -> TwoJudges:
    both = np.isfinite(np.stack([first.draws, second.draws])).all(axis=(0, 1))
    rated = np.flatnonzero(both).tolist()
    names = [first.systems[place] for place in rated]
    points = [np.array([[_points(ranking, name) for name in names]]) for ranking in (first, second)]
    draws = [ranking.draws[:, rated] for ranking in (first, second)]
    shifts = [Shift(*one) for one in zip(names, shift_figures(points, draws, questions), strict=True)]
    lost, turned, gained, kept = _changes(first, second)
    return TwoJudges(
        first=first,
        second=second,
        votes=votes,
        left_out=left_out,
        tau=tau_figure(points, draws, questions),
        reversed=turned,
        undecided=lost,
        gained=gained,
        kept=kept,
        shifts=tuple(sorted(shifts, key=lambda shift: -abs(shift.points.value or 0.0))),
    )


_Pairs: TypeAlias = tuple[Difference, ...]


def _changes(first: Ranking, second: Ranking) -> tuple[_Pairs, _Pairs, _Pairs, int]:
    """Pairs that the second judge leaves undecided, reverses, or decides alone; and how many both decide alike."""
    ours, theirs = (
        {frozenset((pair.better, pair.worse)): pair for pair in ranking.differences if pair.decided}
        for ranking in (first, second)
    )
    both = ours.keys() & theirs.keys()
    lost = tuple(pair for key, pair in ours.items() if key not in both)
    turned = tuple(pair for key, pair in ours.items() if key in both and theirs[key].better != pair.better)
    gained = tuple(pair for key, pair in theirs.items() if key not in both)
    return lost, turned, gained, len(both) - len(turned)


def _points(ranking: Ranking, name: str) -> float:
    value = ranking.rating(name).rating.value
    return np.nan if value is None else value
