"""A small judge first, the pairs it is unsure of to a large one: what that gains, and what it costs.

Both have judged everything beforehand, so every threshold can be tried on paper. The small judge judges every
pair, in the orders that both have judged. Where its confidence (as in `selective`) is below the threshold the pair is
passed on, and the large judge's verdicts stand, in every order; elsewhere the small one's do.

Knows: accuracy as `compare` counts it, every verdict against every human vote on its pair.
Does not know: files, how a cascade is shown; which of the two is the better judge is for the figures to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, nextafter
from typing import Literal, TypeAlias

import numpy as np

from edge_judge.analysis.compare import THEIRS, gain, in_common
from edge_judge.analysis.selective import DELTA, SelectivePredictions, selective_predictions
from edge_judge.errors import RunError
from edge_judge.metrics.bounded_mean import copies_needed, surely_below_zero, unseen_size
from edge_judge.metrics.intervals import Codes, Flags, Numbers, rate
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.trials import TRIAL, Frame, codes, flags
from edge_judge.records import Figure, Identity, Measured, Run

Unit: TypeAlias = Literal["time", "bytes"]

ABOVE = nextafter(1.0, 2.0)  # the least threshold that no pair is sure enough for
PASSED = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)  # shares of pairs at which the curve is shown
GRID = 100  # thresholds that are tested: those that leave the small judge 1 %, 2 %, ... of the pairs
ROUNDING = 1e-12  # what a product of shares may be off by


@dataclass(frozen=True, slots=True)
class Cost:
    """What a verdict costs each judge: seconds, the model's loading included, or bytes of weights to be read.

    ratio: the small judge's over the large one's. unknown: why there is none.
    """

    unit: Unit
    small: float | None
    large: float | None
    ratio: float | None
    unknown: str | None


@dataclass(frozen=True, slots=True)
class Point:
    """A threshold: pairs whose confidence is below it go to the large judge.

    passed: the share of pairs that do. kept: accuracy over the large judge's on the same trials, None where that has
    none right. cost: of both judges together, over the large one's alone, None where it is unknown.
    """

    threshold: float
    passed: float
    accuracy: Figure
    kept: float | None
    cost: float | None


@dataclass(frozen=True, slots=True)
class ChosenThreshold:
    """The recommended threshold, on all pairs. drop: the points of accuracy it loses against the large judge."""

    point: Point
    drop: Figure


@dataclass(frozen=True, slots=True)
class Cascade:
    """Two runs as a cascade, over the labelled pairs that both judged.

    keep: the share of the large judge's accuracy to be kept. alone: that judge's, alone. points: every threshold that
    makes a difference, from 0 (the small judge alone) to just above 1 (everything is passed on), over all pairs and
    without intervals; steps: those that pass on certain shares of the pairs, with intervals. least: of all points the
    cheapest that keeps enough of these pairs' accuracy, None where the large judge is never right. choice: the cheapest
    that is shown to keep enough of new pairs' too, None where none is. wanted: then, about how many pairs like these
    would show one that costs less than the large judge; None where none is likely to be shown by any number.
    """

    small: Identity
    large: Identity
    pairs: int
    verdicts: int
    trials: int
    keep: float
    cost: Cost
    alone: Figure
    points: tuple[Point, ...]
    steps: tuple[Point, ...]
    least: Point | None
    choice: ChosenThreshold | None
    wanted: int | None


@dataclass(frozen=True, slots=True)
class Trials:
    """Both judges on the same trials.

    sureness, small, large, cluster: shape (trials,), the small judge's confidence on the trial's pair, and whether
    either verdict is the vote. pairs, verdicts: that confidence for each pair, and for each verdict to be given.
    """

    sureness: Numbers
    small: Flags
    large: Flags
    cluster: Codes
    pairs: Numbers
    verdicts: Numbers
    ratio: float | None

    def right(self, threshold: float) -> Flags:
        return np.where(self.sureness < threshold, self.large, self.small)

    def point(self, threshold: float) -> Point:
        """What this threshold does, with an interval."""
        return self._point(threshold, rate(self.right(threshold), self.cluster))

    def points(self) -> Iterator[Point]:
        """Every threshold that makes a difference, without intervals."""
        n = len(self.sureness)
        for threshold in (*self.distinct(), ABOVE):
            k = int(self.right(threshold).sum())
            yield self._point(threshold, Figure(k / n, k=k, n=n))

    def distinct(self) -> list[float]:
        """The thresholds, rising, that each leave other pairs to the small judge; 0 leaves it all."""
        return [0.0, *sorted({*self.pairs.tolist()})[1:]]

    def sequence(self) -> list[float]:
        """Those that leave it 1 %, 2 %, ... and all of the pairs, from the most sure; or just more."""
        rising, least = np.sort(self.pairs), float(self.pairs.min())
        places = [ceil(len(rising) * share / GRID) for share in range(1, GRID + 1)]
        return list(dict.fromkeys(0.0 if (at := float(rising[-place])) == least else at for place in places))

    def shortfall(self, threshold: float, keep: float) -> tuple[Numbers, float]:
        """For each cluster how many more trials should be right, for `keep` to be kept; and in one of the worst."""
        trials = np.bincount(self.cluster)
        wanted = np.bincount(self.cluster, self.large, len(trials))
        right = np.bincount(self.cluster, self.right(threshold), len(trials))
        missing = np.asarray(keep * wanted - right, np.float64)
        return missing[trials > 0], keep * unseen_size(trials[trials > 0])

    def _point(self, threshold: float, accuracy: Figure) -> Point:
        best, passed = int(self.large.sum()), float((self.verdicts < threshold).mean())
        return Point(
            threshold=threshold,
            passed=float((self.pairs < threshold).mean()),
            accuracy=accuracy,
            kept=accuracy.k / best if accuracy.k is not None and best else None,
            cost=None if self.ratio is None else self.ratio + passed,
        )


def cascade(small: RecordedRun, large: RecordedRun, *, keep: float = 0.99, unit: Unit = "time") -> Cascade:
    """Every threshold between two runs, the cheapest that keeps a share of the large one's accuracy, and if it holds.

    keep: in [0, 1]. unit: what costs are measured in; bytes of weights stand in for time where reading memory is what
    takes it and both judges do the same work. The runs may differ in anything but the benchmark.

    A threshold is recommended only where it is shown to keep enough of new pairs like these: one that does not is
    recommended in at most 5 % of cases. Thresholds are tested in a fixed sequence (Bauer 1991, Statistics in Medicine
    10:871-890), from leaving the small judge next to nothing to leaving it everything, up to the first that fails. Each
    test is `bounded_mean.surely_below_zero`, on clusters.

    Raises RunError where they have no pair and order in common, where the small one's verdicts have no probabilities
    (the large one's need none), and where no pair has a human label.
    """
    verdicts, _ = in_common((small, large))
    answers = selective_predictions(small, verdicts)
    if not len(answers.pair):
        raise RunError(
            f"{small.benchmark.name}: no pair with a human label was judged by both judges judges",
            "judge more pairs: edge-judge eval with a larger --limit",
        )
    cost = costs(small.run, large.run, unit)
    trials = small.trials.merge(large.trials[[*TRIAL, "right"]], on=TRIAL, suffixes=("", THEIRS))
    everything = _trials(verdicts, trials, answers, cost.ratio)
    points = tuple(everything.points())
    chosen = furthest(everything, keep)
    return Cascade(
        small=small.identity,
        large=large.identity,
        pairs=len(answers.pair),
        verdicts=len(everything.verdicts),
        trials=len(everything.small),
        keep=keep,
        cost=cost,
        alone=rate(everything.large, everything.cluster),
        points=points,
        steps=tuple(everything.point(threshold) for threshold in _spread(points)),
        least=_least(points, keep),
        choice=None if chosen is None else _choice(everything, chosen),
        wanted=_pairs_wanted(everything, keep) if chosen is None else None,
    )


def costs(small: Run, large: Run, unit: Unit) -> Cost:
    """What a verdict costs each judge; no ratio where it was not measured, or not so that the two can be compared."""
    first: float | None
    second: float | None
    if unit == "bytes":
        first, second = small.bytes, large.bytes
        comparable = small.identity.grammar == large.identity.grammar
        unknown = "different protocols do different work, which the size of the weights does not show"
    else:
        first, second = _seconds(small.measured), _seconds(large.measured)
        comparable = len({run.measured.machine for run in (small, large) if run.measured}) < 2
        unknown = "the two were timed on different machines"
    if not first or not second:
        return Cost(unit, first, second, None, "not measured in one of the runs")
    if not comparable:
        return Cost(unit, first, second, None, unknown)
    return Cost(unit, first, second, first / second, None)


def _seconds(measured: Measured | None) -> float | None:
    speed = measured.verdicts_per_minute if measured else None
    return 60 / speed if speed else None


def _trials(verdicts: Frame, trials: Frame, answers: SelectivePredictions, ratio: float | None) -> Trials:
    """What both runs judged, on the pairs that were answered."""

    def sureness(frame: Frame) -> Numbers:
        return answers.confidence[np.searchsorted(answers.pair, codes(frame, "pair"))]

    verdicts = verdicts[verdicts["pair"].isin(answers.pair)]
    return Trials(
        sureness=sureness(trials),
        small=flags(trials, "right"),
        large=flags(trials, f"right{THEIRS}"),
        cluster=codes(trials, "cluster"),
        pairs=answers.confidence,
        verdicts=sureness(verdicts),
        ratio=ratio,
    )


def _least(points: Sequence[Point], keep: float) -> Point | None:
    """The cheapest point that keeps enough: the one that passes on least, whatever a verdict costs."""
    enough = (point for point in points if point.kept is not None and point.kept >= keep - ROUNDING)
    return min(enough, key=lambda point: point.threshold, default=None)


def furthest(trials: Trials, keep: float) -> float | None:
    """The threshold that leaves the small judge most and is shown to keep enough, see `cascade`."""
    passed = None
    for threshold in trials.sequence():
        if surely_below_zero(*trials.shortfall(threshold, keep)) > DELTA:
            break
        passed = threshold
    return passed


def _choice(trials: Trials, threshold: float) -> ChosenThreshold:
    return ChosenThreshold(
        point=trials.point(threshold), drop=gain(trials.large, trials.right(threshold), trials.cluster)
    )


def _pairs_wanted(trials: Trials, keep: float) -> int | None:
    """About how many pairs like these would show some threshold to keep enough and to save something."""
    saving = [at for at in trials.sequence() if (cost := trials.point(at).cost) is None or cost < 1]
    times = [copies_needed(*trials.shortfall(threshold, keep), DELTA) for threshold in saving]
    return min((ceil(copies * len(trials.pairs)) for copies in times if copies is not None), default=None)


def _spread(points: Sequence[Point]) -> list[float]:
    """The thresholds of the points that pass on certain shares of the pairs, or just more; each once."""
    reached = [next(point.threshold for point in points if point.passed >= share - ROUNDING) for share in PASSED]
    return list(dict.fromkeys(reached))
