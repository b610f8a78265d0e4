"""How far a figure may lie from the truth: 95 % intervals for rates, paired differences and other statistics.

Verdicts that share a cluster (both orders of a pair, all pairs of a question) are not independent, so every
interval here takes the cluster of each trial. None of them has zero width: a judge that was
right 500 times of 500 has shown a high rate, not certainty.

Sums here are exact, so that a figure does not depend on the processor it was computed on.

Knows: numbers, and the cluster each belongs to.
Does not know: verdicts, labels, benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable
from math import fsum, isfinite, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # type: ignore[import-untyped]

from edge_judge.records import Figure

Codes: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

Z = 1.959963984540054  # the standard normal's 97.5 % quantile
SEED = 20231
RESAMPLES = 1000
ROUNDING = 1e-12  # an interval narrower than this is arithmetic, not data


def wilson(share: float, size: float) -> tuple[float, float]:
    """The 95 % score interval of a share seen in `size` independent trials (Wilson 1927, JASA 22:209-212).

    `size` may be a fraction (an effective size). Within [0, 1], and never of zero width.
    """
    spread = Z * Z / size
    middle = (share + spread / 2) / (1 + spread)
    half = Z * sqrt(share * (1 - share) / size + spread / (4 * size)) / (1 + spread)
    low = 0.0 if share == 0 else max(0.0, middle - half)  # exactly 0 and 1: rounding must not lift the end
    high = 1.0 if share == 1 else min(1.0, middle + half)
    return low, high


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with that many degrees of freedom (at least 1)."""
    return float(stdtrit(freedom, 0.975))


def effective_size(values: Codes, clusters: Codes) -> float:
    """How many independent trials would have told as much about the mean as these clustered ones.

    values, clusters: whole numbers, shape (n,), n >= 1; clusters are codes from 0. The size is n over the design
    effect, the cluster-robust variance of the mean divided by the variance had the trials been independent, times
    (t(n-1) / t(G-1))^2 for the few degrees of freedom that G clusters leave (Korn & Graubard 1998, Survey
    Methodology 24:193-201). It is at most n: where the trials of a cluster pull against each other (always naming the
    first answer is right in just one of the two orders) no credit is taken for it. Where all values are equal there is
    no variance to estimate from, and it is the number of clusters: each could be a single observation repeated.
    """
    n, total = len(values), int(values.sum())
    sizes = np.bincount(clusters)
    sums = np.bincount(clusters, values).astype(np.int64)  # of whole numbers, so exact
    groups = int(np.count_nonzero(sizes))
    spread = n * _dot(values, values) - total**2  # n times the sum of squared distances from the mean
    if groups == 1 or spread == 0:
        return float(groups)
    # n^2 times the sum over clusters of (the sum of distances from the mean)^2
    between = n * n * _dot(sums, sums) - 2 * n * total * _dot(sums, sizes) + total**2 * _dot(sizes, sizes)
    design = max(1.0, between * groups * (n - 1) / (n * n * spread * (groups - 1)))
    return n / design * (student(n - 1) / student(groups - 1)) ** 2


def _dot(first: Codes, second: Codes) -> int:
    """The sum of products of whole numbers."""
    return int((first * second).sum())


def rate(hits: Flags, clusters: Codes) -> Figure:
    """The share of hits, k of n, with Wilson's interval at the effective size; undefined where n = 0."""
    n = len(hits)
    if n == 0:
        return Figure(None)
    k = int(hits.sum())
    low, high = wilson(k / n, effective_size(hits.astype(np.int64), clusters))
    return Figure(k / n, low, high, k, n)


def paired_difference(lost: Flags, won: Flags, clusters: Codes) -> Figure:
    """The rate of trials lost minus the rate of trials won, between two judges of the same trials.

    lost, won, clusters: shape (n,); a trial is lost, won or neither. The interval is the adjusted Wald
    interval for paired proportions (Bonett & Price 2012, J. Educ. Behav. Stat. 37:479-488: one discordant
    trial of each kind is added), at the effective size of the paired differences. Why this one: it keeps its
    coverage at small discordance, where the plain Wald and t intervals shrink to nothing, it needs no
    iteration, and with no discordant trial at all it is still as wide as +-2.8/(size + 2): two judges that
    agreed everywhere may still differ on other pairs. Undefined where n = 0.
    """
    n = len(lost)
    if n == 0:
        return Figure(None)
    down, up = int(lost.sum()) / n, int(won.sum()) / n
    size = effective_size(lost.astype(np.int64) - won, clusters)
    more, less = (down * size + 1) / (size + 2), (up * size + 1) / (size + 2)
    half = Z * sqrt((more + less - (more - less) ** 2) / (size + 2))
    value = down - up
    return Figure(value, max(-1.0, min(value, more - less - half)), min(1.0, max(value, more - less + half)))


class Bootstrap:
    """Seeded resamples of whole clusters, drawn once and shared by every statistic of a run.

    A statistic is a function of column sums over trials (counts, sums of probabilities): it takes totals of
    shape (m, columns) and returns m values, nan where undefined. So a resample costs a product of two
    matrices and no pass over the trials. That product is the same to the last bit on every processor, see `_exact`.
    """

    def __init__(self, clusters: Codes) -> None:
        """clusters: codes from 0, of all rows; a cluster that a figure does not use counts as empty."""
        self.groups = int(clusters.max(initial=-1)) + 1
        self._weights: NDArray[np.uint8] | None = None

    def figure(
        self,
        columns: Numbers,
        clusters: Codes,
        statistic: Callable[[Numbers], Numbers],
        bounds: tuple[float, float],
    ) -> Figure:
        """The statistic of all trials, with its 95 % interval.

        columns: shape (n, columns); clusters: shape (n,), codes below `groups`; bounds: the least and
        greatest value the statistic can take. The interval is the percentile interval, moved by the mean of
        the resamples minus the value (a calibration error is larger in every resample, which is bias, not
        information) and stretched for few clusters (Hesterberg 2015, The American Statistician 69:371-386).
        Where no resample differs, a share of clusters up to z^2/(G + z^2) (Wilson's bound) may be of a kind
        not met yet, and the interval reaches that share of the range in both directions; it is undefined
        where the range is infinite.
        """
        if len(columns) == 0:
            return Figure(None)
        sums = _exact(np.stack([np.bincount(clusters, column, self.groups) for column in columns.T], axis=1))
        value = float(statistic(sums.sum(axis=0, keepdims=True))[0])
        if not isfinite(value):
            return Figure(None)
        draws = self._draws(sums, statistic)
        present = int(np.count_nonzero(np.bincount(clusters)))
        low, high = _stretched(value, draws, present)
        if high - low < ROUNDING:
            unseen = Z * Z / (present + Z * Z) * (bounds[1] - bounds[0])
            if not isfinite(unseen):
                return Figure(value)
            low, high = value - unseen, value + unseen
        return Figure(value, max(bounds[0], min(low, value)), min(bounds[1], max(high, value)))

    def mean(self, values: Numbers, clusters: Codes, bounds: tuple[float, float]) -> Figure:
        """The mean of the values, see `figure`."""
        columns = np.stack([values, np.ones(len(values))], axis=1)
        return self.figure(columns, clusters, lambda totals: ratio(totals[:, 0], totals[:, 1]), bounds)

    def _draws(self, sums: Numbers, statistic: Callable[[Numbers], Numbers]) -> Numbers:
        """The statistic of every resample in which it is defined."""
        if self._weights is None:
            self._weights = _resamples(self.groups)
        parts = [statistic(part.astype(np.float64) @ sums) for part in np.array_split(self._weights, 20)]
        draws = np.concatenate(parts)
        return draws[np.isfinite(draws)]


def _exact(sums: Numbers) -> Numbers:
    """The sums of each cluster, rounded so that adding as many of them as there are is exact, in whatever order.

    Libraries add in an order that depends on the processor, and floating-point sums depend on the order. Whole
    multiples of one unit do not, as long as no total reaches 2^53 units: the unit is the power of two 2^-52 times the
    largest total of a column that any resample can have. Counts stay as they are.

    sums: shape (clusters, columns).
    """
    _, exponent = np.frexp(len(sums) * abs(sums).max(axis=0))
    unit = np.ldexp(1.0, exponent - 52)
    rounded: Numbers = np.rint(sums / unit) * unit
    return rounded


def ratio(above: Numbers, below: Numbers) -> Numbers:
    """above / below, nan where below is 0. Any shapes, the same for both."""
    result: Numbers = np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)
    return result


def _resamples(groups: int) -> NDArray[np.uint8]:
    """How often each resample holds each cluster: shape (RESAMPLES, groups), in bytes to keep it small."""
    random = np.random.default_rng(SEED)
    weights = np.empty((RESAMPLES, groups), np.uint8)
    for row in weights:
        row[:] = np.bincount(random.integers(0, groups, groups), minlength=groups)
    return weights


def _stretched(value: float, draws: Numbers, present: int) -> tuple[float, float]:
    """The resamples' 2.5 % and 97.5 % quantiles, centred on the value and widened for few clusters."""
    if len(draws) < 2 or present < 2:
        return value, value
    low, high = np.quantile(draws, (0.025, 0.975)) - fsum(draws) / len(draws)
    factor = student(present - 1) / Z * sqrt(present / (present - 1))
    return value + factor * float(low), value + factor * float(high)
