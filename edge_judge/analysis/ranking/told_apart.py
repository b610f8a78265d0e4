"""Which pairs of systems can be told apart by the votes: a test of equal strength for each, adjusted for all of them.

For each pair the model is fitted with both made equally strong. Every question then says how far its votes speak for
the one or the other (its effective score: the derivative of the likelihood by their difference, without what other
strengths explain of it). Were the two equal, each question would be as likely to say so much for the other: so the
signs of whole questions are flipped (Hemerik, Goeman & Finos 2020, JRSS B 82:841-864). Unlike a test by the error of a
rating it does not break down for a system that wins every vote, and few questions cannot seem sure.

Knows: sums of votes, the model. Does not know: names, groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr  # type: ignore[import-untyped]

from edge_judge.analysis.ranking.davidson import Strengths, Totals, expected, fit, information
from edge_judge.analysis.ranking.totals import QuestionTotals
from edge_judge.metrics.intervals import ROUNDING, Codes, Numbers
from edge_judge.metrics.sign_flip import holm

LEVEL = 0.05
EXACT = 12  # questions up to which all flips are tried; beyond, their sum is as good as normal
PART = 200  # pairs at once: bounds the memory


@dataclass(frozen=True, slots=True)
class PairTest:
    """first, second: places of two systems; p: of their being equally strong; adjusted: for all pairs, after Holm."""

    first: int
    second: int
    p: float
    adjusted: float

    @property
    def apart(self) -> bool:
        return self.adjusted <= LEVEL


def pair_tests(totals: QuestionTotals, systems: int, rated: Codes, prior: float, start: Strengths) -> list[PairTest]:
    """Of every two of the rated systems. start: the strengths that were fitted without a restriction."""
    pairs = np.array([(a, b) for place, a in enumerate(rated) for b in rated[place + 1 :]], np.int64).reshape(-1, 2)
    parts = [pairs[begin : begin + PART] for begin in range(0, len(pairs), PART)]
    p = [value for part in parts for value in _p_values(_effective_scores(totals, systems, part, prior, start))]
    adjusted = holm(p)
    return [
        PairTest(int(first), int(second), alone, 1.0 if of_all is None else of_all)
        for (first, second), alone, of_all in zip(pairs, p, adjusted, strict=True)
    ]


def _effective_scores(totals: QuestionTotals, systems: int, pairs: Codes, prior: float, start: Strengths) -> Numbers:
    """How far each question speaks for the first of each pair: shape (questions, pairs tested)."""
    sums = [
        np.repeat(part.sum(axis=0)[None], len(pairs), axis=0) for part in (totals.votes, totals.scores, totals.ties)
    ]
    summed = Totals(systems, totals.first, totals.second, *sums)
    null = fit(summed, prior, equal=pairs, start=start)
    moments = expected(null, totals.first, totals.second)
    contrast = _efficient(information(summed, moments, null, prior), pairs, systems)
    by_score = contrast[:, totals.first] - contrast[:, totals.second]
    by_tie = contrast[:, systems]
    seen = totals.scores @ by_score.T + totals.ties.sum(axis=1)[:, None] * by_tie
    result: Numbers = seen - totals.votes @ (moments.score * by_score + moments.tie * by_tie[:, None]).T
    return result


def _efficient(matrix: Numbers, pairs: Codes, systems: int) -> Numbers:
    """What to multiply the score by, so that only the difference of the two systems counts: shape (tests, k + 1).

    matrix: the information, shape (tests, k + 1, k + 1). The derivative by the difference, less its regression on the
    derivatives by everything else: their common strength, the other strengths, and the ties.
    """
    tests, size = len(pairs), systems + 1
    row = np.arange(tests)
    difference = np.zeros((tests, size))
    difference[row, pairs[:, 0]], difference[row, pairs[:, 1]] = 0.5, -0.5
    others = np.zeros((tests, size, systems))
    for test, (first, second) in enumerate(pairs):
        others[test] = np.delete(np.eye(size), second, axis=1)
        others[test, second] = others[test, first]
    transposed = others.transpose(0, 2, 1)
    cross = transposed @ (matrix @ difference[:, :, None])
    inner = transposed @ matrix @ others
    places = np.arange(systems)
    scale = np.maximum(inner[:, places, places].max(axis=1), 1.0)
    inner[:, places, places] += 1e-12 * scale[:, None]  # systems without a vote, or no ties: nothing to explain
    nuisance = (others @ np.linalg.solve(inner, cross))[:, :, 0]
    result: Numbers = difference - nuisance
    return result


def _p_values(scores: Numbers) -> list[float]:
    """Two-sided, of the sum of each column, were each of its numbers as likely of the other sign."""
    played = scores[abs(scores).max(axis=1, initial=0.0) > ROUNDING]
    total, size = abs(played.sum(axis=0)), np.sqrt((played * played).sum(axis=0))
    size = np.where(size > ROUNDING, size, np.inf)
    if len(played) > EXACT:
        return [float(p) for p in 2 * ndtr(-total / size)]
    flips = 1 - 2 * ((np.arange(2 ** len(played))[:, None] >> np.arange(len(played))) & 1)
    sums = abs(flips.astype(np.float64) @ played)
    return [float(p) for p in (sums >= total - 1e-9 * np.where(np.isfinite(size), size, 1.0)).mean(axis=0)]
