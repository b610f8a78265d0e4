"""Is a mean surely below zero? A test for few clusters of any size, where nothing is known but how bad one can be.

Each cluster has a value, negative where a promise is kept and positive where it is broken. The promise is that the mean
over all clusters, also those not seen, is below zero. What was seen may be too kind: the worst kind of cluster may not
have been met. So one as bad as can be is added, and the clusters are weighted anew at random (the Bayesian bootstrap of
Rubin 1981, Annals of Statistics 9:130-134). p is how often the mean is then not below zero.

This is the bound of Gaffke 2005 (Mathematical Methods of Statistics 14:451-467). Where a cluster is one trial it is
exactly the bound of Clopper and Pearson (1934). That it holds for all bounded values is not proved, but no exception is
known (Learned-Miller & Thomas 2020, arXiv:1905.06208). `benchmarks/promises/abstain.py` simulates how often it fails.
Unlike an effective sample size it has no variance to estimate, which few clusters with few errors make too
small.

Knows: numbers. Does not know: what a cluster is, what is promised.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, fsum, pi, sqrt

import numpy as np
from scipy.optimize import brentq  # type: ignore[import-untyped]
from scipy.special import betainc  # type: ignore[import-untyped]

from edge_judge.metrics.intervals import Codes, Numbers

FEWEST = 5  # clusters: fewer can show nothing that anybody would promise
SMALL = 22.0  # the integral ends where its terms are below exp(-22), so p is right to some 9 digits
WIDE = 40.0  # standard deviations: as good as all of a sum's distribution
MOST = 1 << 20  # terms of the integral
AT_ONCE = 1 << 16  # numbers in memory
TAIL = 0.025  # beyond each end of an interval
PRECISE = 1e-12  # where an end is found: by so much two processors may differ
NEARLY = 1e-9
FAR = 1e6  # so many times the data are as good as never


def surely_below_zero(values: Numbers, worst: float, copies: float = 1.0) -> float:
    """The p of a mean that is not below zero.

    values: one for each cluster, shape (clusters,); worst: of a cluster as bad as can be. copies: as
    if each cluster had been seen so many times, to tell what more of the same would show. 1 where there are fewer than
    five clusters, 0 where the worst is not above 0.
    """
    if worst <= 0:
        return 0.0
    if len(values) < FEWEST:
        return 1.0
    kinds, counts = np.unique(np.append(values, worst), return_counts=True)
    shapes = copies * counts.astype(np.float64)
    shapes[np.searchsorted(kinds, worst)] += 1 - copies  # the one that is added stays one
    kinds, shapes = kinds[kinds != 0], shapes[kinds != 0]
    if kinds[0] > 0:
        return 1.0
    if len(kinds) == 2:  # of one weighted sum against another: a beta distribution's tail
        good, bad = -float(kinds[0]), float(kinds[1])
        return float(betainc(shapes[0], shapes[1], bad / (bad + good)))
    return _not_below_zero(kinds, shapes)


def mean_interval(sums: Numbers, sizes: Codes, bounds: tuple[float, float], tail: float = TAIL) -> tuple[float, float]:
    """The means of bounded values that are not rejected, in clusters of any size, at this level on each side.

    sums, sizes: of each cluster's values, and how many these are, shape (clusters,), at least one; bounds: of a value.
    All that lies between the bounds where there are fewer than five clusters.
    """
    low, high = bounds
    mean, unseen = fsum(sums.tolist()) / int(sizes.sum()), unseen_size(sizes)

    def p_of_end(end: float, far: float) -> float:
        towards = 1.0 if far > mean else -1.0
        return surely_below_zero(towards * (sums - end * sizes), towards * (far - end) * unseen) - tail

    return _end(mean, low, p_of_end), _end(mean, high, p_of_end)


def _end(mean: float, far: float, p_of_end: Callable[[float, float], float]) -> float:
    """The mean between the one found and the bound at which p crosses its level; the bound where it does nowhere."""
    if p_of_end(mean, far) <= 0:
        return mean
    nearly = far - NEARLY * (far - mean)  # at the bound itself nothing can be worse
    if p_of_end(nearly, far) > 0:
        return far
    return float(brentq(p_of_end, mean, nearly, args=(far,), xtol=PRECISE))


def _not_below_zero(kinds: Numbers, shapes: Numbers) -> float:
    """How probably a sum of gamma variables of these shapes, each times its kind, is not below zero.

    From its characteristic function (Gil-Pelaez 1951, Biometrika 38:481-482), by the trapezoid rule. A step of 2 pi
    over a width that holds all of the distribution makes no error that is seen (Abate & Whitt 1992, Queueing Systems
    10:5-88).
    """
    scale = sqrt(fsum(shapes * kinds**2))
    width = 2 * (abs(fsum(shapes * kinds)) + WIDE * scale)
    end = 1 / scale
    while fsum(shapes * np.log1p((kinds * end) ** 2)) < 2 * SMALL:
        end *= 2
    step = 2 * pi / width
    at = step * np.arange(1, min(ceil(end / step), MOST) + 1)
    parts = np.array_split(at, ceil(len(at) * len(kinds) / AT_ONCE))
    angle, size = (np.concatenate(sums) for sums in zip(*(_summed(kinds, shapes, part) for part in parts), strict=True))
    terms = np.sin(angle) * np.exp(-size) / at
    half_first = fsum(shapes * kinds) / 2  # the integrand's limit at 0
    return min(1.0, max(0.0, 0.5 + step / pi * fsum([half_first, *terms.tolist()])))


def _summed(kinds: Numbers, shapes: Numbers, at: Numbers) -> tuple[Numbers, Numbers]:
    """The angle and the size of the characteristic function, summed over kinds. numpy adds row after row, so that the
    sum is the same on every processor.
    """
    product, weight = kinds[:, None] * at, shapes[:, None]
    angle: Numbers = (weight * np.arctan(product)).sum(axis=0)
    size: Numbers = (weight / 2 * np.log1p(product**2)).sum(axis=0)
    return angle, size


def unseen_size(sizes: Codes) -> float:
    """How large the bad cluster is that may just not have been met; as large as all are, where all are equally large.

    The mean size over the trials of the larger half of clusters: were only the larger ones bad, what was not met would
    be as large as that. The largest of all is too much where there are a few large ones among many small. Clusters
    much larger than any that was seen are beyond any test. sizes: shape (clusters,), at least one.
    """
    larger = np.sort(sizes)[len(sizes) // 2 :]
    return int((larger * larger).sum()) / int(larger.sum())


def copies_needed(values: Numbers, worst: float, level: float) -> float | None:
    """How many times as many clusters like these would show a mean below zero, at this level; None where none would.

    values, worst: as of `surely_below_zero`. At least 1.
    """
    if len(values) < FEWEST or fsum(values) >= 0:
        return None
    low, high = 0.0, 1.0
    while surely_below_zero(values, worst, high) > level:
        low, high = high, 2 * high
        if high > FAR:
            return None
    while low and high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if surely_below_zero(values, worst, middle) > level else (low, middle)
    return high
