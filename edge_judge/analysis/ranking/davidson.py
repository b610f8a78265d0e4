"""The Bradley-Terry model with ties, by maximum likelihood: many samples of the same votes are fitted at once.

Davidson's model (1970, JASA 65:317-328): with strengths theta and a tie parameter nu, system i wins against j, loses
and ties with probabilities in the ratio exp(d / 2) : exp(-d / 2) : nu, where d = theta_i - theta_j. Without ties nu is
0 and it is Bradley and Terry's (1952, Biometrika 39:324-345).

Why not Rao and Kupper's (1967, JASA 62:194-204), where a tie is a difference too small to be seen: in Davidson's, wins
plus half of the ties are all that the ratings depend on. So the fitted scores of every system are its own exactly, a
ranking with all pairs is in the order of the win rates beside it, and shares of a vote (a judge's probabilities) count
as votes do. The likelihood is that of an exponential family, so it has one maximum, which Newton's method finds.

Knows: totals of pairs of systems. Does not know: questions, names, the scale that ratings are shown on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_judge.metrics.intervals import Codes, Numbers

PRIOR = 0.5
ROUNDS = 100  # of Newton's method, which takes about six
STEP = 1e-11  # a round that moves no strength further than this is the last
BOUND = 12.0  # of the logarithm of nu: where every vote is a tie it has no maximum
HALVINGS = 30
SHORT = 0.1  # a step so short cannot overshoot: over it the second derivatives change by less than a third
LONG = 4.0  # a step is cut to this, so that exp of a strength stays finite
PART = 250  # samples that are fitted together: bounds the memory


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """The votes of each sample, added up by pairs of systems. Arrays of shape (samples, pairs).

    systems: how many; first, second: of each pair, shape (pairs,), first < second. votes: how many; score: of `first`,
    wins plus half of the ties; ties: how many. All may be fractions.
    """

    systems: int
    first: Codes
    second: Codes
    votes: Numbers
    score: Numbers
    ties: Numbers

    def part(self, rows: slice) -> Totals:
        votes, score, ties = self.votes[rows], self.score[rows], self.ties[rows]
        return Totals(self.systems, self.first, self.second, votes, score, ties)


@dataclass(frozen=True, slots=True, eq=False)
class Strengths:
    """theta: shape (samples, systems), only differences mean something; log_nu: shape (samples,), -inf without ties."""

    theta: Numbers
    log_nu: Numbers

    def repeated(self, rows: NDArray[np.int64]) -> Strengths:
        return Strengths(self.theta[rows], self.log_nu[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What the model expects of one vote on each pair: shape (samples, pairs).

    score, tie: means; score_variance, tie_variance, covariance: of the two.
    """

    score: Numbers
    tie: Numbers
    score_variance: Numbers
    tie_variance: Numbers
    covariance: Numbers


def fit(totals: Totals, prior: float = PRIOR, equal: Codes | None = None, start: Strengths | None = None) -> Strengths:
    """The strengths that make the votes of each sample likeliest.

    prior: so many wins and as many losses of each system against an average one are added to the votes. It keeps a
    system that won every vote at a finite distance: a half, the default, is what Jeffreys' prior adds to a share. With
    0 it is plain maximum likelihood, which does not exist for such a system; there the method stops far out.
    equal: shape (samples, 2), two systems of each sample that are made equally strong. start: of one sample, where all
    are begun; near the end it saves rounds.
    """
    parts = [slice(begin, begin + PART) for begin in range(0, len(totals.votes), PART)]
    fits = [_fit(totals.part(rows), prior, None if equal is None else equal[rows], start) for rows in parts]
    return Strengths(np.concatenate([one.theta for one in fits]), np.concatenate([one.log_nu for one in fits]))


def expected(strengths: Strengths, first: Codes, second: Codes) -> Expected:
    """The means and variances of a vote's score and of its tie."""
    win, loss, tie = _chances(strengths, first, second)
    lead = (win - loss) / 2
    return Expected(
        score=win + tie / 2,
        tie=tie,
        score_variance=(win + loss) / 4 - lead**2,
        tie_variance=tie * (1 - tie),
        covariance=-lead * tie,
    )


def information(totals: Totals, moments: Expected, strengths: Strengths, prior: float) -> Numbers:
    """The negative second derivatives of the log-likelihood by theta and log nu: shape (samples, k + 1, k + 1)."""
    k, samples = totals.systems, len(totals.votes)
    matrix = np.zeros((samples, k + 1, k + 1))
    weight, cross = totals.votes * moments.score_variance, totals.votes * moments.covariance
    matrix[:, totals.first, totals.second] = matrix[:, totals.second, totals.first] = -weight
    places = np.arange(k)
    sigma = _logistic(strengths.theta)
    matrix[:, places, places] = _by_system(totals, weight, weight) + 2 * prior * sigma * (1 - sigma)
    matrix[:, :k, k] = matrix[:, k, :k] = _by_system(totals, cross, -cross)
    matrix[:, k, k] = (totals.votes * moments.tie_variance).sum(axis=1)
    return matrix


def _basis(systems: int, equal: Codes) -> Numbers:
    """How strengths and log nu follow from free parameters: shape (samples, systems + 1, systems)."""
    identity = np.eye(systems + 1)
    result = np.empty((len(equal), systems + 1, systems))
    for row, (one, other) in zip(result, equal, strict=True):
        row[:] = np.delete(identity, other, axis=1)
        row[other] = row[one]
    return result


def _fit(totals: Totals, prior: float, equal: Codes | None, start: Strengths | None) -> Strengths:
    at = _begin(totals, equal, start)
    directions = None if equal is None else _basis(totals.systems, equal)
    for _ in range(ROUNDS):
        step = _newton_step(totals, at, prior, directions)
        at, moved = _moved(totals, at, step, prior)
        if moved < STEP:
            break
    return at


def _begin(totals: Totals, equal: Codes | None, start: Strengths | None) -> Strengths:
    """Equal strengths, or those given, and the tie parameter of equal strengths."""
    samples = len(totals.votes)
    tied = totals.ties.sum(axis=1)
    share = tied / np.maximum(totals.votes.sum(axis=1), 1e-300)
    with np.errstate(divide="ignore"):
        log_nu = np.clip(np.log(2 * share) - np.log1p(-np.minimum(share, 1 - 1e-9)), None, BOUND)
    theta = np.zeros((samples, totals.systems)) if start is None else np.repeat(start.theta, samples, axis=0)
    if equal is not None:
        pair = np.arange(samples)[:, None], equal
        theta[pair] = theta[pair].mean(axis=1, keepdims=True)
    return Strengths(theta, np.where(tied > 0, log_nu, -np.inf))


def _newton_step(totals: Totals, at: Strengths, prior: float, directions: Numbers | None) -> Numbers:
    """Where each sample's parameters go next: shape (samples, systems + 1)."""
    moments = expected(at, totals.first, totals.second)
    matrix = information(totals, moments, at, prior)
    gradient = _gradient(totals, moments, at, prior)
    k = totals.systems
    stuck = ~np.isfinite(at.log_nu) | ((at.log_nu >= BOUND) & (gradient[:, k] > 0))
    matrix[stuck, k, :] = matrix[stuck, :, k] = gradient[stuck, k] = 0.0
    matrix[stuck, k, k] = 1.0
    scale = matrix[:, np.arange(k), np.arange(k)].mean(axis=1)
    if prior == 0:  # only differences matter, so the mean of the strengths is held
        matrix[:, :k, :k] += (scale / k)[:, None, None]
    matrix[:, np.arange(k + 1), np.arange(k + 1)] += 1e-14 * np.maximum(scale, 1e-300)[:, None]  # far out it is all 0
    if directions is None:
        return _solved(matrix, gradient)
    transposed = directions.transpose(0, 2, 1)
    free = _solved(transposed @ matrix @ directions, (transposed @ gradient[:, :, None])[:, :, 0])
    step: Numbers = (directions @ free[:, :, None])[:, :, 0]
    return step


def _solved(matrices: Numbers, vectors: Numbers) -> Numbers:
    solutions: Numbers = np.linalg.solve(matrices, vectors[:, :, None])[:, :, 0].astype(np.float64)
    return solutions


def _gradient(totals: Totals, moments: Expected, at: Strengths, prior: float) -> Numbers:
    """The first derivatives of the log-likelihood: shape (samples, systems + 1)."""
    over = totals.score - totals.votes * moments.score
    by_theta = _by_system(totals, over, -over) + prior * (1 - 2 * _logistic(at.theta))
    by_nu = (totals.ties - totals.votes * moments.tie).sum(axis=1)
    return np.concatenate([by_theta, by_nu[:, None]], axis=1)


def _moved(totals: Totals, at: Strengths, step: Numbers, prior: float) -> tuple[Strengths, float]:
    """The parameters after the step, shortened where it would lower the likelihood; and how far the farthest went."""
    longest = float(abs(step).max(initial=0.0))
    if longest < SHORT:
        return _stepped(at, step), longest
    before = _log_likelihood(totals, at, prior)
    length = LONG / np.maximum(abs(step).max(axis=1), LONG)
    for _ in range(HALVINGS):
        move = length[:, None] * step
        there = _stepped(at, move)
        worse = _log_likelihood(totals, there, prior) < before - 1e-12 * abs(before)
        if not worse.any():
            break
        length[worse] /= 2
    return there, float(abs(move).max(initial=0.0))


def _stepped(at: Strengths, move: Numbers) -> Strengths:
    return Strengths(at.theta + move[:, :-1], np.minimum(at.log_nu + move[:, -1], BOUND))


def _log_likelihood(totals: Totals, at: Strengths, prior: float) -> Numbers:
    """Of each sample, prior and all: shape (samples,)."""
    half = (at.theta[:, totals.first] - at.theta[:, totals.second]) / 2
    log_nu = at.log_nu[:, None]
    top = np.maximum(abs(half), log_nu)
    normalizer = top + np.log(np.exp(half - top) + np.exp(-half - top) + np.exp(log_nu - top))
    tied = np.where(totals.ties > 0, totals.ties * np.where(np.isfinite(log_nu), log_nu, 0.0), 0.0)
    votes = (2 * totals.score - totals.votes) * half + tied - totals.votes * normalizer
    added = -prior * (np.logaddexp(0, at.theta) + np.logaddexp(0, -at.theta))
    result: Numbers = votes.sum(axis=1) + added.sum(axis=1)
    return result


def _chances(strengths: Strengths, first: Codes, second: Codes) -> tuple[Numbers, Numbers, Numbers]:
    """The probabilities that the first wins, that the second does, and of a tie: shape (samples, pairs) each."""
    half = (strengths.theta[:, first] - strengths.theta[:, second]) / 2
    log_nu = np.broadcast_to(strengths.log_nu[:, None], half.shape)
    top = np.maximum(abs(half), log_nu)
    win, loss, tie = np.exp(half - top), np.exp(-half - top), np.exp(log_nu - top)
    total = win + loss + tie
    return win / total, loss / total, tie / total


def _by_system(totals: Totals, to_first: Numbers, to_second: Numbers) -> Numbers:
    """Sums over the pairs of each system: shape (samples, systems)."""
    table = np.zeros((len(to_first), totals.systems, totals.systems))
    table[:, totals.first, totals.second] = to_first
    table[:, totals.second, totals.first] = to_second
    result: Numbers = table.sum(axis=2)
    return result


def _logistic(values: Numbers) -> Numbers:
    result: Numbers = np.exp(-np.logaddexp(0, -values))
    return result
