"""Abstaining and cascades: how often a threshold is chosen that does not hold what was asked.

The populations have clusters of pairs. Within a cluster mistakes are independent, or made together, or a few clusters
are bad and the others are good. What a threshold truly does is known of each: its risk is that of all pairs at least as
sure, and a cascade's loss is that of all pairs that it leaves to the small judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_judge.analysis.cascade import Trials, furthest
from edge_judge.analysis.selective import SelectivePredictions, least_sure
from promises.promise import Promise

Numbers: TypeAlias = NDArray[np.float64]
Sizes: TypeAlias = Callable[[np.random.Generator, int], NDArray[np.int64]]

ABOVE = 1.001  # what is asked for is exceeded by so little at the margin that any yes is wrong


@dataclass(frozen=True, slots=True)
class Population:
    """clusters: how many are drawn; sizes: pairs in each; together: how mistakes are shared within a cluster, of
    `TOGETHER`; votes: on each pair, all the same, which is the worst they can be.
    """

    clusters: int
    sizes: Sizes
    together: str = "alone"
    votes: int = 1


def one(_: np.random.Generator, count: int) -> NDArray[np.int64]:
    return np.ones(count, np.int64)


def thirty(_: np.random.Generator, count: int) -> NDArray[np.int64]:
    return np.full(count, 30)


def few(chance: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Half of the clusters are one pair, a quarter two, ..., twelve at most."""
    return np.minimum(chance.geometric(0.5, count), 12)


def any_size(chance: np.random.Generator, count: int) -> NDArray[np.int64]:
    return chance.integers(1, 31, count)


def factors(chance: np.random.Generator, kind: str, sizes: NDArray[np.int64], rate: float) -> Numbers:
    """What each cluster's probability of a mistake is multiplied by, 1 on average over pairs. rate: the greatest
    probability that is multiplied.
    """
    count = len(sizes)
    if kind == "alone":
        return np.ones(count)
    if kind == "together":  # all of a cluster's pairs or none
        return np.where(chance.random(count) < rate, 1 / rate, 0.0)
    if kind == "half":  # as a beta distribution with correlation 0.5 has them
        return chance.beta(rate, 1 - rate, count) / rate
    bad = chance.random(count) < 0.1  # "rare": a tenth of the clusters has most of the mistakes
    most = min(8.0, 1 / rate)
    return np.where(bad, most, (1 - 0.1 * most) / 0.9)


def wrong_answers(chance: np.random.Generator, population: Population, rate: Callable[[Numbers], Numbers]):
    """Drawn pairs: their clusters, how unsure the judge is of each (its rank, in [0, 1]), and whether it is wrong."""
    sizes = population.sizes(chance, population.clusters)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    unsure = chance.random(len(cluster))
    most = float(rate(np.array([0.0, 1.0])).max())
    factor = factors(chance, population.together, sizes, most)[cluster]
    return cluster, unsure, chance.random(len(cluster)) < rate(unsure) * factor


def abstained(population: Population, risk: float, rate: Callable[[Numbers], Numbers]):
    """Counts the runs in which a threshold is chosen whose risk is above the one asked for. rate: of mistakes, by how
    unsure the judge is."""

    def broken(chance: np.random.Generator, runs: int) -> int:
        count = 0
        for _ in range(runs):
            cluster, unsure, wrong = wrong_answers(chance, population, rate)
            place = np.repeat(np.arange(len(cluster)), population.votes)
            none = np.zeros_like(cluster)
            answers = SelectivePredictions(none, none, 1 - unsure, cluster, place, ~wrong[place])
            threshold = least_sure(answers, risk)
            count += threshold is not None and true_risk(rate, 1 - threshold) > risk
        return count

    return broken


def true_risk(rate: Callable[[Numbers], Numbers], unsure: float) -> float:
    """The mean rate over all that are at most so unsure."""
    return float(rate(np.linspace(0, unsure, 1001)).mean())


def cascaded(population: Population, keep: float, lost: Callable[[Numbers], Numbers], right: float, won: float = 0.0):
    """Counts the runs in which a threshold is recommended that keeps less than asked. lost: the rate at which the small
    judge is wrong where the large is right, by how unsure it is; right: how often the large is right; won: the rate at
    which the small is right where the large is wrong.
    """

    def broken(chance: np.random.Generator, runs: int) -> int:
        count = 0
        for _ in range(runs):
            cluster, unsure, loses = wrong_answers(chance, population, lost)
            large = loses | (chance.random(len(cluster)) < right)
            small = np.where(large, ~loses, chance.random(len(cluster)) < won)
            trials = Trials(1 - unsure, small, large, cluster, 1 - unsure, 1 - unsure, None)
            threshold = furthest(trials, keep)
            count += threshold is not None and kept(1 - threshold) < keep
        return count

    def kept(unsure: float) -> float:
        """The share of the large judge's accuracy. It is right where drawn so, and where the small one loses."""
        everywhere = lost(np.linspace(0, 1, 1001))
        large = float((everywhere + (1 - everywhere) * right).mean())
        there = lost(np.linspace(0, unsure, 1001))
        gained = float(((1 - there) * (1 - right)).mean()) * won
        return 1 - unsure * (float(there.mean()) - gained) / large

    return broken


def flat(share: float) -> Callable[[Numbers], Numbers]:
    return lambda unsure: np.full_like(unsure, share * ABOVE)


def rising(share: float) -> Callable[[Numbers], Numbers]:
    """From nothing among the surest to this share among the least sure."""
    return lambda unsure: share * unsure


def abstain(design: str, broken: Callable[[np.random.Generator, int], int]) -> Promise:
    statement = "confidence --abstain: a threshold is chosen that lets more of new pairs be wrong than asked"
    return Promise(statement, design, 0.05, broken)


def cascade(design: str, broken: Callable[[np.random.Generator, int], int]) -> Promise:
    statement = "cascade: a threshold is recommended that keeps less of the large judge's accuracy than asked"
    return Promise(statement, design, 0.05, broken)


PAIRS = {count: Population(count, one) for count in (100, 300, 600, 1000)}
TEN, TWENTY = Population(10, thirty, "together"), Population(20, thirty, "half")
FIFTY, FIFTY_RARE = Population(50, any_size, "together"), Population(50, any_size, "rare")
MANY, MANY_RARE = Population(400, few, "together"), Population(400, few, "rare")
VOTES = Population(100, one, votes=30)

PROMISES = [
    abstain("100 pairs, 10 % wrong at any confidence", abstained(PAIRS[100], 0.1, flat(0.1))),
    abstain("1,000 pairs, 5 % wrong at any confidence", abstained(PAIRS[1000], 0.05, flat(0.05))),
    abstain("600 pairs, 0 to 20 % wrong, by confidence", abstained(PAIRS[600], 0.05, rising(0.2))),
    abstain("10 clusters of 30, wrong together", abstained(TEN, 0.4, flat(0.4))),
    abstain("20 clusters of 30, correlation 0.5", abstained(TWENTY, 0.2, flat(0.2))),
    abstain("50 clusters of 1 to 30, wrong together", abstained(FIFTY, 0.1, flat(0.1))),
    abstain("50 clusters of 1 to 30, a tenth of them bad", abstained(FIFTY_RARE, 0.1, flat(0.1))),
    abstain("400 clusters of 1 to 12, wrong together", abstained(MANY, 0.05, flat(0.05))),
    abstain("400 clusters of 1 to 12, 0 to 10 % wrong", abstained(MANY, 0.04, rising(0.1))),
    abstain("100 pairs of 30 equal votes", abstained(VOTES, 0.1, flat(0.1))),
    cascade("300 pairs, keep 95 %", cascaded(PAIRS[300], 0.95, flat(0.05), 0.9)),
    cascade("1,000 pairs, keep 99 %, losses rise", cascaded(PAIRS[1000], 0.99, rising(0.03), 0.8)),
    cascade("600 pairs, keep 98 %, the small judge wins some", cascaded(PAIRS[600], 0.98, rising(0.08), 0.7, 0.1)),
    cascade("50 clusters of 1 to 30, keep 90 %, lost together", cascaded(FIFTY, 0.9, rising(0.15), 0.8)),
    cascade("50 clusters of 1 to 30, keep 90 %, all alike", cascaded(FIFTY, 0.9, flat(0.1), 0.98)),
    cascade("400 clusters of 1 to 12, keep 95 %, a tenth bad", cascaded(MANY_RARE, 0.95, rising(0.1), 0.8)),
]
