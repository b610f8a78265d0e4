"""Recorded runs and the benchmarks they judged: the one place that finds and reads them.

A benchmark is loaded and hashed once for all runs on it, a run is read once however often it is asked for.
Knows: runs' folders, siblings, benchmarks' files. Does not know: what is computed from a run.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from platformdirs import user_cache_path

from edge_judge import benchmarks
from edge_judge.errors import DataError, EdgeJudgeError, RunError, UsageError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Benchmark, ProgressListener, Run
from edge_judge.runs import folder as run_folder
from edge_judge.workflows.options import RunsOptions

Refused = Callable[[Path, EdgeJudgeError], None]


class RunReader:
    """Reads runs together with their benchmarks, and keeps both."""

    def __init__(self, data: Path | str | None = None) -> None:
        self._data = None if data is None else Path(data)
        self._benchmarks: dict[str, Benchmark] = {}
        self._runs: dict[Path, Run] = {}
        self._recorded: dict[tuple[Path, str], RecordedRun] = {}

    def read(self, path: Path) -> RecordedRun:
        """The run in a folder. Raises RunError or DataError where it is not complete, or its benchmark is not here."""
        return self.read_on(path, self.benchmark(self.run(path)))

    def read_on(self, path: Path, benchmark: Benchmark) -> RecordedRun:
        """The run in a folder, read with this benchmark. If it judged another one, comparing refuses it."""
        key = (path, benchmark.sha256)
        if key not in self._recorded:
            self._recorded[key] = RecordedRun(self.run(path), benchmark)
        return self._recorded[key]

    def benchmark(self, run: Run) -> Benchmark:
        """The benchmark a run judged. Raises RunError where its file has changed since."""
        name = run.identity.benchmark
        if name not in benchmarks.REGISTRY:
            name = str(run.settings.get("benchmark_source", name))
        if name not in self._benchmarks:
            self._benchmarks[name] = benchmarks.load(name, self._data)
        if self._benchmarks[name].sha256 != run.settings.get("benchmark_sha256"):
            raise RunError(
                f"{name}: the benchmark's file differs from the one that was judged",
                "edge-judge eval --fresh judges it",
            )
        return self._benchmarks[name]

    def run(self, path: Path) -> Run:
        """The run in a folder, without its benchmark. Raises RunError where it is not complete."""
        if path not in self._runs:
            self._runs[path] = run_folder.read_run(path)
        return self._runs[path]


def find_runs(options: RunsOptions, reader: RunReader, listener: ProgressListener) -> dict[Path, RecordedRun]:
    """The runs named, or all complete ones that can be scored, and a note on each run or benchmark that cannot be."""
    if options.paths:
        return {path: reader.read(path) for path in options.paths}
    runs: dict[Path, RecordedRun] = {}
    refused: dict[str, None] = {}  # a run that nobody named must not hide the others
    for path in run_folder.find_runs(options.results):
        name = str(path)
        try:
            name = reader.run(path).identity.benchmark
            runs[path] = reader.read(path)
        except (DataError, RunError) as error:
            refused[f"{name} left out: {error}"] = None
    for note in refused:
        listener.note(note)
    return runs


def require_runs(options: RunsOptions, reader: RunReader, listener: ProgressListener) -> dict[Path, RecordedRun]:
    """As `find_runs`. Raises RunError where there is none."""
    if not options.paths and not run_folder.find_runs(options.results):
        raise RunError(f"{options.results}: no complete run in this folder", f"edge-judge eval makes one{_demo_hint()}")
    runs = find_runs(options, reader, listener)
    if not runs:
        raise RunError(
            f"{options.results}: no run in this folder can be scored with the benchmarks on this machine",
            "--data names the folder of the files, edge-judge eval --fresh judges one that has changed",
        )
    return runs


def demo_folder() -> Path:
    """Where the demo keeps its runs unless told otherwise."""
    return user_cache_path("edge-judge") / "demo"


def _demo_hint() -> str:
    """Where the demo's runs are, which are easily looked for in the folder of all others."""
    folder = demo_folder()
    return f"; the demo's runs: --results {shlex.quote(str(folder))}" if run_folder.find_runs(folder) else ""


def read_siblings(
    runs: Mapping[Path, RecordedRun], scheme: str, reader: RunReader, refused: Refused
) -> dict[Path, RecordedRun]:
    """The complete runs of a scheme beside these, without these. refused: called where one cannot be scored."""
    siblings: dict[Path, RecordedRun] = {}
    for path in sorted({run_folder.sibling(path, scheme) for path in runs} - runs.keys()):
        if run_folder.is_complete(path):
            try:
                siblings[path] = reader.read(path)
            except (DataError, RunError) as error:
                refused(path, error)
    return siblings


def read_same_benchmark(folders: Sequence[Path | str], data: Path | str | None) -> list[RecordedRun]:
    """The runs in these folders, at least one, all on one benchmark.

    Raises UsageError where one is named twice, RunError where they are on several benchmarks or a file has changed.
    """
    paths = [Path(folder) for folder in folders]
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("the same run is named twice", "name different runs")
    reader = RunReader(data)
    if len(names := dict.fromkeys(reader.run(path).identity.benchmark for path in paths)) > 1:
        raise RunError(f"the runs are on {' and '.join(names)}", "name runs on one benchmark")
    return [reader.read(path) for path in paths]
