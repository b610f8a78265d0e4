"""Figures that others published, and how far ours lie from them.

A published figure is a row with its source. It is never pooled with measured ones: it has no verdicts to pair
with, so the only question it can answer is whether it lies within our own interval.

Knows: the columns of results/published.csv.
Does not know: runs and verdicts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_judge.errors import DataError
from edge_judge.records import Figure, Score

NAMED = ("model", "precision", "source")  # the columns that are not a benchmark's
NOTE = "note"


@dataclass(frozen=True, slots=True)
class Published:
    """One model's row. source: "user" or "paper"; figures: benchmark -> percent, without those never run."""

    model: str
    precision: str
    source: str
    figures: Mapping[str, float]
    note: str


@dataclass(frozen=True, slots=True)
class PublishedComparison:
    """Our figure under the `paper` profile beside the published one.

    figure: "accuracy" or "agreement"; ours: a share with its interval; published: percent; difference: ours
    minus published, in points; outside: whether the published figure lies outside our interval. None where
    undefined.
    """

    row: Published
    benchmark: str
    figure: str
    ours: Figure
    published: float | None
    difference: float | None
    outside: bool | None


def read_published(path: Path) -> tuple[Published, ...]:
    """The rows of a published.csv. Raises DataError naming file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", hint="it comes with the project, under results/") from None
    reader = csv.DictReader(text.splitlines())
    columns = reader.fieldnames or []
    missing = [name for name in (*NAMED, NOTE) if name not in columns]
    if missing:
        raise DataError(f"{path}: line 1: no column {missing[0]!r}", f"the columns begin {','.join(NAMED)}")
    return tuple(_row(path, reader.line_num, fields) for fields in reader)


def find_published(rows: Iterable[Published], model: str, benchmark: str) -> Published | None:
    """The first row of that model that has a figure for the benchmark, in the file's order."""
    return next((row for row in rows if row.model == model and benchmark in row.figures), None)


def against_published(score: Score, row: Published) -> PublishedComparison:
    """How far a run lies from a published figure, under the `paper` profile."""
    name, ours = next(iter(score.paper.items()))
    published = row.figures.get(score.benchmark)
    difference = outside = None
    if published is not None and ours.value is not None and ours.low is not None and ours.high is not None:
        outside = not 100 * ours.low <= published <= 100 * ours.high
        difference = 100 * ours.value - published
    return PublishedComparison(row, score.benchmark, name, ours, published, difference, outside)


def _row(path: Path, line: int, fields: Mapping[str | None, str | None]) -> Published:
    if None in fields or None in fields.values():
        raise DataError(f"{path}: line {line}: the number of values differs from the header")
    texts = {name: value for name, value in fields.items() if name is not None and value is not None}
    percents = {name: value for name, value in texts.items() if name not in (*NAMED, NOTE) and value}
    figures = {name: _percent(path, line, name, value) for name, value in percents.items()}
    return Published(texts["model"], texts["precision"], texts["source"], figures, texts[NOTE])


def _percent(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise DataError(f"{path}: line {line}: {name} is {text!r}, expected a percentage or nothing")
    return value
