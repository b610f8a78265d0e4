"""Which of many exact tests is significant, honestly: p adjusted for all tests, and no more than they could have said.

Knows: whole numbers lost and won, and clusters. Does not know: what is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

import numpy as np

from edge_judge.metrics.intervals import Codes, Numbers
from edge_judge.metrics.sign_flip import sign_flip

ROUNDING = 1e-9  # two ways to add the same probabilities differ by less
Test = tuple[Codes, Codes]  # the differences and the clusters of `sign_flip`


def adjusted(tests: Sequence[Test]) -> tuple[float, ...]:
    """The p of each sign-flip test adjusted for all of them, step by step as Holm's (1979).

    Where Holm multiplies p by the number of tests, this adds up, for each test still in question, the probability that
    its own p is so small (Westfall & Wolfinger 1997, The American Statistician 51:3-8; Tarone 1990, Biometrics
    46:515-522). A test whose clusters all said the same could never have had a small p, and costs the others nothing.
    So no p is greater than Holm's. Of the p so adjusted none is at most 5 % by chance with more than 5 % probability.
    """
    reachable = [attainable(*test) for test in tests]
    seen = [sign_flip(*test) for test in tests]
    order = sorted(range(len(tests)), key=lambda place: seen[place])
    result = [1.0] * len(tests)
    highest = 0.0
    for rank, place in enumerate(order):
        chances = (_chance(reachable[other], seen[place]) for other in order[rank:])
        highest = max(highest, min(1.0, fsum(chances)))
        result[place] = highest
    return tuple(result)


def attainable(differences: Codes, clusters: Codes) -> Numbers:
    """Every p that `sign_flip` can give with clusters of these sizes, rising to 1.

    differences: whole numbers, shape (n,); clusters: codes from 0, shape (n,).
    """
    sums = np.bincount(clusters, differences).astype(np.int64) if len(clusters) else np.empty(0, np.int64)
    sizes = np.abs(sums[sums != 0])
    chances = np.zeros(int(sizes.sum()) + 1)
    chances[0] = 1.0
    for size in sizes.tolist():
        shifted = np.zeros_like(chances)
        shifted[size:] = chances[: len(chances) - size]
        chances = (chances + shifted) / 2
    below = chances[: len(chances) // 2 + 1]  # the sum of the clusters of one sign, at most half of all
    tails = np.minimum(1.0, 2 * np.cumsum(below))
    values: Numbers = np.append(tails[below > 0], 1.0)
    return values


def _chance(reachable: Numbers, p: float) -> float:
    """The probability that a test's p is at most this one: the greatest it can have that is."""
    place = int(np.searchsorted(reachable, p * (1 + ROUNDING), side="right"))
    return float(reachable[place - 1]) if place else 0.0
