"""Labelled pairs to learn from: a file like a benchmark of one's own, in which every row has a label.

A further column `reasons` is optional: why the label is right. In it {a} and {b} stand for the names that the prompt
gives to the answers, so that the reasons hold in either order. Reasons that name no answer so are learned in the given
order alone.
A row: {"question": "Greet me.", "a": "Hello.", "b": "No.", "label": "a", "reasons": "{a} greets, {b} refuses."}
Does not know: published files, prompts, how a judge learns.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_judge.benchmarks import custom
from edge_judge.benchmarks.rows import File, FileRow
from edge_judge.errors import DataError
from edge_judge.records import Pair, TrainingPair

REASONS = "reasons"


def read(file: File, name: str) -> Iterator[TrainingPair]:
    """The pairs of a file. name: as in `custom.read`. Raises DataError, with the line, for a row without a label."""
    return custom.read_with(file, name, _labelled, (REASONS,))


def _labelled(row: FileRow, pair: Pair) -> TrainingPair:
    if not pair.labels:
        raise DataError(f"{row.place}: no label, expected a, b or tie", "training needs a label on every pair")
    reasons = None if custom.optional_value(row, REASONS) is None else row.text(REASONS).strip()
    return TrainingPair(pair, reasons or None)
