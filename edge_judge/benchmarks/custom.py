"""A benchmark of one's own: a JSONL, CSV or parquet file with the columns `question`, `a` and `b`.

Optional columns: `id` (unique; else the file's name and the row's number), `label` (a, b or tie),
`reference` (a right answer), `group` (pairs that share one are one cluster). An optional value that is empty
or null is not given. Text may be empty in an answer, not in a question. Other columns are ignored.
A row: {"id": "hi-1", "question": "Greet me.", "a": "Hello.", "b": "No.", "label": "a", "group": "greetings"}

Knows: these columns. Does not know: published benchmarks, nor what a pair's name means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_judge.benchmarks.rows import File, Row, csv_rows, json_lines, parquet_rows
from edge_judge.errors import DataError
from edge_judge.records import Label, Pair

REQUIRED = ("question", "a", "b")
OPTIONAL = ("id", "label", "reference", "group")
FORMATS: dict[str, Callable[[File], Iterator[Row]]] = {
    ".jsonl": json_lines,
    ".csv": csv_rows,
    ".parquet": parquet_rows,
}
_LABELS: dict[str, Label] = {"a": "a", "b": "b", "tie": "tie"}


def read(file: File, name: str) -> Iterator[Pair]:
    """The pairs of a file; `name` begins the ids of rows that have none."""
    rows = FORMATS.get(file.path.suffix.lower())
    if rows is None:
        raise DataError(f"{file.path}: unknown format, expected a file named {' or '.join(FORMATS)}")
    places: dict[str, str] = {}
    for number, row in enumerate(rows(file), start=1):
        _check_columns(row)
        pair = _pair(row, default_id=f"{name}/{number:04d}")
        if pair.id in places:
            raise DataError(f"{row.place}: id '{pair.id}' occurs twice, first at {places[pair.id]}")
        places[pair.id] = row.place
        yield pair


def name_of(path: Path, taken: frozenset[str]) -> str:
    """A file's name as a benchmark's: usable as a folder, and never that of a published one."""
    name = re.sub(r"[^\w.-]+", "-", path.stem).strip(".-") or "custom"
    return f"{name}-custom" if name in taken else name


def has_ties(pairs: tuple[Pair, ...]) -> bool:
    """Whether a tie is a legal verdict: labels that never tie mean it is not; without labels it is."""
    labels = [label for pair in pairs for label in pair.labels]
    return not labels or "tie" in labels


def _pair(row: Row, default_id: str) -> Pair:
    label = _given(row, "label")
    return Pair(
        id=_name(row, "id") or default_id,
        question=row.question("question"),
        a=row.text("a"),
        b=row.text("b"),
        labels=() if label is None else (row.label("label", _LABELS),),
        group=_name(row, "group") or "",
        reference=None if _given(row, "reference") is None else row.text("reference"),
    )


def _check_columns(row: Row) -> None:
    # "Label" is not ignored as an unknown column: a whole file's labels would vanish without a word.
    for column in row.values:
        meant = column.strip().lower()
        if meant in (*REQUIRED, *OPTIONAL) and meant not in row.values:
            raise DataError(f"{row.place}: column '{column}', expected '{meant}'", f"rename it to '{meant}'")


def _given(row: Row, column: str) -> object | None:
    value = row.values.get(column)
    return None if value == "" else value


def _name(row: Row, column: str) -> str | None:
    value = _given(row, column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # numbered rows are as common as named ones
    return None if value is None else row.text(column)
