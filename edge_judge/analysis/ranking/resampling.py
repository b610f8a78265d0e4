"""Seeded resamples of whole questions: the same for every figure of a ranking, and for two judges of the same votes.

Two orders of a pair, and all pairs of a question, depend on each other: an answer that is good is good against every
opponent. So a resample draws questions with all of their votes, never single votes.

Knows: questions as codes, numbers. Does not know: votes, systems.
"""

from __future__ import annotations

import numpy as np

from edge_judge.metrics.intervals import Numbers, exact, resamples, stretched
from edge_judge.records import Figure

SCALED = 1e-9  # draws that are nearer to each other than this differ by rounding alone


class QuestionResamples:
    """How often each of `RESAMPLES` resamples holds each question, by the seed of all intervals (`intervals.SEED`)."""

    def __init__(self, questions: int) -> None:
        self.questions = questions
        self._weights = resamples(questions)

    def totals(self, sums: Numbers) -> Numbers:
        """The sums of each resample. sums: shape (questions, columns). Result: shape (resamples, columns)."""
        rounded = exact(sums)
        parts = [part.astype(np.float64) @ rounded for part in np.array_split(self._weights, 20)]
        totals: Numbers = np.concatenate(parts)
        return totals


def figure(value: float, draws: Numbers, questions: int, bounds: tuple[float, float], n: int | None = None) -> Figure:
    """A value with the 95 % interval of its resamples.

    draws: shape (resamples,), nan where undefined. The percentile interval, centred on the value and widened for few
    questions, as in `Bootstrap.figure`. No interval from fewer than two questions.
    """
    known = draws[np.isfinite(draws)]
    if questions < 2 or len(known) < 2:
        return Figure(value, n=n)
    low, high = stretched(value, known, questions)
    return Figure(value, max(bounds[0], min(low, value)), min(bounds[1], max(high, value)), n=n)
