"""Several runs on one benchmark -> the same runs, cut to the verdicts that all of them have.

Knows: that only judges of the same trials can be set beside each other, or stand in for one another.
Does not know: what is made of them, and whether they may differ in what else decides a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_judge.compare import in_points
from edge_judge.errors import RunError
from edge_judge.intervals import paired_difference
from edge_judge.records import Benchmark, Figure, Identity, Run

if TYPE_CHECKING:
    from edge_judge.intervals import Codes, Flags


def common(benchmark: Benchmark, runs: Sequence[Run]) -> tuple[Run, ...]:
    """The runs with their verdicts on the pairs and orders common to all, at least one run.

    Raises RunError where a run is not on this benchmark, and where nothing is common.
    """
    for run in runs:
        if run.identity.benchmark != benchmark.name:
            raise RunError(
                f"{path(run.identity)} is not a run on {benchmark.name}", "only runs on one benchmark go together"
            )
    shared = set.intersection(*({(verdict.id, verdict.order) for verdict in run.verdicts} for run in runs))
    if not shared:
        raise RunError(
            f"{', '.join(path(run.identity) for run in runs)}: no pair and order in common",
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


def path(identity: Identity) -> str:
    """A run's name in messages: its folder below the results."""
    return f"{identity.benchmark}/{identity.model}/{identity.scheme}/{identity.grammar}"
