"""Reads files of rows in any format: JSON lines, a JSON list, CSV, parquet. Each row knows its place.

Knows: how to read each format, and how to name the place (file and line) of a missing or unexpected value.
Does not know: the columns of a benchmark, or the meaning of its labels.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from edge_judge import foreign_json
from edge_judge.errors import DataError
from edge_judge.records import Label

_LONGEST_FIELD = 2**31 - 1  # characters of a CSV value; Python's own limit of 131,072 is less than a long answer has
MOST_FILE, MOST_LINE = 1 << 30, 1 << 26  # characters of a JSON list, of one line


@dataclass(frozen=True, slots=True)
class File:
    """A file in memory: what is hashed is what is read, even if the file changes meanwhile."""

    path: Path
    content: bytes

    @classmethod
    def open(cls, path: Path) -> File:
        """Raises DataError if the file cannot be read."""
        try:
            return cls(path, path.read_bytes())
        except IsADirectoryError:
            raise DataError(f"{path}: a folder, expected a file") from None
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def text(self) -> str:
        try:
            return self.content.decode("utf-8-sig")  # spreadsheets put a byte order mark before their CSV
        except UnicodeDecodeError as error:
            line = self.content.count(b"\n", 0, error.start) + 1
            raise DataError(f"{self.path}:{line}: not UTF-8 text", "save the file as UTF-8") from None


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row. place: its file and line, for messages. Its methods raise DataError for a value of another type."""

    place: str
    values: Mapping[str, object]

    def value(self, column: str) -> object:
        if column not in self.values:
            columns = ", ".join(self.values) or "none"
            raise DataError(f"{self.place}: no column '{column}'", f"columns found: {columns}")
        return self.values[column]

    def text(self, column: str) -> str:
        value = self.value(column)
        if not isinstance(value, str):
            raise self.wrong(column, value, "text")
        try:
            value.encode()
        except UnicodeEncodeError:  # JSON can spell half a character ("\ud800"), which no tokenizer takes
            problem = "holds half a surrogate pair, expected text"
            raise DataError(f"{self.place}: column '{column}' {problem}") from None
        return value

    def question(self, column: str) -> str:
        """Text that is not blank: an answer may be empty, but not a question."""
        text = self.text(column)
        if not text.strip():
            raise DataError(f"{self.place}: column '{column}' is empty, expected a question")
        return text

    def integer(self, column: str) -> int:
        value = self.value(column)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(column, value, "a whole number")
        return value

    def label(self, column: str, meaning: Mapping[str, Label]) -> Label:
        # Looked up as text: 1 and "1" are the same label, and JSON's true is none (True == 1 in Python).
        value = self.value(column)
        if str(value) not in meaning:
            raise self.wrong(column, value, f"one of {', '.join(meaning)}")
        return meaning[str(value)]

    def wrong(self, column: str, value: object, expected: str) -> DataError:
        return DataError(f"{self.place}: column '{column}' is {_shown(value)}, expected {expected}")


def json_lines(file: File) -> Iterator[FileRow]:
    """One JSON object a line; blank lines are skipped."""
    # Not splitlines(): it also splits at U+2028 and the like, which a JSON string may contain unescaped.
    for number, line in enumerate(file.text().split("\n"), start=1):
        if line.strip():
            place = f"{file.path}:{number}"
            yield _row(place, _parsed(line, place))


def json_items(file: File) -> Iterator[FileRow]:
    """One JSON list of objects. After parsing, the line of an item is unknown, so its place is its number, from 1."""
    try:
        items = foreign_json.parse(file.text(), most=MOST_FILE, nan=True, surrogates=True)
    except json.JSONDecodeError as error:
        raise DataError(f"{file.path}:{error.lineno}: not JSON: {error.msg}") from None
    except ValueError as error:
        raise DataError(f"{file.path}: not JSON: {error}") from None
    if not isinstance(items, list):
        raise DataError(f"{file.path}: expected a JSON list of objects")
    for number, item in enumerate(items, start=1):
        yield _row(f"{file.path}, item {number}", item)


def csv_rows(file: File, delimiter: str = ",") -> Iterator[FileRow]:
    """Values under a header line, with commas between them. The place of a record is the line where it begins."""
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(io.StringIO(file.text(), newline=""), delimiter=delimiter, strict=True)
    records = _records(reader, file.path)
    header = [name.strip() for name in next(records, (0, []))[1]]
    doubled = sorted(name for name, count in Counter(header).items() if count > 1)
    if doubled:
        raise DataError(f"{file.path}:1: column '{doubled[0]}' occurs twice in the header")
    for line, fields in records:
        place = f"{file.path}:{line}"
        if len(fields) != len(header):
            raise DataError(
                f"{place}: {len(fields)} values, expected {len(header)} as in the header",
                'put a value with a comma, a quote or a line break in "double quotes"',
            )
        yield FileRow(place, dict(zip(header, fields, strict=True)))


def parquet_rows(file: File) -> Iterator[FileRow]:
    """Rows of a parquet file. Raises DataError if the optional pyarrow is not installed."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        hint = "pip install pyarrow, or save the rows as JSON"
        raise DataError(f"{file.path}: reading parquet needs pyarrow, which is not installed", hint) from None
    try:
        rows = parquet.read_table(arrow.BufferReader(file.content)).to_pylist()
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:  # a text may be no UTF-8
        raise DataError(f"{file.path}: not a parquet file: {_first_line(error)}") from None
    for number, values in enumerate(rows, start=1):
        yield FileRow(f"{file.path}, row {number}", values)


def _records(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{path}:{line}: not CSV: {error}") from None
        if fields:
            yield line, fields


def _parsed(line: str, place: str) -> object:
    try:
        return foreign_json.parse(line, most=MOST_LINE, nan=True, surrogates=True)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not JSON: {error.msg} (column {error.colno})") from None
    except ValueError as error:
        raise DataError(f"{place}: not JSON: {error}") from None


def _row(place: str, value: object) -> FileRow:
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected a JSON object, got {_shown(value)}")
    return FileRow(place, value)


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
