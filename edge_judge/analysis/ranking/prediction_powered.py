"""The mean of what people would say of all pairs, from what they said of a few and what a judge said of all.

**The estimate** is prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan & Zrnic 2023, Science
382:669-674, arXiv:2301.09633), tuned (PPI++: Angelopoulos, Duchi & Zrnic 2023, arXiv:2311.01453). A labelled pair with
the person's score y and the judge's f counts

    x = y - w * (f - mean of f over the pairs without a label)

The mean of x is what people would say of the pairs without a label, whatever the judge is like, as long as the labelled
pairs are a random sample of all. The better the judge, the less x varies. A judge that is of no use has the weight 0,
and the labels stand alone. What people said of the labelled pairs is known.

**The weight** w of a pair is found on the labels of other questions (five folds), so that it knows nothing of the
pair's own label. It is the one in [0, 1] that makes the interval narrowest: PPI++'s, which makes the variance smallest,
but for one thing. With a weight x has a wider range than y, and near win rates of 0 and 1 the range decides.

**The interval** is that of a bounded mean (`metrics/bounded_mean.py`): whole questions are its clusters, and something
as bad as can be may just not have been met. It keeps its coverage near 0 and 1, where the normal interval of PPI is too
narrow. It is for a number of labels that was set beforehand. Bets that may be looked at after every label
(`sequential_test`) hold too, but are about half as wide again, so that they would save no labels.
`benchmarks/ranking_labels.py` counts both.

Two means, as in `decision`:

    own    the judged pairs themselves: what labels on all of them would show. The part of the pairs that has labels
           leaves no doubt, so distances shrink by sqrt(1 - labels / pairs) (Cochran 1977, Sampling Techniques, 2.6)
    new    pairs of new questions like these: the distances of `own` and of Wilson's interval with as many trials as
           there are questions, squared and added up (Zou & Donner 2008, Statistics in Medicine 27:1693-1702)

Knows: numbers, and the questions they belong to. Does not know: systems, verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import fsum, hypot, sqrt

import numpy as np

from edge_judge.metrics.bounded_mean import mean_interval
from edge_judge.metrics.intervals import Codes, Numbers, Z, wilson
from edge_judge.records import Figure

FOLDS = 5
WEIGHTS = 21  # that are tried, evenly from 0 to 1


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """The mean of what people would say of all pairs. weights: of the judge, one a labelled pair."""

    value: float
    low: float
    high: float
    weights: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class CorrectedScores:
    """The labelled pairs. values: x of each; clusters: their questions' codes, from 0; weights: of the judge. Shapes
    (labels,). bounds: between which a value can lie. labelled: the mean of people's scores; share: of all pairs that
    have a label.
    """

    values: Numbers
    clusters: Codes
    bounds: tuple[float, float]
    weights: Numbers
    labelled: float
    share: float

    @property
    def value(self) -> float:
        """The estimate for all pairs: of those with a label it is known."""
        return self.share * self.labelled + (1 - self.share) * exact_mean(self.values)

    @property
    def doubt(self) -> float:
        """By what distances shrink as some of the pairs are labelled; 0 where all are."""
        return sqrt(1 - self.share)


def prediction_powered(judge: Numbers, truth: Numbers, questions: Codes, *, judged: bool = True) -> Estimate:
    """The mean of people's scores over all pairs, from the scores of a random sample and the judge's of all.

    judge: shape (pairs,), in [0, 1], a pair without a score counting 1/2: any number that no label decides will do;
    truth: the same with people's scores, nan where a pair has no label; questions: codes, shape (pairs,). judged: False
    to leave the judge's scores out. The interval is the one of `own`, see above. Raises ValueError without a label.
    """
    scores = corrected_scores(judge, truth, questions, judged=judged)
    sums: Numbers = np.bincount(scores.clusters, scores.values).astype(np.float64)
    low, high = mean_interval(sums, np.bincount(scores.clusters), scores.bounds)
    value, mean = scores.value, exact_mean(scores.values)
    return Estimate(value, value - scores.doubt * (mean - low), value + scores.doubt * (high - mean), scores.weights)


def corrected_scores(judge: Numbers, truth: Numbers, questions: Codes, *, judged: bool = True) -> CorrectedScores:
    """What each labelled pair counts. Takes and raises what `prediction_powered` does."""
    labelled = np.isfinite(truth)
    if not labelled.any():
        raise ValueError("no pair has a label")
    y, codes = truth[labelled], questions[labelled]
    off = np.where(np.isfinite(judge), judge, 0.5)
    off = off - exact_mean(off[~labelled] if not labelled.all() else off)
    weights = _weights(y, off[labelled], codes, off) if judged else np.zeros(len(y))
    most = float(weights.max())
    return CorrectedScores(
        values=y - weights * off[labelled],
        clusters=np.unique(codes, return_inverse=True)[1],
        bounds=(-most * float(off.max()), 1.0 - most * float(off.min())),
        weights=weights,
        labelled=exact_mean(y),
        share=len(y) / len(truth),
    )


def _weights(y: Numbers, off: Numbers, questions: Codes, all_off: Numbers) -> Numbers:
    """The judge's weight for each labelled pair, from the labels of other folds. Shape (labels,).

    off: how far the judge's scores lie from their mean, of the labelled pairs and of all.
    """
    folds = _folds(questions)
    weights = np.zeros(len(y))
    for fold in range(FOLDS):
        others = folds != fold
        if others.sum() > 1:
            weights[~others] = narrowest(y[others], off[others], (float(all_off.min()), float(all_off.max())))
    return weights


def narrowest(y: Numbers, off: Numbers, reach: tuple[float, float]) -> float:
    """The weight with the narrowest interval, of 21 from 0 to 1.

    y, off: shape (n,), n > 1; reach: the least and greatest `off` of all pairs. The width is roughly the normal one
    after the farthest value that x can have was added on each side.
    """
    tried = np.linspace(0, 1, WEIGHTS)
    n = len(y)
    covariances = np.cov(y, off, bias=True)
    variance = covariances[0, 0] - 2 * tried * covariances[0, 1] + tried**2 * covariances[1, 1]
    means = y.mean() - tried * off.mean()
    below, above = means + tried * reach[1], 1 - tried * reach[0] - means
    width = sum(far + Z * np.sqrt(n * variance + far**2) for far in (below, above))
    return float(tried[np.argmin(np.round(width, 9))])


def _folds(questions: Codes) -> Codes:
    """A fold for each label, the same for all of a question, of nearly equal size: by chance, but always the same."""
    names = np.unique(questions)
    mixed = sorted(names.tolist(), key=lambda code: sha256(f"fold\n{code}".encode()).digest())
    fold = dict(zip(mixed, np.arange(len(mixed)) % FOLDS, strict=True))
    return np.array([fold[code] for code in questions.tolist()], np.int64)


def new_questions(own: Figure, questions: int) -> Figure:
    """The interval for new questions, from the one for those that there are; questions: how many these are."""
    if own.value is None or own.low is None or own.high is None:
        return Figure(None)
    low, high = wilson(own.value, questions)
    return Figure(
        own.value,
        max(0.0, own.value - hypot(own.value - own.low, own.value - low)),
        min(1.0, own.value + hypot(own.high - own.value, high - own.value)),
        n=own.n,
    )


def exact_mean(values: Numbers) -> float:
    """Of at least one value, rounded once."""
    return fsum(values.tolist()) / len(values)
