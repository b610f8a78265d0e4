"""Two runs on the same pairs -> what the one lost against the other, verdict by verdict.

Knows: that both runs judged the same trials, so that their difference is far better known than either
accuracy. Does not know: files, published tables, how a comparison is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from edge_judge.errors import RunError
from edge_judge.metrics.alignment import NONE
from edge_judge.metrics.intervals import Bootstrap, Codes, Flags, paired_difference
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.scoring import attainable, baselines, human_agreement, judged_in
from edge_judge.metrics.sign_flip import LEVEL, holm, sign_flip, smallest_loss
from edge_judge.metrics.trials import TRIAL, VERDICT, Frame, codes, flags, probabilities, share
from edge_judge.records import Figure, Identity, Run
from edge_judge.settings import WEIGHTS, Change, run_name, same_conditions

Gate: TypeAlias = Literal["point", "bound"]  # of the drop, what a limit is held against

SMALLEST_P = 1e-9  # a probability written as 0 stands for one below this; the divergence would be infinite
THEIRS = "_theirs"  # ends the names of the baseline's columns in a frame of both runs


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One of the two runs, over the paired verdicts only. bytes: of the GGUF; peak_rss: in bytes."""

    identity: Identity
    accuracy: Figure
    format_errors: Figure
    bytes: int
    verdicts_per_minute: float | None
    peak_rss: int | None


@dataclass(frozen=True, slots=True)
class Flips:
    """Trials (a verdict against one human vote) on which the run says something else than the baseline."""

    right_to_wrong: int
    wrong_to_right: int
    wrong_to_wrong: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `run` lost against `baseline`.

    pairs, verdicts: those judged by both; trials: the votes on them. drop: percentage points of strict
    accuracy lost, positive where the run is worse. p: of the drop, two-sided and exact (`sign_flip.sign_flip`).
    smallest_loss: percentage points that would have been seen with a power of 0.8 (`sign_flip.smallest_loss`). p_holm:
    p adjusted for the ladder, see `adjusted`; None outside of one. kld: mean divergence in nats. None or a figure
    without a value where there is nothing to compute it from. baselines, human_agreement, attainable: as in `Score`,
    over the same pairs and orders. labelled: pairs that people labelled, None where that was not counted.
    """

    run: RunSummary
    baseline: RunSummary
    pairs: int
    verdicts: int
    trials: int
    drop: Figure
    p: float | None
    smallest_loss: float | None
    flips: Flips
    kld: Figure
    baselines: Mapping[str, Figure] = field(default_factory=dict)
    human_agreement: Figure = Figure(None)
    attainable: Figure = Figure(None)
    p_holm: float | None = None
    labelled: int | None = None

    @property
    def is_seen(self) -> bool:
        """Whether the runs are told apart at 5 %, among all of the ladder where there is one."""
        p = self.p if self.p_holm is None else self.p_holm
        return p is not None and p <= LEVEL


def compare(run: RecordedRun, baseline: RecordedRun, change: Change = WEIGHTS) -> Comparison:
    """The paired difference of two runs on one benchmark, over the verdicts (pair and order) that both have.

    The interval of the drop is `intervals.paired_difference`: Bonett and Price's for paired proportions at
    the effective size of the clustered differences, so it has width even where no verdict differs. The
    divergence is KL(baseline || run) of the verdicts' probabilities; it has an interval only where
    many clusters carry it (`Bootstrap.unbounded_mean`).

    Raises RunError where the runs differ in anything that decides a verdict but `change`, naming it, and where no
    verdict is common to both.
    """
    same_conditions(run.run, baseline.run, change)
    ours, theirs = in_common((run, baseline))
    trials = run.trials.merge(baseline.trials[[*TRIAL, "verdict", "right"]], on=TRIAL, suffixes=("", THEIRS))
    right, was_right = flags(trials, "right"), flags(trials, f"right{THEIRS}")
    clusters = codes(trials, "cluster")
    other = codes(trials, "verdict") != codes(trials, f"verdict{THEIRS}")
    lost, won = was_right & ~right, right & ~was_right
    smallest = smallest_loss(lost, won, clusters)
    judged, orders = judged_in(run.benchmark, codes(ours, "pair"), codes(ours, "order"))
    return Comparison(
        run=summary(run.run, share(right, trials), _format_errors(ours)),
        baseline=summary(baseline.run, share(was_right, trials), _format_errors(theirs)),
        pairs=len(judged.pairs),
        verdicts=len(ours),
        trials=len(trials),
        drop=gain(was_right, right, clusters),
        p=sign_flip(lost.astype(np.int64) - won, clusters) if len(trials) else None,
        smallest_loss=None if smallest is None else 100 * smallest,
        flips=Flips(
            right_to_wrong=int(lost.sum()),
            wrong_to_right=int(won.sum()),
            wrong_to_wrong=int((~right & ~was_right & other).sum()),
        ),
        kld=_divergence(ours, theirs),
        baselines=baselines(judged, orders),
        human_agreement=human_agreement(judged),
        attainable=attainable(judged),
        labelled=sum(bool(pair.labels) for pair in judged.pairs),
    )


def paper_drop(run: RecordedRun, baseline: RecordedRun) -> Figure:
    """Percentage points that the figure of the `paper` profile lost, over the verdicts that both runs have.

    The interval is that of `compare`, and so is what it refuses. Undefined where the figure is.
    """
    same_conditions(run.run, baseline.run)
    in_common((run, baseline))
    ours, theirs = (side.trials[side.trials["in_paper"]] for side in (run, baseline))
    trials = ours.merge(theirs[[*TRIAL, "paper_right"]], on=TRIAL, suffixes=("", THEIRS))
    right, was_right = flags(trials, "paper_right"), flags(trials, f"paper_right{THEIRS}")
    return gain(was_right, right, codes(trials, "cluster"))


def exceeds(comparison: Comparison, points: float, gate: Gate = "point") -> bool:
    """Whether the drop is too great for a limit of `points`.

    By the point, if the estimate is greater; False where it is undefined. A judge that lost nothing passes, and so does
    one that loses more on other pairs half of the time. By the bound, if the upper end of the 95 % interval is greater,
    and where there is none: what passes is shown to lose no more, which takes enough pairs. A run against itself loses
    nothing.
    """
    if gate == "bound" and comparison.run.identity != comparison.baseline.identity:
        return comparison.drop.high is None or comparison.drop.high > points
    return comparison.drop.value is not None and comparison.drop.value > points


def adjusted(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same comparisons with the p of each ladder adjusted for all of it, by Holm's procedure.

    A ladder: the runs compared with one baseline. A run compared with itself is no test.
    """
    ladders: dict[Identity, list[int]] = {}
    for place, lost in enumerate(comparisons):
        if lost.run.identity != lost.baseline.identity:
            ladders.setdefault(lost.baseline.identity, []).append(place)
    result = list(comparisons)
    for places in ladders.values():
        for place, p in zip(places, holm([comparisons[place].p for place in places]), strict=True):
            result[place] = replace(result[place], p_holm=p)
    return result


def summary(run: Run, accuracy: Figure, format_errors: Figure) -> RunSummary:
    """These figures with the run's size and cost."""
    speed, peak = (run.measured.verdicts_per_minute, run.measured.peak_rss) if run.measured else (None, None)
    return RunSummary(run.identity, accuracy, format_errors, run.bytes, speed, peak)


def _format_errors(verdicts: Frame) -> Figure:
    return share(flags(verdicts, "verdict") == NONE, verdicts)


def negated(points: Figure) -> Figure:
    """What was lost as what was gained, or the other way round; undefined without an interval."""
    if points.value is None or points.low is None or points.high is None:
        return Figure(None)
    return Figure(0 - points.value, 0 - points.high, 0 - points.low)  # and not -0.0


def _divergence(ours: Frame, theirs: Frame) -> Figure:
    both = (ours["p_a"].notna() & theirs["p_a"].notna()).to_numpy()
    p, q = probabilities(theirs)[both], np.maximum(probabilities(ours)[both], SMALLEST_P)
    terms = p * np.log(np.where(p > 0, p, 1.0) / q) * (p > 0)
    clusters = codes(ours, "cluster")
    return Bootstrap(clusters).unbounded_mean(terms.sum(axis=1), clusters[both])


def in_common(runs: Sequence[RecordedRun]) -> tuple[Frame, ...]:
    """Each run's verdicts on the pairs and orders that all of them judged, row by row the same; at least one run.

    Clusters are numbered anew from 0 in the order of the rows. Raises RunError where a run is on another benchmark, and
    where no pair and order is common to all.
    """
    for run in runs:
        if run.identity.benchmark != runs[0].identity.benchmark:
            raise RunError(
                f"{run_name(run.identity)} is not a run on {runs[0].identity.benchmark}",
                "name runs on the same benchmark",
            )
    keys = reduce(lambda keys, other: keys.merge(other, on=VERDICT), (run.verdicts[VERDICT] for run in runs))
    if keys.empty:
        raise RunError(
            f"{', '.join(run_name(run.identity) for run in runs)}: no pair and order in common",
            "evaluate all on the same pairs",
        )
    frames = (keys.merge(run.verdicts, on=VERDICT) for run in runs)
    return tuple(frame.assign(cluster=pd.factorize(frame["cluster"])[0]) for frame in frames)


def gain(right: Flags, before: Flags, clusters: Codes) -> Figure:
    """The points of accuracy by which `right` is ahead of `before` on the same trials, with the interval of `compare`.

    right, before, clusters: shape (trials,). Undefined without a trial.
    """
    ahead = paired_difference(right & ~before, before & ~right, clusters)
    if ahead.value is None or ahead.low is None or ahead.high is None:
        return ahead
    return Figure(100 * ahead.value, 100 * ahead.low, 100 * ahead.high)
