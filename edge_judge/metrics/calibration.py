"""Verdicts -> how often they are right at each confidence: the reliability curve.

Knows: that it is the picture of the expected calibration error.
Does not know: models, files, how a curve is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_judge.metrics.alignment import NONE
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.scoring import calibration_bin
from edge_judge.metrics.trials import codes, flags, probabilities, share
from edge_judge.records import Figure


@dataclass(frozen=True, slots=True)
class Bin:
    """Verdicts of about one confidence. confidence: their mean, in [0, 1]; right: the share of them that is right."""

    confidence: float
    right: Figure


def reliability(run: RecordedRun) -> tuple[Bin, ...]:
    """The bins that hold a verdict, by rising confidence; none where no verdict has probabilities and a human label.

    Confidence is the probability of the verdict given. Bins and trials are those of `ece` (`scoring.score`): ten of
    equal width, a missing verdict left out, each human vote a trial. The mean of |right - confidence|, weighted
    by n, is `ece` before what chance alone adds is taken off.
    """
    trials = run.trials[(run.trials["verdict"] != NONE) & run.trials["p_a"].notna()]
    confidence = probabilities(trials)[np.arange(len(trials)), codes(trials, "verdict")]
    by_bin = trials.assign(confidence=confidence).groupby(calibration_bin(confidence))
    return tuple(
        Bin(float(rows["confidence"].to_numpy().mean()), share(flags(rows, "right"), rows)) for _, rows in by_bin
    )
