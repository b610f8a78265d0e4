"""How large a mean can still be, while units are looked at in random order: a test that may be read after every block
and stopped whenever one likes.

**The setting.** Units (pairs, or questions) come in an order drawn evenly from all orders, each with a value in
[-bound, bound]: how much accuracy a scheme lost on it. Nothing else is assumed, values may be skewed or zero nearly
everywhere. One of two means is in question:

    of `total` units    all there are, drawn without replacement: what judging the whole benchmark would show
    of a population     total None: the units are a sample of it, as those to come are

**The test** is a bet (Waudby-Smith & Ramdas 2024, JRSS B 86:1-27, arXiv:2010.09686; without replacement also
NeurIPS 2020, arXiv:2006.04347). To doubt "the mean is m or more", start with a capital of 1. What the units not yet
seen must then average is known before each unit (of a population it is m):

    rest = (total * m - sum seen) / (total - number seen)

Each unit x multiplies the capital by 1 + f * (rest - x) / (bound - rest), with a fraction f in [0, 1): it grows where
x lies below. The factor is never negative, and averages at most 1 over what is left if m is true or too low, as f is
fixed before x is seen. So if "m or more" is true, the capital ever reaches 1/alpha with a probability of at most alpha
(Ville 1939): to stop at the first block where it does is no way to cheat. The other side is the mirror image. Each
side has alpha = 2.5 %, together they leave an interval that covers the mean at all blocks at once in 95 % of orders.

**How much is bet** decides how soon, never whether, the test is right. With second moment v (of values over the bound)
and a mean that lies g below `rest`, capital grows fastest at about the f that solves g f^2 + v f = g, exactly so where
values are -1, 0 and 1 and v is small (Kelly 1956, Bell System Technical Journal 35:917-926). v is that of the units
seen, drawn towards a first guess. g is `aim`, the margin that should be told from no loss; shares of the capital bet on
half of it (a scheme that loses a little) and four times it (one that loses much). f depends on what was seen and not
on m, so the factor grows with m, the means that are not rejected form an interval, and bisection finds its ends. When
all units are seen every other mean has become impossible, and the interval is the value itself.

Knows: numbers in the order in which they came. Does not know: pairs, verdicts, schemes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import fsum, log
from typing import Literal, TypeAlias

import numpy as np

from edge_judge.metrics.intervals import Codes, Flags, Numbers

Outcome: TypeAlias = Literal["within", "worse", "undecided"]

ALPHA = 0.025  # of each side
GAPS = (1.0, 0.5, 4.0)  # times the aim
SHARES = (0.9, 0.07, 0.03)  # of the first capital
GUESS, WEIGHT = 0.01, 40  # second moment before anything is seen, and the units it counts for
BOLDEST = 0.97  # all is lost where 1 is bet and the worst comes
CONTINUATIONS = 50
HORIZON = 10_000  # units of a population beyond which `more` does not look
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Observations:
    """The values seen so far, in their order.

    values: shape (..., n), each in [-bound, bound]; leading axes are walks side by side. ends: shape (blocks,), how
    many units had been seen after each block, the last being n. total: the units that there are; None where they are a
    sample, and the mean of its population is in question. aim: the difference from no loss that should be seen soon, in
    the values' units. guess: the second moment of values over the bound, before any is seen.
    """

    values: Numbers
    ends: Codes
    total: int | None
    bound: float
    aim: float = 0.02
    guess: float = GUESS

    def __post_init__(self) -> None:
        n = self.values.shape[-1]
        most = n if self.total is None else self.total
        if not 0 < n <= most or self.ends[-1] != n or self.ends[0] < 1 or (self.ends[1:] <= self.ends[:-1]).any():
            raise ValueError(f"{n} values in blocks that end at {self.ends.tolist()}, of {self.total}")
        if not abs(self.values).max() <= self.bound * (1 + ROUNDING):
            raise ValueError(f"a value beyond {self.bound}")
        if not self.aim > 0:
            raise ValueError(f"an aim of {self.aim}")

    @property
    def left(self) -> Numbers:
        """How many units are left before each: shape (n,); infinite for a population."""
        n = self.values.shape[-1]
        return np.full(n, np.inf) if self.total is None else self.total - np.arange(n, dtype=np.float64)

    def sums(self) -> Numbers:
        """Of the values after each block: shape (..., blocks)."""
        sums: Numbers = self.values.cumsum(axis=-1)[..., self.ends - 1]
        return sums

    def whole(self) -> Flags:
        """After which blocks all units are seen: shape (blocks,)."""
        return np.zeros(len(self.ends), bool) if self.total is None else self.ends == self.total

    def mirrored(self) -> Observations:
        return replace(self, values=-self.values)

    def followed(self, values: Numbers, ends: Codes) -> Observations:
        """The same walk with more values. values: shape (..., m); ends: of the blocks to come."""
        past = np.broadcast_to(self.values, (*values.shape[:-1], self.values.shape[-1]))
        longer = np.concatenate([past, values], axis=-1)
        return replace(self, values=longer, ends=np.concatenate([self.ends, ends]))


def log_capital(walk: Observations, mean: float) -> Numbers:
    """The logarithm of the capital against "the mean is `mean` or more", after each block.

    Shape (..., blocks). Infinite where what was seen leaves the hypothesis impossible.
    """
    rest = _rest(walk, mean)
    # at the bound itself the factor has no value; a little below it is smaller, so the test is not made bolder
    edge = np.minimum(rest, walk.bound * (1 - ROUNDING))
    gain = (edge - walk.values) / (walk.bound - edge)
    bets = [
        log(share) + np.log1p(fractions * gain).cumsum(axis=-1)[..., walk.ends - 1]
        for fractions, share in zip(_fractions(walk), SHARES, strict=True)
    ]
    capital: Numbers = np.logaddexp.reduce(bets, axis=0)
    if walk.total is None:
        return capital if mean < walk.bound else np.full(capital.shape, np.inf)
    required = walk.total * mean - walk.sums()  # of all that is left together
    impossible = required > walk.bound * (walk.total - walk.ends) + ROUNDING * walk.bound
    return np.where(impossible, np.inf, capital)


def _rest(walk: Observations, mean: float) -> Numbers:
    """What the units not yet seen must average, before each unit: shape (..., n)."""
    if walk.total is None:
        return np.full(walk.values.shape, mean)
    before = walk.values.cumsum(axis=-1) - walk.values
    rest: Numbers = (walk.total * mean - before) / walk.left
    return rest


def _fractions(walk: Observations) -> list[Numbers]:
    """What each share of the capital bets on each unit, by the units before it: shape (..., n)."""
    squares = (walk.values / walk.bound) ** 2
    seen = squares.cumsum(axis=-1) - squares
    v = (WEIGHT * walk.guess + seen) / (WEIGHT + np.arange(squares.shape[-1]))
    growth = 1.0 if walk.total is None else walk.total / walk.left  # no loss so far makes what is left lose more
    gaps = [np.minimum(times * walk.aim / walk.bound * growth, 0.5) for times in GAPS]
    return [np.minimum((np.sqrt(v * v + 4 * gap * gap) - v) / (2 * gap), BOLDEST) for gap in gaps]


def not_above(walk: Observations, mean: float, alpha: float = ALPHA) -> Flags:
    """After which blocks the mean is known to be at most `mean`: shape (..., blocks).

    Known because "`mean` or more" is rejected, or because all units are seen. The estimate lies on the same side.
    """
    sums = walk.sums()
    certain: Flags = (log_capital(walk, mean) >= -log(alpha)) & (sums <= walk.ends * mean)
    return certain | walk.whole() & (sums <= walk.ends * mean + ROUNDING * walk.bound)


def above(walk: Observations, mean: float, alpha: float = ALPHA) -> Flags:
    """After which blocks the mean is known to be greater than `mean`: shape (..., blocks)."""
    sums = walk.sums()
    equal = walk.whole() & (abs(sums - walk.ends * mean) <= ROUNDING * walk.bound)
    certain: Flags = (log_capital(walk.mirrored(), -mean) >= -log(alpha)) & (sums >= walk.ends * mean) & ~equal
    return certain


def outcomes(walk: Observations, margin: float) -> list[Outcome]:
    """What one walk shows of the mean against the margin after each block, by what was seen until then."""
    within, worse = not_above(walk, margin), above(walk, margin)
    return ["within" if one else "worse" if other else "undecided" for one, other in zip(within, worse, strict=True)]


def mean(walk: Observations) -> float:
    """Of the values of one walk, rounded once, so that it does not depend on the order of the sum."""
    return fsum(walk.values.tolist()) / len(walk.values)


def interval(walk: Observations, alpha: float = ALPHA) -> tuple[float, float]:
    """The means that one walk has not rejected after its last block; the mean of the values is among them."""
    return interval_of_all_blocks(replace(walk, ends=walk.ends[-1:]), alpha)


def interval_of_all_blocks(walk: Observations, alpha: float = ALPHA) -> tuple[float, float]:
    """The means that one walk has not rejected after any of its blocks, and the mean of its values."""
    low, high = -_end(walk.mirrored(), alpha), _end(walk, alpha)
    value = mean(walk)
    return min(low, value), max(high, value)


def _end(walk: Observations, alpha: float) -> float:
    """The least mean that is rejected as too high after some block."""
    low, high = -walk.bound, walk.bound
    if walk.total is not None:
        seen, left = fsum(walk.values.tolist()), (walk.total - int(walk.ends[-1])) * walk.bound
        low, high = (seen - left) / walk.total, (seen + left) / walk.total
    while high - low > ROUNDING * walk.bound:
        middle = (low + high) / 2
        rejected = log_capital(walk, middle).max() >= -log(alpha)
        low, high = (low, middle) if rejected else (middle, high)
    return high


def more(walk: Observations, margin: float, ends: Codes, seed: int) -> int | None:
    """About how many further units it takes until the mean is known to be below or above the margin."""
    return more_until(lambda longer: not_above(longer, margin) | above(longer, margin), walk, ends, seed)


def more_until(known: Callable[[Observations], Flags], walk: Observations, ends: Codes, seed: int) -> int | None:
    """About how many further units it takes until something is known.

    known: whether it is after each block, for walks side by side: shape (..., blocks). ends: of the blocks to come, the
    last being `total`; of a population, as far as one should look. The walk goes on 50 times with values drawn from
    those seen, as if the rest were of the same kind; the answer is the median. None where nothing is left to see, and
    where that median lies beyond the last block of a population.
    """
    n = int(walk.ends[-1])
    if n == walk.total or not len(ends):
        return None
    drawn = np.random.default_rng(seed).choice(walk.values, (CONTINUATIONS, int(ends[-1]) - n))
    decided = known(walk.followed(drawn, ends))[:, len(walk.ends) :]
    needed = np.where(decided.any(axis=1), ends[decided.argmax(axis=1)], ends[-1] + (walk.total is None))
    median = int(np.median(needed))
    return None if median > ends[-1] else median - n


def could_be_within(walk: Observations, margin: float, units: int) -> bool:
    """Whether "at most `margin`" could be known after so many further units, were nothing lost on any of them."""
    if units == 0:
        return bool(not_above(walk, margin)[-1])
    n = walk.values.shape[-1]
    return bool(not_above(walk.followed(np.zeros(units), np.arange(n + 1, n + units + 1)), margin).any())
