"""Ratings of systems, with intervals, the probability of each rank, and which systems can be told apart.

The scale is Elo's: 400 points are odds of ten to one. Intervals come from resamples of whole questions.

Knows: votes, the model of wins and ties. Does not know: how a table is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, log
from typing import Literal, TypeAlias

import numpy as np
from scipy.sparse import csr_array  # type: ignore[import-untyped]
from scipy.sparse.csgraph import connected_components, shortest_path  # type: ignore[import-untyped]

from edge_judge.analysis.ranking.davidson import PRIOR, Strengths, Totals, fit
from edge_judge.analysis.ranking.games import Games, vote_arrays
from edge_judge.analysis.ranking.letters import letters
from edge_judge.analysis.ranking.resampling import SCALED, QuestionResamples, figure
from edge_judge.analysis.ranking.told_apart import PairTest, pair_tests
from edge_judge.analysis.ranking.totals import QuestionTotals, question_totals
from edge_judge.errors import DataError, UsageError, nearest
from edge_judge.metrics.intervals import Codes, Flags, Numbers
from edge_judge.records import Figure

MIDDLE = 1000.0  # the rating of the baseline, or the mean of all
SCALE = 400 / log(10)  # points of a difference of 1 between two strengths

Unbounded: TypeAlias = Literal["above", "below"]


@dataclass(frozen=True, slots=True)
class Rating:
    """A system's place.

    rating: undefined without a valid vote; a baseline's has no interval. ranks: the probability of each rank, the best
    first, over resamples; empty without a rating. groups: letters; two systems that cannot be told apart share one.
    unbounded: "above" where no vote sets a limit to how much better it is than some other (it lost none to it, not by
    way of others either), so that the rating is what the prior makes of it and has no upper end; "below" likewise.
    """

    system: str
    rating: Figure
    ranks: tuple[float, ...]
    groups: tuple[str, ...]
    votes: int
    unbounded: Unbounded | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two systems, the one with the higher rating first. points: of ratings; p: of their being equal, alone and
    adjusted for all pairs; decided: whether that is at most 5 %.
    """

    better: str
    worse: str
    points: Figure
    p: float
    adjusted: float
    decided: bool


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """ratings: the best first, systems without a valid vote last. differences: of every two with a rating.

    questions, votes: with a valid verdict. baseline: the system whose rating is 1000, None where that is the mean.
    draws: the ratings of each resample, in the order of `systems`, nan without a rating: shape (resamples, systems).
    """

    systems: tuple[str, ...]
    ratings: tuple[Rating, ...]
    differences: tuple[Difference, ...]
    questions: int
    votes: int
    baseline: str | None
    draws: Numbers

    def rating(self, system: str) -> Rating:
        return next(rating for rating in self.ratings if rating.system == system)


def rank(games: Games, *, soft: bool = True, baseline: str | None = None, prior: float = PRIOR) -> Ranking:
    """Rate the systems by the Bradley-Terry model with ties (`davidson`).

    soft: by the verdicts' probabilities, where votes have them; else by verdicts. prior: so many wins and losses
    against an average system are added to each one's votes. Raises UsageError for a baseline that is no system or has
    no valid vote, DataError without a valid vote, and where the systems fall into groups that no vote connects: their
    ratings could not be compared.
    """
    if baseline is not None and baseline not in games.systems:
        raise UsageError(f"no system is named {baseline!r}", nearest(baseline, games.systems))
    arrays = vote_arrays(games)
    totals = question_totals(arrays, len(games.systems), soft)
    return rank_totals(games.systems, totals, baseline=baseline, prior=prior)


def rank_totals(
    systems: tuple[str, ...],
    totals: QuestionTotals,
    *,
    baseline: str | None = None,
    prior: float = PRIOR,
    resamples: QuestionResamples | None = None,
) -> Ranking:
    """As `rank`, from sums. resamples: of the questions of these totals, where two rankings share them."""
    rated, k = _rated(systems, totals, baseline), len(systems)
    chance = resamples or QuestionResamples(len(totals.votes))
    anchor = rated if baseline is None else np.array([systems.index(baseline)])
    found, points, draws = rate_resamples(totals, k, chance, anchor, prior)
    draws[:, np.setdiff1d(np.arange(k), rated)] = np.nan
    order = sorted(rated.tolist(), key=lambda place: (-round(float(points[place]), 6), place))
    tests = pair_tests(totals, k, np.array(order), prior, found)
    differences = [_difference(systems, test, points, draws, totals.questions) for test in tests]
    groups = letters(order, [(test.first, test.second) for test in tests if test.apart])
    ratings = _ratings(systems, totals, order, points, draws, groups, baseline)
    votes = int(totals.votes.sum())
    return Ranking(systems, ratings, tuple(differences), totals.questions, votes, baseline, draws)


def rate_resamples(
    totals: QuestionTotals, systems: int, chance: QuestionResamples, anchor: Codes, prior: float = PRIOR
) -> tuple[Strengths, Numbers, Numbers]:
    """The strengths, the ratings, shape (systems,), and those of each resample, shape (resamples, systems).

    systems: how many; anchor: places of those whose mean rating is 1000.
    """
    sums = (totals.votes, totals.scores, totals.ties)
    found = fit(Totals(systems, totals.first, totals.second, *(part.sum(axis=0)[None] for part in sums)), prior)
    drawn = Totals(systems, totals.first, totals.second, *(chance.totals(part) for part in sums))
    return found, _points(found, anchor)[0], _points(fit(drawn, prior, start=found), anchor)


def _rated(systems: tuple[str, ...], totals: QuestionTotals, baseline: str | None) -> Codes:
    """The places of the systems with a valid vote, all connected."""
    rated = np.unique(np.concatenate([totals.first, totals.second]))
    if not len(rated):
        raise DataError("no valid verdict, so there is nothing to rate")
    if baseline is not None and systems.index(baseline) not in rated:
        raise UsageError(f"the baseline {baseline!r} has no valid verdict", "name another one, or none")
    met = csr_array((np.ones(len(totals.first)), (totals.first, totals.second)), (len(systems), len(systems)))
    part = connected_components(met, directed=False)[1][rated]
    if len(set(part.tolist())) > 1:
        one, *others = [[systems[place] for place in rated[part == code]] for code in dict.fromkeys(part.tolist())]
        raise DataError(
            f"no vote connects {', '.join(one)} with {', '.join(others[0])}, so their ratings cannot be compared",
            "judge pairs that connect them, or rank each group by itself",
        )
    return rated


def _points(strengths: Strengths, anchor: Codes) -> Numbers:
    """On Elo's scale, the mean of the anchor's systems at 1000: shape (samples, systems)."""
    points: Numbers = SCALE * (strengths.theta - strengths.theta[:, anchor].mean(axis=1, keepdims=True)) + MIDDLE
    return points


def _difference(
    systems: tuple[str, ...], test: PairTest, points: Numbers, draws: Numbers, questions: int
) -> Difference:
    apart = draws[:, test.first] - draws[:, test.second]
    value = float(points[test.first] - points[test.second])
    shown = figure(value, apart, questions, (-inf, inf))
    return Difference(systems[test.first], systems[test.second], shown, test.p, test.adjusted, test.apart)


def _ratings(
    systems: tuple[str, ...],
    totals: QuestionTotals,
    order: list[int],
    points: Numbers,
    draws: Numbers,
    groups: Mapping[int, tuple[str, ...]],
    baseline: str | None,
) -> tuple[Rating, ...]:
    chances = rank_chances(draws[:, order])
    reach = _scored_against(totals, len(systems))
    columns = totals.votes.sum(axis=0)
    ratings = []
    for rank, place in enumerate(order):
        own = int(columns[(totals.first == place) | (totals.second == place)].sum())
        unbounded = _unbounded(place, order, reach)
        shown = figure(float(points[place]), draws[:, place], totals.questions, (-inf, inf), own)
        if systems[place] == baseline:
            shown, unbounded = Figure(MIDDLE, n=own), None
        shown = _open(shown, unbounded)
        ratings.append(Rating(systems[place], shown, tuple(chances[rank].tolist()), groups[place], own, unbounded))
    without = [name for place, name in enumerate(systems) if place not in set(order)]
    return (*ratings, *(Rating(name, Figure(None, n=0), (), (), 0, None) for name in without))


def rank_chances(draws: Numbers) -> Numbers:
    """How often each system has each rank, the highest first. draws: shape (resamples, systems), no nan.

    Result: shape (systems, ranks). Systems that are equal but for rounding share the ranks that they take together.
    """
    k = draws.shape[1]
    chances = np.zeros((k, k))
    higher = np.stack([(draws > draws[:, [place]] + SCALED).sum(axis=1) for place in range(k)], axis=1)
    lower = np.stack([(draws < draws[:, [place]] - SCALED).sum(axis=1) for place in range(k)], axis=1)
    ranks = np.arange(k)
    for place in range(k):
        taken = (ranks >= higher[:, [place]]) & (ranks < k - lower[:, [place]])
        chances[place] = (taken / taken.sum(axis=1, keepdims=True)).mean(axis=0)
    return chances


def _scored_against(totals: QuestionTotals, systems: int) -> Flags:
    """Whether i took anything of a vote from j, also by way of others: shape (systems, systems)."""
    scores, votes = totals.scores.sum(axis=0), totals.votes.sum(axis=0)
    took, lost = scores > 0, scores < votes
    one = np.concatenate([totals.first[took], totals.second[lost]])
    other = np.concatenate([totals.second[took], totals.first[lost]])
    graph = csr_array((np.ones(len(one)), (one, other)), (systems, systems))
    reach: Flags = np.isfinite(shortest_path(graph, unweighted=True))
    return reach


def _unbounded(place: int, rated: list[int], reach: Flags) -> Unbounded | None:
    above = any(not reach[other, place] for other in rated)
    below = any(not reach[place, other] for other in rated)
    if above == below:  # both: above some and below others, so that the mean has no place; the ends say enough
        return None
    return "above" if above else "below"


def _open(shown: Figure, unbounded: Unbounded | None) -> Figure:
    """The figure without the end that only the prior sets."""
    low = None if unbounded == "below" else shown.low
    high = None if unbounded == "above" else shown.high
    return Figure(shown.value, low, high, shown.k, shown.n)
