"""A user's own benchmark: a JSONL, CSV or parquet file with the columns `question`, `a` and `b`.

Optional columns: `id` (unique; by default the file's name and the row's number), `label` (a, b or tie),
`reference` (a right answer), `group` (pairs with the same group are one cluster), `category` (the kind of the task, a
row of `edge-judge slices`). An optional value that is empty
or null counts as missing. An answer may be empty, a question may not. Other columns are ignored.
A row: {"id": "hi-1", "question": "Greet me.", "a": "Hello.", "b": "No.", "label": "a", "group": "greetings"}

Knows: these columns, and the rules for any file of a user: its format, and the spelling of its columns.
Does not know: published benchmarks, or the meaning of a pair's id.
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
OPTIONAL = ("id", "label", "reference", "group", "category")
COLUMNS = (*REQUIRED, *OPTIONAL)
FORMATS: dict[str, Callable[[File], Iterator[FileRow]]] = {
    ".jsonl": json_lines,
    ".csv": csv_rows,
    ".parquet": parquet_rows,
}
EXAMPLE = 'a benchmark has rows like {"question": "Greet me.", "a": "Hello.", "b": "No.", "label": "a"}'
_LABELS: dict[str, Label] = {"a": "a", "b": "b", "tie": "tie"}
_Converted = TypeVar("_Converted")


def read(file: File, name: str) -> Iterator[Pair]:
    """The pairs of a file. name: the beginning of the ids of rows that have none. Raises DataError."""
    return read_with(file, name, lambda _, pair: pair)


def read_with(
    file: File, name: str, convert: Callable[[FileRow, Pair], _Converted], more: Sequence[str] = ()
) -> Iterator[_Converted]:
    """What `convert` makes of each row and its pair. more: columns that it reads, beside those of a pair."""
    places: dict[str, str] = {}

    def converted(number: int, row: FileRow) -> _Converted:
        pair = _pair(row, default_id=f"{name}/{number:04d}")
        if pair.id in places:
            raise DataError(f"{row.place}: id '{pair.id}' occurs twice, first at {places[pair.id]}")
        places[pair.id] = row.place
        return convert(row, pair)

    return convert_rows(file, (*COLUMNS, *more), converted)


def convert_rows(
    file: File, columns: Sequence[str], convert: Callable[[int, FileRow], _Converted]
) -> Iterator[_Converted]:
    """Convert each numbered row. Raises the first row's DataError, with the number of other rows that are broken."""

    def checked(number: int, row: FileRow) -> _Converted:
        _check_columns(row, columns)
        return convert(number, row)

    numbered = enumerate(rows_of(file), start=1)
    for number, row in numbered:
        try:
            converted = checked(number, row)
        except DataError as error:
            raise DataError(f"{error}{_and_more(numbered, checked)}", error.hint) from None
        yield converted


def rows_of(file: File) -> Iterator[FileRow]:
    """The rows of a file. Its suffix names its format. Raises DataError for another one."""
    rows = FORMATS.get(file.path.suffix.lower())
    if rows is None:
        raise DataError(f"{file.path}: unknown format, expected a file that ends in {', '.join(FORMATS)}")
    return rows(file)


@contextmanager
def hinting(hint: str) -> Iterator[None]:
    """Add a hint to a DataError that has none."""
    try:
        yield
    except DataError as error:
        raise DataError(str(error), error.hint or hint) from None


def name_of(path: Path, taken: frozenset[str] = frozenset()) -> str:
    """A name for a folder, from a file's name. taken: names of published benchmarks, which it must not have."""
    name = re.sub(r"[^\w.-]+", "-", path.stem).strip(".-") or "custom"
    return f"{name}-custom" if name in taken else name


def has_ties(pairs: tuple[Pair, ...]) -> bool:
    """Whether a tie is a legal verdict: it is if some label is a tie, or if there are no labels."""
    labels = [label for pair in pairs for label in pair.labels]
    return not labels or "tie" in labels


def optional_value(row: FileRow, column: str) -> object | None:
    """The value of a column; None if it is missing or empty."""
    value = row.values.get(column)
    return None if value == "" else value


def _pair(row: FileRow, default_id: str) -> Pair:
    label = optional_value(row, "label")
    return Pair(
        id=_optional_name(row, "id") or default_id,
        question=row.question("question"),
        a=row.text("a"),
        b=row.text("b"),
        labels=() if label is None else (row.label("label", _LABELS),),
        group=_optional_name(row, "group") or "",
        category=_optional_name(row, "category") or "",
        reference=None if optional_value(row, "reference") is None else row.text("reference"),
    )


def _check_columns(row: FileRow, columns: Sequence[str]) -> None:
    # If "Label" were ignored as an unknown column, all labels of a file would be lost silently.
    for column in row.values:
        expected = column.strip().lower()
        if expected in columns and expected not in row.values:
            raise DataError(f"{row.place}: column '{column}', expected '{expected}'", f"rename it to '{expected}'")


def _and_more(rest: Iterator[tuple[int, FileRow]], convert: Callable[[int, FileRow], object]) -> str:
    """The end of a message: how many of the other rows are broken."""
    broken, least = 0, ""
    try:
        for number, row in rest:
            try:
                convert(number, row)
            except DataError:
                broken += 1
    except DataError:  # a line that is no row: the lines below it are not read
        broken, least = broken + 1, "at least "
    return f"; {least}{broken} more row{'s are' if broken > 1 else ' is'} broken" if broken else ""


def _optional_name(row: FileRow, column: str) -> str | None:
    value = optional_value(row, column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # numbered rows are as common as named ones
    return None if value is None else row.text(column)
