"""How much a mean over a benchmark can still be, while its pairs are looked at in random order: a test that may be
read after every block and stopped whenever one likes.

**The setting.** There are `total` units (pairs), each with a value in [-bound, bound] (how much accuracy a scheme
lost on it). The question is the mean over all of them, what judging the whole benchmark would show. Units are drawn
without replacement, in blocks, as `sampling.order` deals them. Chance enters by that draw alone: nothing is assumed
of the values, they may be clustered, skewed or zero nearly everywhere.

**The test** is a bet (Waudby-Smith & Ramdas 2024, JRSS B 86:1-27, arXiv:2010.09686; without replacement also
NeurIPS 2020, arXiv:2006.04347). To doubt "the mean is m or more", start with a capital of 1. What the units not yet
seen must then average is known before each block:

    rest = (total * m - sum seen) / (total - number seen)

Each unit x of the block multiplies the capital by 1 + f * (rest - x) / (bound - rest), with a fraction f in (0, 1):
it grows where x lies below. The factor is never negative, and averages at most 1 over what is left if m is true or
too low. The capital is spread over several fixed fractions, since the best one depends on how the values scatter.
If "m or more" is true, such a capital ever reaches 1/alpha with a probability of at most alpha (Ville 1939), so to
stop at the first block where it does is no way to cheat. The other side is the mirror image. Each side has
alpha = 2.5 %, together they leave an interval that covers the mean at all blocks at once in at least 95 % of draws.

**Why whole stratified blocks keep this true.** A block holds one unit of each of several cells, drawn evenly and
independently from what is left of the cell; all cells have equally many left. Fractions and `rest` stay as they
were before the block, so the expected product of a block's factors is the product of the cells' mean factors. By the
inequality of arithmetic and geometric means that is at most the mean over the cells, to the power of their number:
at most 1. (A cell with fewer units is filled up with blanks that leave the capital as it is. They count as factors
of 1 in the same inequality.) Within a block units are not exchangeable, so there is no decision before its end.

The factor grows with m, so the means that are not rejected form an interval, and bisection finds its ends. When all
units are seen every other mean has become impossible, and the interval is the value itself.

Knows: numbers in the order in which they came. Does not know: pairs, verdicts, schemes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Literal, TypeAlias

import numpy as np

from edge_judge.metrics.intervals import Codes, Flags, Numbers

Outcome: TypeAlias = Literal["within", "worse", "undecided"]

ALPHA = 0.025  # of each side
FRACTIONS = (0.999, 0.5, 0.25, 0.12, 0.06)
SHARES = (0.8, 0.08, 0.05, 0.04, 0.03)  # of the first capital: most of it for differences that hardly scatter
CONTINUATIONS = 100
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Observations:
    """The values seen so far, in their order.

    values: shape (..., n), each in [-bound, bound]; leading axes are walks side by side. ends: shape (blocks,), how
    many units had been seen after each block, the last being n. total: the units that there are.
    """

    values: Numbers
    ends: Codes
    total: int
    bound: float

    def __post_init__(self) -> None:
        n = self.values.shape[-1]
        if not 0 < n <= self.total or self.ends[-1] != n or self.ends[0] < 1 or (self.ends[1:] <= self.ends[:-1]).any():
            raise ValueError(f"{n} values in blocks that end at {self.ends.tolist()}, of {self.total}")
        if not abs(self.values).max() <= self.bound * (1 + ROUNDING):
            raise ValueError(f"a value beyond {self.bound}")

    def sums(self) -> Numbers:
        """Of the values after each block: shape (..., blocks)."""
        sums: Numbers = self.values.cumsum(axis=-1)[..., self.ends - 1]
        return sums

    def mirrored(self) -> Observations:
        return Observations(-self.values, self.ends, self.total, self.bound)


def log_capital(walk: Observations, mean: float) -> Numbers:
    """The logarithm of the capital against "the mean over all units is `mean` or more", after each block.

    Shape (..., blocks). Infinite where what was seen leaves the hypothesis impossible.
    """
    sums, left = walk.sums(), walk.total - walk.ends
    required = walk.total * mean - sums  # of all that is left together
    before = np.concatenate([np.full((*sums.shape[:-1], 1), walk.total * mean), required[..., :-1]], axis=-1)
    rest = before / np.concatenate([[walk.total], left[:-1]])
    # at the bound itself the factor has no value; a little below it is smaller, so the test is not made bolder
    rest = np.minimum(rest, walk.bound * (1 - ROUNDING))
    sizes = np.diff(walk.ends, prepend=0)
    edge = np.repeat(rest, sizes, axis=-1)
    gain = (edge - walk.values) / (walk.bound - edge)
    starts = walk.ends - sizes
    bets = [
        log(share) + np.add.reduceat(np.log1p(fraction * gain), starts, axis=-1).cumsum(axis=-1)
        for fraction, share in zip(FRACTIONS, SHARES, strict=True)
    ]
    impossible = required > walk.bound * left + ROUNDING * walk.bound
    capital: Numbers = np.where(impossible, np.inf, np.logaddexp.reduce(bets, axis=0))
    return capital


def not_above(walk: Observations, mean: float, alpha: float = ALPHA) -> Flags:
    """After which blocks the mean over all units is known to be at most `mean`: shape (..., blocks).

    Known because "`mean` or more" is rejected, or because all units are seen. The estimate lies on the same side.
    """
    sums = walk.sums()
    counted = (walk.ends == walk.total) & (sums <= walk.total * mean + ROUNDING * walk.bound)
    certain: Flags = counted | (log_capital(walk, mean) >= -log(alpha)) & (sums <= walk.ends * mean)
    return certain


def above(walk: Observations, mean: float, alpha: float = ALPHA) -> Flags:
    """After which blocks the mean over all units is known to be greater than `mean`: shape (..., blocks)."""
    sums = walk.sums()
    equal = (walk.ends == walk.total) & (abs(sums - walk.total * mean) <= ROUNDING * walk.bound)
    certain: Flags = (log_capital(walk.mirrored(), -mean) >= -log(alpha)) & (sums >= walk.ends * mean) & ~equal
    return certain


def first_decision(walk: Observations, margin: float) -> tuple[Outcome, int]:
    """What one walk shows of the mean against the margin, and after how many blocks: the first that decides, or all."""
    within, worse = not_above(walk, margin), above(walk, margin)
    decided = within | worse
    if not decided.any():
        return "undecided", len(walk.ends)
    first = int(decided.argmax())
    return "within" if within[first] else "worse", first + 1


def interval(walk: Observations, alpha: float = ALPHA) -> tuple[float, float]:
    """The means that one walk has not rejected after its last block; the mean of the values is among them."""
    low, high = -_end(walk.mirrored(), alpha), _end(walk, alpha)
    value = float(walk.values.mean())
    return min(low, value), max(high, value)


def _end(walk: Observations, alpha: float) -> float:
    """The least mean that is rejected as too high."""
    total, left = float(walk.values.sum()), (walk.total - int(walk.ends[-1])) * walk.bound
    low: float = (total - left) / walk.total
    high: float = (total + left) / walk.total
    while high - low > ROUNDING * walk.bound:
        middle = (low + high) / 2
        rejected = log_capital(walk, middle)[-1] >= -log(alpha)
        low, high = (low, middle) if rejected else (middle, high)
    return high


def more(walk: Observations, margin: float, ends: Codes, seed: int) -> int | None:
    """About how many further units it takes until the mean is known to be below or above the margin.

    ends: of the blocks to come, the last being `total`. The walk goes on 100 times with values drawn from those seen,
    as if the rest were of the same kind; the answer is the median. None where nothing is left to see.
    """
    n = int(walk.ends[-1])
    if n == walk.total:
        return None
    drawn = np.random.default_rng(seed).choice(walk.values, (CONTINUATIONS, walk.total - n))
    past = np.broadcast_to(walk.values, (CONTINUATIONS, n))
    whole = Observations(
        np.concatenate([past, drawn], axis=1), np.concatenate([walk.ends, ends]), walk.total, walk.bound
    )
    decided = (not_above(whole, margin) | above(whole, margin))[:, len(walk.ends) :]
    decided[:, -1] = True
    return int(np.median(ends[decided.argmax(axis=1)])) - n
