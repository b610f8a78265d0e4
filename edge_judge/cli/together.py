"""Runs that a command sets beside each other: on one benchmark, and none of them twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_judge.cli.runs import whole
from edge_judge.errors import RunError, UsageError
from edge_judge.records import Benchmark, Run


def together(paths: Sequence[Path], data: Path | None) -> tuple[Benchmark, list[Run]]:
    """The runs in these folders, at least one, and the benchmark that each of them judged.

    Raises UsageError where one is named twice, RunError where they are on several benchmarks or a file has changed.
    """
    from edge_judge.runs import folder as run_folder

    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("the same run is named twice", "name another one: a run has nothing to add to itself")
    runs = [run_folder.read_run(path) for path in paths]
    if len(names := dict.fromkeys(run.identity.benchmark for run in runs)) > 1:
        raise RunError(f"the runs are on {' and '.join(names)}", "name runs on one benchmark")
    return [whole(run, data) for run in runs][0], runs
