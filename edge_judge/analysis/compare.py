"""Two runs on the same pairs -> what the one lost against the other, verdict by verdict.

Knows: that both runs judged the same trials, so that their difference is far better known than either
accuracy. Does not know: files, published tables, how a comparison is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import comb
from typing import TYPE_CHECKING

from edge_judge.errors import RunError
from edge_judge.metrics.intervals import Bootstrap, mean, paired_difference, rate
from edge_judge.metrics.scoring import baselines, human_ceiling, judged_in, paper_trials
from edge_judge.metrics.trials import NONE, Trials, align
from edge_judge.records import Benchmark, Figure, Identity, Run
from edge_judge.settings import WEIGHTS, Change, run_name, same_conditions

if TYPE_CHECKING:
    from edge_judge.metrics.intervals import Codes, Flags

SMALLEST_P = 1e-9  # a probability written as 0 stands for one below this; the divergence would be infinite


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
    accuracy lost, positive where the run is worse. mcnemar_p: two-sided and exact. kld: mean divergence in
    nats. None or a figure without a value where there is nothing to compute it from. baselines, human_ceiling: as
    in `Score`, over the same pairs and orders.
    """

    run: RunSummary
    baseline: RunSummary
    pairs: int
    verdicts: int
    trials: int
    drop: Figure
    mcnemar_p: float | None
    flips: Flips
    kld: Figure
    baselines: Mapping[str, Figure] = field(default_factory=dict)
    human_ceiling: Figure = Figure(None)


def compare(benchmark: Benchmark, run: Run, baseline: Run, change: Change = WEIGHTS) -> Comparison:
    """The paired difference of two runs on one benchmark, over the verdicts (pair and order) that both have.

    The interval of the drop is `intervals.paired_difference`: Bonett and Price's for paired proportions at
    the effective size of the clustered differences, so it has width even where no verdict differs. The
    divergence is KL(baseline || run) of the verdicts' probabilities, with a clustered bootstrap.

    Raises RunError where the runs differ in anything that decides a verdict but `change`, naming it; where
    they are not on this benchmark; and where no verdict is common to both.
    """
    same_conditions(run, baseline, change)
    ours, theirs = _paired(benchmark, run, baseline)
    place, label = _all_trials(ours)
    clusters = ours.cluster[place]
    said, used_to_say = ours.verdict[place], theirs.verdict[place]
    right, was_right = said == label, used_to_say == label
    lost, won = was_right & ~right, right & ~was_right
    judged, orders = judged_in(benchmark, ours)
    return Comparison(
        run=_summary(run, ours, rate(right, clusters)),
        baseline=_summary(baseline, theirs, rate(was_right, clusters)),
        pairs=len(set(ours.pair.tolist())),
        verdicts=len(ours.pair),
        trials=len(place),
        drop=in_points(paired_difference(lost, won, clusters)),
        mcnemar_p=mcnemar(int(lost.sum()), int(won.sum())) if len(place) else None,
        flips=Flips(
            right_to_wrong=int(lost.sum()),
            wrong_to_right=int(won.sum()),
            wrong_to_wrong=int((~right & ~was_right & (said != used_to_say)).sum()),
        ),
        kld=_divergence(ours, theirs),
        baselines=baselines(judged, orders),
        human_ceiling=human_ceiling(judged),
    )


def paper_drop(benchmark: Benchmark, run: Run, baseline: Run) -> Figure:
    """Percentage points that the figure of the `paper` profile lost, over the verdicts that both runs have.

    The interval is that of `compare`, and so is what it refuses. Undefined where the figure is.
    """
    same_conditions(run, baseline)
    ours, theirs = _paired(benchmark, run, baseline)
    right, clusters = paper_trials(ours, benchmark.name)
    was_right, _ = paper_trials(theirs, benchmark.name)
    return in_points(paired_difference(was_right & ~right, right & ~was_right, clusters))


def exceeds(comparison: Comparison, points: float) -> bool:
    """Whether the drop is greater than `points`, by its point estimate; False where it is undefined.

    The estimate decides and not the interval: a limit on the lower end would pass any loss measured on few
    enough pairs, a limit on the upper end would fail a judge that lost nothing. The interval is shown beside
    it.
    """
    return comparison.drop.value is not None and comparison.drop.value > points


def mcnemar(lost: int, won: int) -> float:
    """Two-sided exact p of as many lost and won trials, were both equally likely (McNemar 1947).

    The binomial test on the discordant trials; 1 where no trial is discordant. It takes trials as
    independent, so where verdicts are clustered it is the more optimistic of the two; the interval of the
    drop is the one that knows the clusters.
    """
    n = lost + won
    tail = sum(comb(n, count) for count in range(min(lost, won) + 1))
    return min(1.0, 2 * tail / (1 << n))


def _summary(run: Run, table: Trials, accuracy: Figure) -> RunSummary:
    measured = run.measured
    speed = measured.verdicts_per_minute if measured else None
    errors = rate(table.verdict == NONE, table.cluster)
    return RunSummary(run.identity, accuracy, errors, run.bytes, speed, measured.peak_rss if measured else None)


def in_points(figure: Figure) -> Figure:
    """A share in percentage points."""
    if figure.value is None or figure.low is None or figure.high is None:
        return figure
    return Figure(100 * figure.value, 100 * figure.low, 100 * figure.high)


def _paired(benchmark: Benchmark, run: Run, baseline: Run) -> tuple[Trials, Trials]:
    """Both runs' verdicts on what both judged, row by row in the same order."""
    if run.identity.benchmark != benchmark.name:
        raise RunError(f"{run_name(run.identity)} is not a run on {benchmark.name}")
    common = {(v.id, v.order) for v in run.verdicts} & {(v.id, v.order) for v in baseline.verdicts}
    if not common:
        raise RunError(
            f"{run_name(run.identity)} and {run_name(baseline.identity)} have no pair and order in common",
            hint="evaluate both on the same pairs",
        )
    ours, theirs = (
        align(benchmark, (v for v in side.verdicts if (v.id, v.order) in common)) for side in (run, baseline)
    )
    return ours, theirs


def _all_trials(table: Trials) -> tuple[Codes, Codes]:
    import numpy as np

    return table.trials(np.arange(len(table.pair)))


def _divergence(ours: Trials, theirs: Trials) -> Figure:
    import numpy as np

    both: Flags = ours.with_p() & theirs.with_p()
    p, q = theirs.p[both], np.maximum(ours.p[both], SMALLEST_P)
    terms = p * np.log(np.where(p > 0, p, 1.0) / q) * (p > 0)
    columns = np.stack([terms.sum(axis=1), np.ones(len(p))], axis=1)
    return Bootstrap(ours.groups).figure(columns, ours.cluster[both], mean, (0.0, float("inf")))


def common(benchmark: Benchmark, runs: Sequence[Run]) -> tuple[Run, ...]:
    """The runs with their verdicts on the pairs and orders common to all, at least one run.

    Raises RunError where a run is not on this benchmark, and where nothing is common.
    """
    for run in runs:
        if run.identity.benchmark != benchmark.name:
            raise RunError(
                f"{run_name(run.identity)} is not a run on {benchmark.name}", "only runs on one benchmark go together"
            )
    shared = set.intersection(*({(verdict.id, verdict.order) for verdict in run.verdicts} for run in runs))
    if not shared:
        raise RunError(
            f"{', '.join(run_name(run.identity) for run in runs)}: no pair and order in common",
            "evaluate all on the same pairs",
        )
    return tuple(
        replace(run, verdicts=tuple(verdict for verdict in run.verdicts if (verdict.id, verdict.order) in shared))
        for run in runs
    )


def gain(right: Flags, before: Flags, clusters: Codes) -> Figure:
    """The points of accuracy by which `right` is ahead of `before` on the same trials, with the interval of `compare`.

    right, before, clusters: shape (trials,). Undefined without a trial.
    """
    return in_points(paired_difference(right & ~before, before & ~right, clusters))
