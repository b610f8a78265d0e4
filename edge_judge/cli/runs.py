"""Which runs a command is about, and the benchmarks that they judged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_judge.cli import terminal
from edge_judge.errors import DataError, RunError
from edge_judge.records import Benchmark, Run

if TYPE_CHECKING:
    from edge_judge.metrics.recorded import RecordedRun


def found(named: tuple[Path, ...], results: Path, data: Path | None) -> list[tuple[Path, Run]]:
    """The runs named, or all complete ones below `results` that can be scored; a note on each benchmark that is not."""
    from edge_judge.runs import folder as run_folder

    runs = [(path, run_folder.read_run(path)) for path in named or run_folder.find_runs(results)]
    if named:
        return runs
    # nobody asked for these by name: one that cannot be scored now must not hide the others
    refused = {path: _refusal(run, data) for path, run in runs}
    for told in dict.fromkeys(text for text in refused.values() if text):
        terminal.note(told)
    return [(path, run) for path, run in runs if not refused[path]]


def whole(run: Run, data: Path | None) -> Benchmark:
    """The benchmark a run judged; refused when its file has changed since."""
    from edge_judge import benchmarks

    name = run.identity.benchmark
    if name not in benchmarks.REGISTRY:
        name = str(run.settings.get("benchmark_source", name))
    benchmark = benchmarks.load(name, data)
    if benchmark.sha256 != run.settings.get("benchmark_sha256"):
        raise RunError(
            f"{name}: the benchmark's file is another one than the run judged",
            "edge-judge eval --fresh judges it",
        )
    return benchmark


def recorded(runs: Iterable[Run], data: Path | None) -> list[RecordedRun]:
    """Each run with its benchmark, the whole of it."""
    from edge_judge.metrics.recorded import RecordedRun

    return [RecordedRun(run, whole(run, data)) for run in runs]


def _refusal(run: Run, data: Path | None) -> str | None:
    try:
        whole(run, data)
    except (DataError, RunError) as error:
        return f"{run.identity.benchmark} left out: {error}"
    return None
