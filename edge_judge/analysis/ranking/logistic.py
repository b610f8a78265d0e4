"""Logistic regression on scores between 0 and 1, with errors that allow for clusters.

Knows: numbers, and the cluster each belongs to. Does not know: votes, lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from edge_judge.metrics.intervals import Codes, Numbers, student
from edge_judge.records import Figure

PRIOR = 1.0
ROUNDS = 200
STEP = 1e-11
LONG = 2.0  # a step is cut to this: far from the end Newton's method leaps


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """columns: shape (rows, coefficients); scores: in [0, 1], shape (rows,); weights: likewise, of each row."""

    columns: Numbers
    scores: Numbers
    weights: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """coefficients: shape (k,); covariance: cluster-robust, shape (k, k), None for fewer than two clusters."""

    coefficients: Numbers
    covariance: Numbers | None
    clusters: int

    def figure(self, place: int) -> Figure:
        """A coefficient with its 95 % interval by Student's t."""
        value = float(self.coefficients[place])
        if self.covariance is None:
            return Figure(value)
        half = student(self.clusters - 1) * sqrt(self.covariance[place, place])
        return Figure(value, value - half, value + half)

    def mean_share(self, columns: Numbers) -> Figure:
        """The mean over rows of the predicted scores. Its interval is made on the scale of the log odds, so that it
        stays within 0 and 1.
        """
        shares = logistic(columns @ self.coefficients)
        value = float(shares.mean())
        if self.covariance is None or not 0 < value < 1:
            return Figure(value, 0.0, 1.0)
        slope = (columns * (shares * (1 - shares))[:, None]).mean(axis=0)
        error = sqrt(float(slope @ self.covariance @ slope)) / (value * (1 - value))
        middle, half = np.log(value / (1 - value)), student(self.clusters - 1) * error
        low, high = logistic(np.array([middle - half, middle + half])).tolist()
        return Figure(value, low, high)


def regress(rows: Rows, clusters: Codes, fixed: Rows | None = None, prior: float = PRIOR) -> Regression:
    """The coefficients that make the scores likeliest, by Newton's method.

    clusters: of the rows, codes; fixed: further rows that are taken as known without error. prior: so many votes, one
    half for and one half against, are added for each coefficient (the log-F prior of Greenland & Mansournia 2015,
    Statistics in Medicine 34:3133-3143): one vote keeps the coefficients finite where all scores agree, and a column
    that never varies from having any. The covariance is the jackknife's over clusters, by one step of Newton's method
    for each (CV3L of MacKinnon, Nielsen & Webb 2024, arXiv:2406.00650): how far the coefficients move without it. With
    few clusters the sandwich of Liang & Zeger (1986, Biometrika 73:13-22) is too small, since coefficients lean towards
    the clusters that they come from.
    """
    k = rows.columns.shape[1]
    parts = [rows, Rows(np.eye(k), np.full(k, 0.5), np.full(k, prior)), *([fixed] if fixed else [])]
    columns, scores, weights = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("columns", "scores", "weights")
    )
    at = np.zeros(k)
    for _ in range(ROUNDS):
        chance = logistic(columns @ at)
        matrix = (columns * (weights * chance * (1 - chance))[:, None]).T @ columns
        step = np.linalg.solve(matrix, columns.T @ (weights * (scores - chance)))
        longest = float(abs(step).max())
        at = at + step * min(1.0, LONG / max(longest, LONG))
        if longest < STEP:
            break
    return Regression(at, *_covariance(rows, clusters, at, matrix))


def _covariance(rows: Rows, clusters: Codes, at: Numbers, matrix: Numbers) -> tuple[Numbers | None, int]:
    """The jackknife's covariance, and the number of clusters. matrix: the information at the end."""
    shares = logistic(rows.columns @ at)
    apart = rows.columns * (rows.weights * (rows.scores - shares))[:, None]
    places = np.unique(clusters, return_inverse=True)[1]
    count = int(places.max(initial=-1)) + 1
    if count < 2:
        return None, count
    sums = np.stack([np.bincount(places, column, count) for column in apart.T], axis=1)
    own = _information(rows.columns, rows.weights * shares * (1 - shares), places, count)
    moved = np.linalg.solve(matrix - own, sums[:, :, None])[:, :, 0]
    covariance: Numbers = moved.T @ moved * (count - 1) / count
    return covariance, count


def _information(columns: Numbers, weights: Numbers, places: Codes, count: int) -> Numbers:
    """Of each cluster by itself, one after another: of all rows at once it would not fit into memory.

    columns: shape (rows, k); result: shape (clusters, k, k).
    """
    order = np.argsort(places, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(places, minlength=count))[:-1])
    return np.stack([columns[part].T @ (columns[part] * weights[part, None]) for part in parts])


def logistic(values: Numbers) -> Numbers:
    """1 / (1 + exp(-value)), without overflow."""
    result: Numbers = np.exp(-np.logaddexp(0.0, -values))
    return result
