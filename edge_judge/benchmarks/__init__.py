"""Benchmarks: pairs of answers with human labels. Published ones have a name, a user's own is a file.

    autoj, pandalm, llmbar, mtbench, pocket    one published benchmark each: its source, its rows, its reader
    custom                                     a user's JSONL, CSV or parquet file
    rubric                                     criteria to judge by, a file of the same formats
    check                                      counts what a user's file holds
    rows                                       the file formats
    source                                     the record of a source, the data folder, the hashes
    pull                                       downloads into the data folder

Knows: the list of benchmarks. Does not know: prompts, judges, scores.
"""

from __future__ import annotations

import os
from pathlib import Path

from edge_judge.benchmarks import autoj, custom, llmbar, mtbench, pandalm, pocket
from edge_judge.benchmarks.rows import File
from edge_judge.benchmarks.source import Check, Source, data_folder, home, locate, open_source, verify
from edge_judge.errors import DataError, UsageError, nearest
from edge_judge.records import Benchmark

__all__ = [
    "REGISTRY", "Check", "Source",
    "data_folder", "find", "home", "load", "load_source", "locate", "names", "verify",
]  # fmt: skip

_SOURCES = (pocket.SOURCE, autoj.SOURCE, pandalm.SOURCE, *llmbar.SOURCES, mtbench.SOURCE)
REGISTRY: dict[str, Source] = {source.name: source for source in _SOURCES}


def names() -> list[str]:
    """The names of the published benchmarks, the embedded one first."""
    return list(REGISTRY)


def find(name: str) -> Source:
    """The source of a benchmark. Raises UsageError, with the nearest names, if there is none."""
    if name not in REGISTRY:
        raise UsageError(f"unknown benchmark '{name}'", nearest(name, REGISTRY))
    return REGISTRY[name]


def load(name_or_file: str | Path, data: Path | None = None) -> Benchmark:
    """A published benchmark by name, or a user's file. data: the folder of the published files.

    Raises UsageError for an unknown name, DataError for a file that is missing, changed or broken.
    """
    if isinstance(name_or_file, Path) or (name_or_file not in REGISTRY and _is_path(name_or_file)):
        return _load_file(Path(name_or_file))
    return load_source(find(name_or_file), data)


def load_source(source: Source, data: Path | None = None) -> Benchmark:
    """A published benchmark, from its verified file. Raises DataError."""
    file = open_source(source, data)
    pairs = tuple(source.read(file))
    labels = sum(len(pair.labels) for pair in pairs)
    if labels != source.rows:  # the only check if no hash is pinned
        expected = f"expected the {source.rows} of {source.name}"
        raise DataError(f"{file.path}: {labels} labels, {expected}", source.remedy)
    return Benchmark(source.name, pairs, file.sha256, source.ties, source.url)


def _load_file(path: Path) -> Benchmark:
    with custom.hinting(f"check the path; expected a file that ends in {', '.join(custom.FORMATS)}"):
        file = File.open(path)
    name = custom.name_of(path, frozenset(REGISTRY))
    with custom.hinting(custom.EXAMPLE):
        pairs = tuple(custom.read(file, name))
    if not pairs:
        raise DataError(f"{path}: no pairs in it", f"a row has the columns {', '.join(custom.REQUIRED)}")
    return Benchmark(name, pairs, file.sha256, custom.has_ties(pairs), str(path))


def _is_path(text: str) -> bool:
    return Path(text).suffix.lower() in custom.FORMATS or Path(text).name != text or os.path.exists(text)
