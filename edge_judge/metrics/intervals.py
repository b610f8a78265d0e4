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
from math import exp, fsum, isfinite, sqrt
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
CARRIERS = 100  # clusters that must carry a mean without an upper bound, for it to have an interval
HALVINGS = 50  # of the span in which a number is searched


def wilson(share: float, size: float, quantile: float = Z) -> tuple[float, float]:
    """The 95 % score interval of a share seen in `size` independent trials (Wilson 1927, JASA 22:209-212).

    `size` may be a fraction (an effective size). quantile: of what the share's error is held against, the normal
    distribution's if it is known. Within [0, 1], and never of zero width.
    """
    spread = quantile * quantile / size
    middle = (share + spread / 2) / (1 + spread)
    half = quantile * sqrt(share * (1 - share) / size + spread / (4 * size)) / (1 + spread)
    low = 0.0 if share == 0 else max(0.0, middle - half)  # exactly 0 and 1: rounding must not lift the end
    high = 1.0 if share == 1 else min(1.0, middle + half)
    return low, high


def student(freedom: float) -> float:
    """The 97.5 % quantile of Student's t with that many degrees of freedom (at least 1)."""
    return float(stdtrit(freedom, 0.975))


def effective_size(values: Codes, clusters: Codes) -> float:
    """How many independent trials would have told as much about the mean as these clustered ones.

    values, clusters: whole numbers, shape (n,), n >= 1; clusters are codes from 0. The size is n over the design
    effect, times (t(n-1) / t(G-1))^2 for the few degrees of freedom that G clusters leave (Korn & Graubard 1998, Survey
    Methodology 24:193-201), where clusters of unequal sizes count as fewer (their effective number, Carter, Schnepel &
    Steigerwald 2017, Review of Economics and Statistics 99:698-709). It is at most n: where the trials of a cluster
    pull against each other (always naming the first answer is right in just one of the two orders) no credit is taken
    for it.

    The design effect is estimated (see `_design`), and a few trials that stand out estimate it badly: they may fall
    into clusters of their own by chance. So the estimate is shrunken towards n / G, as if each cluster were a single
    observation repeated, the most that clusters of equal size allow. The weight of that most is
    exp(-m / (2 (n / G - 1))) where m trials differ from the commonest value: all of it where none does. It falls so
    slowly that the next trial that stands out moves the mean by more than it narrows the interval, and so fast that
    many leave the estimate as it is. The rate was chosen by simulation, see benchmarks/promises/intervals.py.
    """
    n = len(values)
    whole = values.astype(np.int64)
    sizes = np.bincount(clusters)
    groups = int(np.count_nonzero(sizes))
    most = n / groups
    apart = n - int(np.bincount(whole - whole.min()).max())
    if groups == 1 or apart == 0:
        return float(groups)
    unknown = exp(-apart / (2 * (most - 1))) if most > 1 else 0.0
    design = unknown * most + (1 - unknown) * _design(whole, clusters, groups)
    return n / design * (student(n - 1) / student(max(1.0, n * n / _dot(sizes, sizes) - 1))) ** 2


def _design(values: Codes, clusters: Codes, groups: int) -> float:
    """The design effect: the cluster-robust variance of the mean over the variance had the trials been independent.

    values, clusters: shape (n,), the values not all equal; groups: clusters that have a trial, at least 2. At least 1.
    """
    n, total = len(values), int(values.sum())
    sizes = np.bincount(clusters)
    sums = np.bincount(clusters, values).astype(np.int64)  # of whole numbers, so exact
    spread = n * _dot(values, values) - total**2  # n times the sum of squared distances from the mean
    # n^2 times the sum over clusters of (the sum of distances from the mean)^2
    between = n * n * _dot(sums, sums) - 2 * n * total * _dot(sums, sizes) + total**2 * _dot(sizes, sizes)
    return max(1.0, between * groups * (n - 1) / (n * n * spread * (groups - 1)))


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
    matrices and no pass over the trials. That product is the same to the last bit on every processor, see `exact`.
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
        sums = exact(np.stack([np.bincount(clusters, column, self.groups) for column in columns.T], axis=1))
        value = float(statistic(sums.sum(axis=0, keepdims=True))[0])
        if not isfinite(value):
            return Figure(None)
        draws = self._draws(sums, statistic)
        present = int(np.count_nonzero(np.bincount(clusters)))
        low, high = stretched(value, draws, present)
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

    def unbounded_mean(self, values: Numbers, clusters: Codes) -> Figure:
        """The mean of values of at least 0 that have no upper bound; the interval only where many clusters carry it.

        values: shape (n,); clusters: shape (n,), codes below `groups`. The interval is the bootstrap-t (Efron 1982, The
        Jackknife, the Bootstrap and Other Resampling Plans, section 10.10; Hall 1988, Annals of Statistics 16:927-953),
        which follows the skewness that a percentile interval ignores, with the cluster-robust standard error of a
        ratio. Where a few values outweigh all others no interval covers: more of their kind, or larger ones, may not
        have been met. So there is none unless CARRIERS clusters carry the sum, counted as its square over the sum of
        squares of the clusters' sums.
        """
        if len(values) == 0:
            return Figure(None)
        sums, sizes = (np.bincount(clusters, column, self.groups) for column in (values, np.ones(len(values))))
        columns = exact(np.stack([sums, sizes, sums * sums, sums * sizes, sizes * sizes], axis=1))
        total = columns.sum(axis=0, keepdims=True)
        mean = float(total[0, 0] / total[0, 1])
        if mean == 0 or total[0, 0] ** 2 < CARRIERS * total[0, 2]:
            return Figure(mean)
        draws = self._draws(columns, lambda totals: ratio(ratio(totals[:, 0], totals[:, 1]) - mean, _error(totals)))
        below, above = np.quantile(draws, (0.025, 0.975))
        error = float(_error(total)[0])
        return Figure(mean, max(0.0, min(mean, mean - above * error)), max(mean, mean - below * error))

    def absolute_sum(self, columns: Numbers, clusters: Codes, most: float) -> Figure:
        """The sum over columns of the absolute value of each column's mean, without what chance adds to it.

        columns: shape (n, columns), n trials; clusters: shape (n,), codes below `groups`; most: the greatest possible
        value. Chance makes every absolute value larger: if all true means are 0, their plain sum is not. So the plain
        sum is held against what it would be if the true means were some multiple of those found, with the errors of
        the resamples added. The value is the multiple, between 0 and 1, whose median is the plain sum (a median
        unbiased version of the normal debiasing of Kumar, Liang & Ma 2019, NeurIPS, arXiv:1909.10155); the lower end is
        the multiple that exceeds the plain sum with a probability of 2.5 %. So where all true means are 0 the interval
        reaches 0 in 97.5 % of cases. The upper end is that of `figure` for the plain sum.
        """
        if len(columns) == 0:
            return Figure(None)
        counted = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
        plain = self.figure(counted, clusters, lambda totals: _lengths(_means(totals)), (0.0, most))
        sums = exact(np.stack([np.bincount(clusters, column, self.groups) for column in counted.T], axis=1))
        found = _means(sums.sum(axis=0, keepdims=True))[0]
        errors = self._errors(sums, int(np.count_nonzero(np.bincount(clusters))))
        if plain.value is None or plain.high is None or not found.any() or len(errors) < 2:
            return plain
        value, low = (_multiple(found, errors, share) for share in (0.5, 0.975))
        return Figure(value * plain.value, low * plain.value, plain.high)

    def _errors(self, sums: Numbers, present: int) -> Numbers:
        """How far each resample's means lie from those of all resamples, widened for few clusters.

        sums: shape (groups, columns + 1), the last the number of trials. Result: shape (resamples, columns).
        """
        draws = np.stack([self._draws(pair, lambda totals: ratio(*totals.T)) for pair in _with_last(sums)], axis=1)
        if present < 2 or not len(draws):
            return np.empty((0, sums.shape[1] - 1))
        middle = np.array([fsum(column) / len(draws) for column in draws.T])
        spread: Numbers = (draws - middle) * _widening(present)
        return spread

    def _draws(self, sums: Numbers, statistic: Callable[[Numbers], Numbers]) -> Numbers:
        """The statistic of every resample in which it is defined."""
        if self._weights is None:
            self._weights = resamples(self.groups)
        parts = [statistic(part.astype(np.float64) @ sums) for part in np.array_split(self._weights, 20)]
        draws = np.concatenate(parts)
        return draws[np.isfinite(draws)]


def exact(sums: Numbers) -> Numbers:
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


def resamples(groups: int) -> NDArray[np.uint8]:
    """How often each resample holds each cluster: shape (RESAMPLES, groups), in bytes to keep it small."""
    random = np.random.default_rng(SEED)
    weights = np.empty((RESAMPLES, groups), np.uint8)
    for row in weights:
        row[:] = np.bincount(random.integers(0, groups, groups), minlength=groups)
    return weights


def stretched(value: float, draws: Numbers, present: int) -> tuple[float, float]:
    """The resamples' 2.5 % and 97.5 % quantiles, centred on the value and widened for few clusters."""
    if len(draws) < 2 or present < 2:
        return value, value
    low, high = np.quantile(draws, (0.025, 0.975)) - fsum(draws) / len(draws)
    factor = _widening(present)
    return value + factor * float(low), value + factor * float(high)


def _widening(present: int) -> float:
    """By how much a bootstrap of so many clusters, at least 2, is too narrow (Hesterberg 2015)."""
    return student(present - 1) / Z * sqrt(present / (present - 1))


def _error(totals: Numbers) -> Numbers:
    """The cluster-robust standard error of a ratio of sums.

    totals: shape (m, 5), over clusters: the values' sums, the numbers of trials, and the sums of squares of the first,
    of products, and of squares of the second. As many clusters take part in each row that a factor for their number
    would cancel.
    """
    mean = ratio(totals[:, 0], totals[:, 1])
    squares = totals[:, 2] - 2 * mean * totals[:, 3] + mean**2 * totals[:, 4]
    return ratio(np.sqrt(np.maximum(squares, 0.0)), totals[:, 1])


def _means(totals: Numbers) -> Numbers:
    """Column sums over the number of trials, which is the last column: shape (m, columns)."""
    return ratio(totals[:, :-1], np.broadcast_to(totals[:, -1:], totals[:, :-1].shape))


def _with_last(sums: Numbers) -> list[Numbers]:
    """Each column but the last beside the last: arrays of shape (rows, 2)."""
    return [sums[:, [place, -1]] for place in range(sums.shape[1] - 1)]


def _lengths(vectors: Numbers) -> Numbers:
    """The sum of absolute values of each row, added in a fixed order."""
    lengths = np.zeros(len(vectors))
    for column in vectors.T:
        lengths += abs(column)
    return lengths


def _multiple(found: Numbers, errors: Numbers, share: float) -> float:
    """The multiple of `found` that is shorter than `found` in that share of cases, errors added; in [0, 1].

    found: shape (columns,), not all 0; errors: shape (m, columns).
    """
    length = float(_lengths(found[None])[0])
    low, high = 0.0, 1.0
    if float(np.quantile(_lengths(errors), share)) >= length:
        return 0.0
    if float(np.quantile(_lengths(found + errors), share)) < length:
        return 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        beyond = float(np.quantile(_lengths(middle * found + errors), share)) >= length
        low, high = (low, middle) if beyond else (middle, high)
    return high
