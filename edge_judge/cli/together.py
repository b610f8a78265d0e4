"""Runs that a command sets beside each other: on one benchmark, and none of them twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_judge.cli.runs import recorded
from edge_judge.errors import RunError, UsageError

if TYPE_CHECKING:
    from edge_judge.metrics.recorded import RecordedRun


def together(paths: Sequence[Path], data: Path | None) -> list[RecordedRun]:
    """The runs in these folders, at least one, with the benchmark that each of them judged.

    Raises UsageError where one is named twice, RunError where they are on several benchmarks or a file has changed.
    """
    from edge_judge.runs import folder as run_folder

    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("the same run is named twice", "name another one: a run has nothing to add to itself")
    runs = [run_folder.read_run(path) for path in paths]
    if len(names := dict.fromkeys(run.identity.benchmark for run in runs)) > 1:
        raise RunError(f"the runs are on {' and '.join(names)}", "name runs on one benchmark")
    return recorded(runs, data)
