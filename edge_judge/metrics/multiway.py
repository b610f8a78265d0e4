"""How far a figure may lie from the truth where its trials are clustered in two ways at once.

The pairs of a question are tied, and so are the pairs that the same two systems answered: a judge that misreads one
system's style misreads it on every question. An interval that knows the questions alone speaks of new questions to the
same systems; one that knows both speaks of new systems too.

Knows: whole numbers, and the two clusters that each belongs to. Does not know: verdicts, labels, benchmarks.
"""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np

from edge_judge.metrics.intervals import Codes, student
from edge_judge.records import Figure


def two_way(figure: Figure, values: Codes, first: Codes, second: Codes, bounds: tuple[float, float]) -> Figure:
    """A mean's interval for clusters of one kind, widened for clusters of a second kind.

    figure: the mean of the values, in any unit, with an interval that knows the clusters `first`; values: whole
    numbers, shape (n,), n >= 1; first, second: codes from 0 of each value's clusters, shape (n,); bounds: the least and
    greatest value of the figure, in its unit. Each side of the interval is stretched by the ratio of the standard
    errors (see `stretch`), so it is never narrower than before.
    """
    if figure.value is None or figure.low is None or figure.high is None:
        return figure
    factor = stretch(values, first, second)
    low, high = (
        figure.value - factor * (figure.value - figure.low),
        figure.value + factor * (figure.high - figure.value),
    )
    return Figure(figure.value, max(bounds[0], low), min(bounds[1], high), figure.k, figure.n)


def stretch(values: Codes, first: Codes, second: Codes) -> float:
    """By how much an interval of the mean for clusters `first` is too short if `second` are clusters too; at least 1.

    The square root of the two-way variance over the one-way variance, times the ratio of Student's quantiles for as
    few clusters as the rarer kind has, less one (Cameron, Gelbach & Miller 2011, J. Business & Economic Statistics
    29:238-249). Neither variance counts as less than that of as many independent values, as in
    `intervals.effective_size`. Where all values are equal there is no variance to compare: what is left is the ratio of
    the quantiles.
    """
    few = min(_count(first), _count(second))
    tails = student(max(1, few - 1)) / student(max(1, _count(first) - 1))
    one, both = one_way_variance(values, first), two_way_variance(values, first, second)
    least = one_way_variance(values, np.arange(len(values)))
    ratio = 1.0 if max(one, least) == 0 else sqrt(max(both, least) / max(one, least))
    return max(1.0, tails) * ratio


def two_way_variance(values: Codes, first: Codes, second: Codes) -> Fraction:
    """The variance of the mean of values that are clustered in two ways: V(first) + V(second) - V(both).

    values: whole numbers, shape (n,), n >= 1; first, second: codes from 0. Cameron, Gelbach & Miller 2011, equation
    2.11; each V has its own correction G / (G - 1). The sum may be negative, or less than a part of it, where there are
    few clusters: it counts as no less than the larger of V(first) and V(second). Exact.
    """
    one, other = one_way_variance(values, first), one_way_variance(values, second)
    both = one_way_variance(values, first * (int(second.max()) + 1) + second)
    return max(one + other - both, one, other)


def one_way_variance(values: Codes, clusters: Codes) -> Fraction:
    """The cluster-robust variance of the mean (Liang & Zeger 1986, Biometrika 73:13-22), exact; 0 for one cluster.

    values: whole numbers, shape (n,), n >= 1; clusters: codes from 0, shape (n,).
    """
    n, total = len(values), int(values.sum())
    _, places = np.unique(clusters, return_inverse=True)
    groups = int(places.max()) + 1
    if groups == 1:
        return Fraction(0)
    residuals = n * values.astype(np.int64) - total
    sums = np.zeros(groups, np.int64)
    np.add.at(sums, places, residuals)
    squares = sum(one * one for one in sums.tolist())  # Python's whole numbers have no largest one
    return Fraction(squares * groups, n**4 * (groups - 1))


def _count(clusters: Codes) -> int:
    return len(np.unique(clusters))
