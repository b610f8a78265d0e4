"""How far the mean of paired differences may lie from the truth, where most of them may be 0 and a few are large.

Knows: numbers, and the cluster each belongs to. Does not know: verdicts, which figure has changed.
"""

from __future__ import annotations

from math import fsum, sqrt

import numpy as np

from edge_judge.metrics.intervals import ROUNDING, Codes, Numbers, Z, student
from edge_judge.records import Figure


def paired_mean(values: Numbers, clusters: Codes, bounds: tuple[float, float], least: float = 0.0) -> Figure:
    """The mean of differences between two judges of the same trials, with its 95 % interval; undefined for none.

    values: shape (n,); clusters: codes from 0, shape (n,); bounds: the least and greatest value of the mean. The
    interval is Student's for the cluster-robust standard error (Liang & Zeger 1986, Biometrika 73:13-22), after two
    clusters were added: one that lies as far above the mean as the farthest one seen, and one as far below. It is the
    adjustment of Bonett & Price 2012 (J. Educ. Behav. Stat. 37:479-488), carried over from lost and won trials to any
    difference: what was seen in one direction may happen in the other. Why this one: on few discordant pairs Student's
    interval and the bootstrap's leave the truth out in 10 to 20 % of cases, this in about 5 (benchmarks/promises).

    least: the added clusters lie at least so far off, in sums of a cluster: for figures that a single turned verdict
    moves, by how much. Without it, and where no difference varies, the interval is that of `Bootstrap.figure`: a share
    of clusters up to z^2 / (G + z^2) may be of a kind not met yet. All sums are exact.
    """
    if len(values) == 0:
        return Figure(None)
    places = np.unique(clusters, return_inverse=True)[1]
    sums, sizes = np.bincount(places, values).tolist(), np.bincount(places).tolist()
    n, groups = len(values), len(sums)
    mean = fsum(sums) / n
    distances = [one - mean * size for one, size in zip(sums, sizes, strict=True)]
    far = max(least, *(abs(distance) for distance in distances))
    if far < ROUNDING:
        half = Z * Z / (groups + Z * Z) * (bounds[1] - bounds[0])
    else:
        squares = fsum(distance * distance for distance in distances) + 2 * far * far
        trials = n + 2 * n / groups  # the added clusters are of average size
        half = student(groups + 1) * sqrt(squares * (groups + 2) / (groups + 1)) / trials
    return Figure(mean, max(bounds[0], mean - half), min(bounds[1], mean + half))
