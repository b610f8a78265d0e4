"""The difference of two means, each with an interval of its own, over trials that may share clusters.

Knows: figures, whole numbers and clusters. Does not know: verdicts, labels.
"""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np
from scipy.special import stdtr  # type: ignore[import-untyped]

from edge_judge.metrics.intervals import Codes
from edge_judge.records import Figure


def difference(first: Figure, second: Figure, correlation: float, most: float) -> Figure:
    """first - second, with the interval that follows from theirs; undefined where one of them is.

    correlation: of the two means, in [-1, 1], see `correlation`; most: the greatest absolute value of the result. The
    method of variance estimates recovery (Zou & Donner 2008, Statistics in Medicine 27:1693-1702; for correlated
    estimates Zou 2008, Psychological Methods 12:399-413): it takes each side's own lower and upper error, so it is as
    good near 0 and 1 as the intervals that it is made of. After Newcombe 1998 (Statistics in Medicine 17:873-890).
    """
    if None in (first.value, first.low, first.high, second.value, second.low, second.high):
        return Figure(None)
    a, b = _ends(first), _ends(second)
    value = a[1] - b[1]
    low = value - _combined(a[1] - a[0], b[2] - b[1], correlation)
    high = value + _combined(a[2] - a[1], b[1] - b[0], correlation)
    return Figure(value, max(-most, low), min(most, high))


def correlation(values: Codes, clusters: Codes, others: Codes, their_clusters: Codes) -> float:
    """The correlation of two means that comes from clusters with trials of both, where it is negative; else 0.

    values, others: whole numbers, shapes (n,) and (m,); clusters, their_clusters: their codes, from 0. It is the
    cluster-robust covariance of the means over the square root of the product of their variances. Two accuracies that
    pull against each other within a question make their difference less sure. Where they pull together no credit is
    taken for it, as in `intervals.effective_size`.
    """
    if not len(values) or not len(others):
        return 0.0
    groups = int(max(clusters.max(), their_clusters.max())) + 1
    a, b = _residuals(values, clusters, groups), _residuals(others, their_clusters, groups)
    product = sum(x * y for x, y in zip(a, b, strict=True))
    squares = sum(x * x for x in a) * sum(y * y for y in b)
    return 0.0 if product >= 0 or squares == 0 else max(-1.0, product / sqrt(squares))


def _residuals(values: Codes, clusters: Codes, groups: int) -> list[int]:
    """Each cluster's sum of n times the distances from the mean, as Python's whole numbers: exact."""
    sums = np.zeros(groups, np.int64)
    np.add.at(sums, clusters, len(values) * values.astype(np.int64) - int(values.sum()))
    summed: list[int] = sums.tolist()
    return summed


def _ends(figure: Figure) -> tuple[float, float, float]:
    assert figure.low is not None and figure.value is not None and figure.high is not None
    return figure.low, figure.value, figure.high


def _combined(one: float, other: float, correlation: float) -> float:
    return sqrt(max(0.0, one * one + other * other - 2 * correlation * one * other))


def equal_means_p(values: Codes, clusters: Codes, others: Codes, their_clusters: Codes) -> float | None:
    """Two-sided p of the difference of two means over trials that may share clusters; None where nothing varies.

    values, others: whole numbers, shapes (n,) and (m,), n, m >= 1; clusters, their_clusters: their codes, from 0. The
    difference over its cluster-robust standard error, held against Student's t with one degree of freedom less than
    there are clusters (Liang & Zeger 1986, Biometrika 73:13-22; Cameron & Miller 2015, J. Human Resources 50:317-372).
    """
    n, m = len(values), len(others)
    groups = int(max(clusters.max(), their_clusters.max())) + 1
    a, b = _residuals(values, clusters, groups), _residuals(others, their_clusters, groups)
    present = len(np.unique(np.concatenate([clusters, their_clusters])))
    squares = sum((x * m * m - y * n * n) ** 2 for x, y in zip(a, b, strict=True))
    gap = Fraction(int(values.sum()), n) - Fraction(int(others.sum()), m)
    if gap == 0:
        return 1.0
    if squares == 0 or present < 2:
        return None
    variance = Fraction(squares * present, (n * m) ** 4 * (present - 1))
    return float(2 * stdtr(present - 1, -sqrt(gap * gap / variance)))
