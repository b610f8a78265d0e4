"""Benchmarks: which are meant, which are here, and what a file of one's own holds.

Knows: names, `all`, files. Does not know: what is done with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_judge import benchmarks
from edge_judge.benchmarks import Source, check, pull
from edge_judge.benchmarks.check import Contents
from edge_judge.benchmarks.pull import Pulled
from edge_judge.benchmarks.rubric import Rubric
from edge_judge.benchmarks.source import checked_folder
from edge_judge.errors import DataError, UsageError
from edge_judge.records import Benchmark, ProgressListener
from edge_judge.workflows.options import BenchmarkOptions

ALL = "all"


@dataclass(frozen=True, slots=True)
class KnownBenchmark:
    """votes: of people, over all pairs; state: ok, unpinned, missing or changed."""

    name: str
    votes: int
    ties: bool
    licence: str
    url: str
    state: str


def load_benchmarks(options: BenchmarkOptions, listener: ProgressListener = ProgressListener()) -> list[Benchmark]:
    """The benchmarks that are meant, each once; for `all`, those that are here, and a note on each that is not."""
    names = options.names
    if ALL not in names:
        loaded = [benchmarks.load(name, options.data) for name in names]
        return list({(part.name, part.sha256): part for part in loaded}.values())  # named twice, it is judged once
    if len(set(names)) > 1:
        other = next(name for name in names if name != ALL)
        raise UsageError(
            "--benchmark all does not go with other benchmarks", f"leave out all, or '{other}' and the others"
        )
    present, missing = _present(options.data)
    for name, error in missing.items():
        listener.note(f"{name} left out: {error}")
    return present


def load_here(options: BenchmarkOptions, listener: ProgressListener = ProgressListener()) -> list[Benchmark]:
    """The benchmarks that are named, else those whose files are here, and one note on the others."""
    if options.names:
        return [benchmarks.load(name, options.data) for name in options.names]
    present, missing = _present(options.data)
    if missing:
        listener.note(f"not downloaded: {', '.join(missing)}; edge-judge data pull downloads them")
    return present


def list_benchmarks(data: Path | None = None) -> list[KnownBenchmark]:
    """Every benchmark that is known by name, and whether its file is here."""
    return [
        KnownBenchmark(
            source.name, source.rows, source.ties, source.licence, source.url, benchmarks.verify(source, data).state
        )
        for source in benchmarks.REGISTRY.values()
    ]


def pull_benchmarks(names: Sequence[str] = (), data: Path | None = None) -> Iterator[tuple[str, Pulled]]:
    """Download benchmarks, all where none is named, from their pinned sources: each name with its file, as it comes."""
    for source in _sources(names):
        yield source.name, pull.pull(source, data)


def verify_benchmarks(names: Sequence[str] = (), data: Path | None = None) -> list[benchmarks.Check]:
    """The files that are here against their hashes."""
    return [benchmarks.verify(source, data) for source in _sources(names)]


def check_file(path: Path) -> Contents | Rubric:
    """What a benchmark or a rubric of one's own holds."""
    return check.look(path, frozenset(benchmarks.names()))


def remarks_on(contents: Contents | Rubric) -> tuple[str, ...]:
    """What looks like a mistake in a file, and is no error."""
    return tuple(check.remarks(contents)) if isinstance(contents, Contents) else ()


def _sources(names: Sequence[str]) -> list[Source]:
    return [benchmarks.find(name) for name in names] or list(benchmarks.REGISTRY.values())


def _present(data: Path | None) -> tuple[list[Benchmark], dict[str, DataError]]:
    """The known benchmarks that are here, and why each of the others is not."""
    checked_folder(data)
    present, missing = [], {}
    for name in benchmarks.names():
        try:
            present.append(benchmarks.load(name, data))
        except DataError as error:
            missing[name] = error
    return present, missing
