"""The values of a chart -> where they stand on an axis, and which of them are written at it.

Knows: linear and logarithmic scales, and which numbers are round.
Does not know: what the values are, SVG.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

STEPS = (1, 2, 5, 10)
FEW_POWERS, MANY_POWERS = (1, 2, 3, 4, 6, 8), (1, 2, 5)  # digits of each power of ten, at a logarithmic axis
WIDE_RATIO = 15  # from this ratio of its ends on, a logarithmic axis spans many powers
ROUNDING = 1e-9  # values no farther apart than this are the same: shares in percent, others relative to the largest
AROUND = 0.08  # room at each end of an axis, as a share of what the values span
LOG_AROUND = 1.12  # more room at the ends of a logarithmic axis, where all values may be one


@dataclass(frozen=True, slots=True)
class Axis:
    """The values from low to high stand between two coordinates, start and end."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """The coordinate of a value."""
        low, high, here = (math.log10(number) if self.log else number for number in (self.low, self.high, value))
        return self.start + (here - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """About `most` round numbers on the axis, from low to high."""
        inside = [value for value in self._digits() if self.low <= value <= self.high] if self.log else []
        if len(inside) > 1:
            return inside[:: math.ceil(len(inside) / most)]
        step = _step((self.high - self.low) / most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]

    def _digits(self) -> list[float]:
        digits = FEW_POWERS if self.high / self.low < WIDE_RATIO else MANY_POWERS
        powers = range(math.floor(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
        return [digit * 10.0**power for power in powers for digit in digits]


def share_axis(shares: Sequence[float], start: float, end: float) -> Axis:
    """An axis in percent, which ends at 0 and 100 at the latest."""
    low, high = 100 * min(shares), 100 * max(shares)
    span = high - low or high / 10
    around = AROUND * (span if span > ROUNDING else 1)
    return Axis(max(0, low - around), min(100, high + around), start, end)


def linear_axis(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis of values that are above 0."""
    low, high = min(values), max(values)
    span = high - low
    around = 1.5 * AROUND * (span if span > ROUNDING * high else high / 10)
    return Axis(max(0, low - around), high + around, start, end)


def log_axis(values: Sequence[float], start: float, end: float) -> Axis:
    low, high = min(values), max(values)
    around = (high / low) ** AROUND * LOG_AROUND
    return Axis(low / around, high * around, start, end, log=True)


def decimals(ticks: Sequence[float]) -> int:
    """The decimal places that tell these numbers apart."""
    step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else abs(ticks[0]) if ticks else 1
    return max(0, -math.floor(math.log10(step or 1) + 1e-9))


def _step(rough: float) -> float:
    """The round number that is nearest to a step from above, or a little below it."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(digit * power for digit in STEPS if digit * power >= 0.8 * rough)
