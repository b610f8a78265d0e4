"""Whether two judges of the same trials are equally often right: the p of a difference, and what could have been seen.

McNemar's test takes every trial as independent. Trials here are not: both orders of a pair, its votes and the pairs of
a question flip together. So what is exchanged here is whole clusters.

Knows: whole numbers lost and won, and the cluster each belongs to. Does not know: verdicts, labels, benchmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt

import numpy as np
from scipy.special import bdtr, bdtrik  # type: ignore[import-untyped]

from edge_judge.metrics.intervals import Codes, Flags, Numbers, effective_size

LEVEL = 0.05  # two-sided, at which a loss counts as seen
POWER = 0.8  # the share of benchmarks like this one on which a loss is seen
STEPS = 10_000  # steps in which the smallest loss is searched: a hundredth of a point


def sign_flip(differences: Codes, clusters: Codes) -> float:
    """Two-sided exact p of the sum of these differences, were each cluster's sum as likely of the other sign.

    differences: whole numbers, shape (n,), such as lost minus won of each trial; clusters: their codes from 0, shape
    (n,). The sign-flip test of Fisher (1935, The Design of Experiments, section 21) on the sums of clusters: under the
    null each keeps its size and takes either sign with probability 1/2, independently of the other clusters, whatever
    ties the trials inside of it. p is the probability that the sum of all is as far from 0 as the one seen. Where no
    cluster has more than one discordant trial that is McNemar's exact test (1947, Psychometrika 12:153-157). 1 where
    every cluster's sum is 0, and without a trial.

    What it takes for granted: clusters that lose are as large as clusters that win. Two judges that are equally often
    right on average, one of which loses rarely and much and wins often and little, are beyond it.
    """
    sums = np.bincount(clusters, differences).astype(np.int64) if len(clusters) else np.empty(0, np.int64)
    sizes = np.sort(np.abs(sums[sums != 0]))
    total, seen = int(sizes.sum()), abs(int(sums.sum()))
    if seen == 0:
        return 1.0
    below = (total - seen) // 2  # what the clusters of one sign sum to, where the sum of all is -seen
    return min(1.0, 2 * fsum(_subset_sums(sizes, below)))


def _subset_sums(sizes: Codes, most: int) -> Numbers:
    """The probability that a random half of these sizes (each in it with probability 1/2) sums to 0, 1, ..., `most`.

    Each probability is made by sums of two numbers in a fixed order: the same bits on every processor.
    """
    chances = np.zeros(most + 1)
    chances[0] = 1.0
    for size in sizes.tolist():
        chances *= 0.5
        if size <= most:
            chances[size:] += chances[: len(chances) - size].copy()
    return chances


def holm(probabilities: Sequence[float | None]) -> tuple[float | None, ...]:
    """Each p adjusted for all of them (Holm 1979, Scandinavian Journal of Statistics 6:65-70).

    Of the p so adjusted none is at most 5 % by chance with more than 5 % probability, however many tests there are and
    whatever ties them. One that is None was not a test: it stays None and does not count.
    """
    tests = sorted((p, place) for place, p in enumerate(probabilities) if p is not None)
    adjusted: list[float | None] = [None] * len(probabilities)
    highest = 0.0
    for rank, (p, place) in enumerate(tests):
        highest = max(highest, min(1.0, (len(tests) - rank) * p))
        adjusted[place] = highest
    return tuple(adjusted)


def smallest_loss(lost: Flags, won: Flags, clusters: Codes) -> float | None:
    """The smallest loss, as a share of trials, that a test at 5 % would have seen with a power of 0.8 on trials like
    these.

    lost, won, clusters: shape (n,). Trials like these: as many independent ones as `effective_size` counts, and as many
    discordant among them as were seen. With a loss that is larger than what was discordant, all discordant trials are
    lost and there are as many as the loss says. The power of the exact binomial test of the discordant trials, summed
    over how many there are (Duffy 1984, Biometrics 40:1005-1015, equation 2.1). Rounded up to a hundredth of a
    percentage point. None where not even the loss of everything would be seen, and without a trial.
    """
    n = len(lost)
    if n == 0:
        return None
    size = int(effective_size(lost.astype(np.int64) - won, clusters))
    discordant = int(lost.sum() + won.sum()) / n
    counts = np.arange(size + 1)
    critical = _critical(counts)
    low, high = 0, STEPS
    if _power(1.0, discordant, counts, critical) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        seen = _power(middle / STEPS, discordant, counts, critical) >= POWER
        low, high = (low, middle) if seen else (middle, high)
    return high / STEPS


def _critical(counts: Codes) -> Numbers:
    """For each number of discordant trials, the most won at which a loss is seen; -1 where none is few enough."""
    most = np.floor(bdtrik(LEVEL / 2, counts, 0.5))
    most = np.where(np.isfinite(most), np.maximum(most, 0.0), 0.0)
    seen: Numbers = np.where((counts > 0) & (bdtr(most, counts, 0.5) <= LEVEL / 2), most, -1.0)
    return seen


def _power(loss: float, discordant: float, counts: Codes, critical: Numbers) -> float:
    """The probability that the test sees a loss, in the direction of the loss.

    counts: 0, 1, ..., size, how many trials may be discordant; critical: of each, the most won.
    """
    size, share = int(counts[-1]), max(discordant, loss)
    if share == 0:
        return 0.0
    mean = size * share
    far = 10 * sqrt(mean) + 10  # beyond it a count is as good as impossible
    near = counts[max(0, int(mean - far)) : int(mean + far) + 1]
    chance = np.diff(bdtr(np.maximum(np.append(near[0] - 1, near), 0.0), size, share))
    if near[0] == 0:
        chance[0] = bdtr(0.0, size, share)
    won = (share - loss) / (2 * share)
    seen = np.where(critical[near] >= 0, bdtr(np.maximum(critical[near], 0.0), near, won), 0.0)
    return fsum((chance * seen).tolist())
