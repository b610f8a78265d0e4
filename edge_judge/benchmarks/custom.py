"""A benchmark of one's own: a JSONL, CSV or parquet file with the columns `question`, `a` and `b`.

Optional columns: `id` (unique; else the file's name and the row's number), `label` (a, b or tie),
`reference` (a right answer), `group` (pairs that share one are one cluster). An optional value that is empty
or null is not given. Text may be empty in an answer, not in a question. Other columns are ignored.
A row: {"id": "hi-1", "question": "Greet me.", "a": "Hello.", "b": "No.", "label": "a", "group": "greetings"}

Knows: these columns, and what holds for any file of one's own: its format, and how its columns are spelt.
Does not know: published benchmarks, nor what a pair's name means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from edge_judge.benchmarks.rows import File, FileRow, csv_rows, json_lines, parquet_rows
from edge_judge.errors import DataError
from edge_judge.records import Label, Pair

REQUIRED = ("question", "a", "b")
OPTIONAL = ("id", "label", "reference", "group")
COLUMNS = (*REQUIRED, *OPTIONAL)
FORMATS: dict[str, Callable[[File], Iterator[FileRow]]] = {
    ".jsonl": json_lines,
    ".csv": csv_rows,
    ".parquet": parquet_rows,
}
EXAMPLE = 'a benchmark has rows like {"question": "Greet me.", "a": "Hello.", "b": "No.", "label": "a"}'
_LABELS: dict[str, Label] = {"a": "a", "b": "b", "tie": "tie"}
_Made = TypeVar("_Made")


def read(file: File, name: str) -> Iterator[Pair]:
    """The pairs of a file; `name` begins the ids of rows that have none."""
    places: dict[str, str] = {}

    def pair(number: int, row: FileRow) -> Pair:
        made = _pair(row, default_id=f"{name}/{number:04d}")
        if made.id in places:
            raise DataError(f"{row.place}: id '{made.id}' occurs twice, first at {places[made.id]}")
        places[made.id] = row.place
        return made

    return each(file, COLUMNS, pair)


def each(file: File, columns: Sequence[str], make: Callable[[int, FileRow], _Made]) -> Iterator[_Made]:
    """What `make` makes of each numbered row, or the first row's error, with how many other rows are broken."""

    def checked(number: int, row: FileRow) -> _Made:
        _check_columns(row, columns)
        return make(number, row)

    numbered = enumerate(rows_of(file), start=1)
    for number, row in numbered:
        try:
            made = checked(number, row)
        except DataError as error:
            raise DataError(f"{error}{_and_more(numbered, checked)}", error.hint) from None
        yield made


def rows_of(file: File) -> Iterator[FileRow]:
    """The rows of a file in any of the formats, as its name tells them apart."""
    rows = FORMATS.get(file.path.suffix.lower())
    if rows is None:
        raise DataError(f"{file.path}: unknown format, expected a file named {' or '.join(FORMATS)}")
    return rows(file)


@contextmanager
def hinting(hint: str) -> Iterator[None]:
    """Gives this hint to an error that has none."""
    try:
        yield
    except DataError as error:
        raise DataError(str(error), error.hint or hint) from None


def name_of(path: Path, taken: frozenset[str] = frozenset()) -> str:
    """A file's name as a folder's, and never one that is taken: by a published benchmark."""
    name = re.sub(r"[^\w.-]+", "-", path.stem).strip(".-") or "custom"
    return f"{name}-custom" if name in taken else name


def has_ties(pairs: tuple[Pair, ...]) -> bool:
    """Whether a tie is a legal verdict: labels that never tie mean it is not; without labels it is."""
    labels = [label for pair in pairs for label in pair.labels]
    return not labels or "tie" in labels


def given(row: FileRow, column: str) -> object | None:
    """A column's value, None where it is missing or empty."""
    value = row.values.get(column)
    return None if value == "" else value


def _pair(row: FileRow, default_id: str) -> Pair:
    label = given(row, "label")
    return Pair(
        id=_name(row, "id") or default_id,
        question=row.question("question"),
        a=row.text("a"),
        b=row.text("b"),
        labels=() if label is None else (row.label("label", _LABELS),),
        group=_name(row, "group") or "",
        reference=None if given(row, "reference") is None else row.text("reference"),
    )


def _check_columns(row: FileRow, columns: Sequence[str]) -> None:
    # "Label" is not ignored as an unknown column: a whole file's labels would vanish without a word.
    for column in row.values:
        meant = column.strip().lower()
        if meant in columns and meant not in row.values:
            raise DataError(f"{row.place}: column '{column}', expected '{meant}'", f"rename it to '{meant}'")


def _and_more(rest: Iterator[tuple[int, FileRow]], make: Callable[[int, FileRow], object]) -> str:
    broken, least = 0, ""
    try:
        for number, row in rest:
            try:
                make(number, row)
            except DataError:
                broken += 1
    except DataError:  # a line that is no row: what stands below it is not read
        broken, least = broken + 1, "at least "
    return f"; {least}{broken} more row{'s are' if broken > 1 else ' is'} broken" if broken else ""


def _name(row: FileRow, column: str) -> str | None:
    value = given(row, column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # numbered rows are as common as named ones
    return None if value is None else row.text(column)
