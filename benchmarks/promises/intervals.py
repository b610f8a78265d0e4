"""The 95 % intervals of rates, losses, divergences and calibration errors: how often each misses the truth.

7 % is promised where 5 % is meant: an interval from few clusters is an approximation.

Knows: populations of clusters of trials whose truth is known. Does not know: verdicts, files. It calls the project's
own intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge_judge.metrics.intervals import Bootstrap, paired_difference, rate
from edge_judge.records import Figure

from .promise import Promise

Codes = NDArray[np.int64]
Chance = np.random.Generator
MISSED = 0.07


def misses(figure: Figure, truth: float) -> bool:
    """Whether the figure has an interval, and the truth lies outside of it."""
    return figure.low is not None and figure.high is not None and not figure.low <= truth <= figure.high


def clumps(sizes: Codes, share: float, alike: float, random: Chance) -> NDArray[np.bool_]:
    """Trials that are hit: share of all, with that correlation inside of a cluster (beta-binomial)."""
    if alike == 0:
        chances = np.full(len(sizes), share)
    else:
        chances = random.beta(share * (1 / alike - 1), (1 - share) * (1 / alike - 1), len(sizes))
    return random.random(int(sizes.sum())) < np.repeat(chances, sizes)


def of_rates(sizes: Codes, share: float, alike: float, random: Chance, runs: int) -> int:
    places = np.repeat(np.arange(len(sizes)), sizes)
    return sum(misses(rate(clumps(sizes, share, alike, random), places), share) for _ in range(runs))


def of_losses(sizes: Codes, lost: float, won: float, alike: float, random: Chance, runs: int) -> int:
    """Of paired differences: a trial flips or not, alike within its cluster, and each flip is lost or won by itself."""
    places, wrong = np.repeat(np.arange(len(sizes)), sizes), 0
    for _ in range(runs):
        flips = clumps(sizes, lost + won, alike, random)
        down = random.random(len(flips)) < lost / (lost + won)
        wrong += misses(paired_difference(flips & down, flips & ~down, places), lost - won)
    return wrong


def of_divergences(pairs: int, draw: Callable[[Chance, tuple[int, int]], NDArray[np.float64]], truth: float,
                   random: Chance, runs: int) -> int:  # fmt: skip
    """Of means of what two orders of a pair diverge by, shown only where many clusters carry it."""
    places = np.repeat(np.arange(pairs), 2)
    bootstrap = Bootstrap(np.arange(pairs))
    return sum(misses(bootstrap.unbounded_mean(draw(random, (pairs, 2)).ravel(), places), truth) for _ in range(runs))


def lognormal(width: float, random: Chance, shape: tuple[int, int]) -> NDArray[np.float64]:
    half = np.sqrt(0.5)
    drawn = random.normal(size=(shape[0], 1)) * half + random.normal(size=shape) * half
    numbers: NDArray[np.float64] = np.exp(width * drawn - width**2 / 2)  # the mean is 1
    return numbers


def mostly_small(share: float, random: Chance, shape: tuple[int, int]) -> NDArray[np.float64]:
    """A few pairs diverge by 1 on average, all others by 0.002."""
    large = random.random((shape[0], 1)) < share
    numbers: NDArray[np.float64] = np.where(large, random.exponential(1, shape), random.exponential(0.002, shape))
    return numbers


def of_calibration(pairs: int, slope: float, shift: float, random: Chance, runs: int) -> int:
    """Of the calibration error of judges whose share right is 1/2 + slope (confidence - 1/2) + shift."""
    bootstrap, places = Bootstrap(np.arange(pairs)), np.repeat(np.arange(pairs), 2)
    sure, right = confidences(200_000, slope, shift, np.random.default_rng(1))
    truth = abs(np.bincount(bins(sure), sure - right, 10)).sum() / len(sure)
    wrong = 0
    for _ in range(runs):
        sure, right = confidences(pairs, slope, shift, random)
        draws = np.where(np.repeat(random.random(pairs) < 0.5, 2), np.repeat(random.random(pairs), 2),
                         random.random(2 * pairs))  # fmt: skip
        columns = np.eye(10)[bins(sure)] * (sure - (draws < right))[:, None]
        wrong += misses(bootstrap.absolute_sum(columns, places, 1.0), truth)
    return wrong


def confidences(
    pairs: int, slope: float, shift: float, random: Chance
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    half = np.sqrt(0.5)
    drawn = 2 * (random.normal(size=(pairs, 1)) * half + random.normal(size=(pairs, 2)) * half)
    sure = 1 / (1 + np.exp(-abs(drawn.ravel())))
    return sure, np.clip(0.5 + slope * (sure - 0.5) + shift, 0, 1)


def bins(sure: NDArray[np.float64]) -> Codes:
    return np.minimum((10 * sure).astype(np.int64), 9)


RATE = "A rate's interval misses it in no more than 7 %"
LOSS = "A loss's interval misses it in no more than 7 %"
KLD = "KLD's interval is shown and misses it in no more than 7 %"
ECE = "ECE's interval misses it in no more than 7 %"
UNEVEN = np.array([2] * 439 + [4] * 17 + [6] * 14 + [8] * 5 + [10] * 3 + [12] * 3 + [14] * 2 + [18] * 2)


def equal(groups: int, size: int) -> Codes:
    return np.full(groups, size)


PROMISES = [
    Promise(RATE, "99 % of 100 × 6, correlation 0.5", MISSED, partial(of_rates, equal(100, 6), 0.99, 0.5)),
    Promise(RATE, "99 % of 30 × 30, correlation 0.5", MISSED, partial(of_rates, equal(30, 30), 0.99, 0.5)),
    Promise(RATE, "95 % of 10 × 20, correlation 0.5", MISSED, partial(of_rates, equal(10, 20), 0.95, 0.5)),
    Promise(RATE, "80 % of 600 × 2, correlation 0.3", MISSED, partial(of_rates, equal(600, 2), 0.8, 0.3)),
    Promise(RATE, "97 % of 485 clusters of 2 to 18, correlation 0.5", MISSED, partial(of_rates, UNEVEN, 0.97, 0.5)),
    Promise(LOSS, "15 % lost, none won, 10 × 20, correlation 0.5", MISSED,
            partial(of_losses, equal(10, 20), 0.15, 0.0, 0.5)),
    Promise(LOSS, "3 % lost, none won, 30 × 30, correlation 0.5", MISSED,
            partial(of_losses, equal(30, 30), 0.03, 0.0, 0.5)),
    Promise(LOSS, "1 % lost, none won, 100 × 30, correlation 0.3", MISSED,
            partial(of_losses, equal(100, 30), 0.01, 0.0, 0.3)),
    Promise(LOSS, "1 % lost, none won, 600 × 2, correlation 0.5", MISSED,
            partial(of_losses, equal(600, 2), 0.01, 0.0, 0.5)),
    Promise(LOSS, "5 % lost, 3 % won, 3,000 independent", MISSED, partial(of_losses, equal(3000, 1), 0.05, 0.03, 0.0)),
    Promise(LOSS, "2 % lost, 1 % won, 485 clusters of 2 to 18, correlation 0.5", MISSED,
            partial(of_losses, UNEVEN, 0.02, 0.01, 0.5)),
    Promise("Where clusters differ in size and flip whole, a loss's interval misses it in no more than 12 %",
            "3 % lost, none won, 485 clusters of 2 to 18, correlation 0.99", 0.12,
            partial(of_losses, UNEVEN, 0.03, 0.0, 0.99)),
    Promise(KLD, "600 pairs, lognormal of width 1", MISSED, partial(of_divergences, 600, partial(lognormal, 1.0), 1.0)),
    Promise(KLD, "1,000 pairs, lognormal of width 1.5", MISSED,
            partial(of_divergences, 1000, partial(lognormal, 1.5), 1.0)),
    Promise(KLD, "600 pairs, lognormal of width 2.5", MISSED,
            partial(of_divergences, 600, partial(lognormal, 2.5), 1.0)),
    Promise(KLD, "300 pairs, 3 % of them hundreds of times the others", MISSED,
            partial(of_divergences, 300, partial(mostly_small, 0.03), 0.03 + 0.97 * 0.002)),
    Promise(ECE, "as often right as it says, 100 pairs", MISSED, partial(of_calibration, 100, 1.0, 0.0), 500),
    Promise(ECE, "as often right as it says, 600 pairs", MISSED, partial(of_calibration, 600, 1.0, 0.0), 500),
    Promise(ECE, "surer than right by a fifth, 300 pairs", MISSED, partial(of_calibration, 300, 0.8, 0.0), 500),
    Promise(ECE, "surer than right by two thirds, 100 pairs", MISSED, partial(of_calibration, 100, 0.35, 0.0), 500),
    Promise(ECE, "right 5 points more often than it says, 600 pairs", MISSED,
            partial(of_calibration, 600, 1.0, 0.05), 500),
]  # fmt: skip
