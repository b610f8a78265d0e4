"""A promise about a statement, and how often simulations break it.

Knows: counting, and the interval of a count. Does not know: which statement it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta


@dataclass(frozen=True, slots=True)
class Promise:
    """statement: what is promised, as the documentation says it. design: the populations it is tried on. promised: the
    share of runs in which the statement may be wrong. broken: simulates so many runs with this generator and returns in
    how many the statement was wrong. runs: how many are simulated.
    """

    statement: str
    design: str
    promised: float
    broken: Callable[[np.random.Generator, int], int]
    runs: int = 2000


@dataclass(frozen=True, slots=True)
class Found:
    """How often a promise was broken, with the 95 % interval of Clopper and Pearson (1934)."""

    promise: Promise
    broken: int

    @property
    def share(self) -> float:
        return self.broken / self.promise.runs

    @property
    def interval(self) -> tuple[float, float]:
        k, n = self.broken, self.promise.runs
        low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
        high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
        return low, high

    @property
    def holds(self) -> bool:
        """Whether what was found does not exceed the promise by more than the error of counting."""
        return self.interval[0] <= self.promise.promised


def keep(promise: Promise, seed: int) -> Found:
    """Simulate a promise."""
    return Found(promise, promise.broken(np.random.default_rng(seed), promise.runs))
