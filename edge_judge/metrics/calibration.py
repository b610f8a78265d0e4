"""Verdicts -> how often they are right at each confidence: the reliability curve.

Knows: the bins of the expected calibration error, of which this is the picture.
Does not know: models, files, how a curve is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_judge.metrics.intervals import rate
from edge_judge.metrics.scoring import CALIBRATION_BINS
from edge_judge.metrics.trials import NONE, align
from edge_judge.records import Benchmark, Figure, Verdict


@dataclass(frozen=True, slots=True)
class Bin:
    """Verdicts of about one confidence. confidence: their mean, in [0, 1]; right: the share of them that is right."""

    confidence: float
    right: Figure


def reliability(benchmark: Benchmark, verdicts: Iterable[Verdict]) -> tuple[Bin, ...]:
    """The bins that hold a verdict, by rising confidence; none where no verdict has probabilities and a human label.

    Confidence is the probability of the verdict given. Bins and trials are those of `ece` (`metrics.score`): ten of
    equal width, a missing verdict left out, each human vote a trial. So the mean of |right - confidence|, weighted
    by n, is `ece`. Raises RunError as `tally` does.
    """
    import numpy as np

    table = align(benchmark, verdicts)
    rows = np.flatnonzero(table.with_p() & (table.verdict != NONE))
    place, label = table.trials(rows)
    said, clusters = table.verdict[rows][place], table.cluster[rows][place]
    confidence = table.p[rows][place, said]
    cells = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    return tuple(
        Bin(float(confidence[cells == cell].mean()), rate((said == label)[cells == cell], clusters[cells == cell]))
        for cell in np.unique(cells)
    )
