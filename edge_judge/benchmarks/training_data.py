"""Files of labelled pairs to learn from, in each format that is known.

Knows: the formats, and how to tell them apart by their first row. Does not know: how a judge learns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from edge_judge import foreign_json
from edge_judge.benchmarks import autoj_training, custom, labelled, pandalm_training
from edge_judge.benchmarks.rows import File
from edge_judge.errors import DataError, UsageError, nearest
from edge_judge.records import TrainingPair

FORMATS: dict[str, Callable[[File, str], Iterator[TrainingPair]]] = {
    "pairs": labelled.read,
    "auto-j": autoj_training.read,
    "pandalm": pandalm_training.read,
}


def load(file: File, format: str | None = None) -> list[TrainingPair]:
    """The pairs of a file. format: one of FORMATS, None to tell by its first row.

    Raises UsageError for an unknown format, DataError, with the line, for a broken row or a file without pairs.
    """
    format = format or _format_of(file)
    if format not in FORMATS:
        raise UsageError(f"unknown format '{format}'", nearest(format, FORMATS))
    with custom.hinting(custom.EXAMPLE):
        pairs = list(FORMATS[format](file, custom.name_of(file.path)))
    if not pairs:
        raise DataError(f"{file.path}: no pairs in it", custom.EXAMPLE)
    return pairs


def open_file(path: Path) -> File:
    """Raises DataError, with a hint, if the file cannot be read."""
    with custom.hinting("check the path: --data takes a file of labelled pairs"):
        return File.open(path)


def _format_of(file: File) -> str:
    """By the fields of the first row; a file of which that cannot be told is one's own."""
    if file.path.suffix.lower() not in (".jsonl", ".json"):
        return "pairs"
    if file.path.suffix.lower() == ".json":
        return "pandalm"
    first = next((line for line in file.content.split(b"\n") if line.strip()), b"")
    try:
        row = foreign_json.parse(first)
    except ValueError:
        return "pairs"
    fields = row.keys() if isinstance(row, dict) else ()
    if autoj_training.MESSAGE in fields:
        return "auto-j"
    return "pandalm" if "inputs" in fields and "outputs" in fields else "pairs"
