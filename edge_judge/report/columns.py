"""A table as a tuple of columns, each with its heading and its cells in one place -> terminal, CSV, Markdown, page.

Who adds a column to a table adds one `Column` to its tuple, and every format has it.

Knows: how each format writes a heading, a cell and what is missing: "-" for a person, an empty field in CSV.
Does not know: which tables there are, where their rows come from.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Generic, TypeVar

from rich.console import RenderableType

from edge_judge.records import Figure
from edge_judge.report.formatting import table

Row = TypeVar("Row")
Value = str | int | float | bool | None
INTERVAL_LINE = "\n[95 % interval]"  # below a heading whose cells have one, in a terminal


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column of a table of rows.

    heading, text: the heading and a row's cell, their lines divided by line breaks. values: the fields in CSV, by a
    name that ends in the unit. page_heading, page_text: what the page has instead, where it differs. bold: whether the
    column is the one that matters most. in_terminal: False where only the page has room for it.
    """

    heading: str
    text: Callable[[Row], str]
    values: Mapping[str, Callable[[Row], Value]] = field(default_factory=dict)
    page_heading: str | None = None
    page_text: Callable[[Row], str] | None = None
    bold: bool = False
    in_terminal: bool = True

    @property
    def heading_on_page(self) -> str:
        """The heading in one line."""
        return self.page_heading or self.heading.removesuffix(INTERVAL_LINE).replace("\n", " ")

    def on_page(self, row: Row) -> str:
        """The cell in one line."""
        return (self.page_text or self.text)(row).replace("\n", ", ")


def figure_values(name: str, unit: str, read: Callable[[Row], Figure | None]) -> dict[str, Callable[[Row], Value]]:
    """The CSV fields of a figure: its value and the ends of its interval."""

    def end(part: str) -> Callable[[Row], Value]:
        return lambda row: getattr(read(row), part, None)

    return {f"{name}_{unit}": end("value"), f"{name}_low_{unit}": end("low"), f"{name}_high_{unit}": end("high")}


def terminal_table(title: str, columns: Sequence[Column[Row]], rows: Iterable[Row]) -> RenderableType:
    """The columns for a terminal; the first one to the left, and folded where the width is short."""
    shown = [column for column in columns if column.in_terminal]
    bold = frozenset(place for place, column in enumerate(shown) if column.bold)
    return table(title, [column.heading for column in shown], [[c.text(row) for c in shown] for row in rows], bold)


def csv_text(fields: Mapping[str, Callable[[Row], Value]], rows: Iterable[Row]) -> str:
    """A line for each row; the fields' names are the header. What is missing is empty."""
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(fields)
    lines.writerows([_in_csv(read(row)) for read in fields.values()] for row in rows)
    return text.getvalue()


def all_values(columns: Iterable[Column[Row]]) -> dict[str, Callable[[Row], Value]]:
    """The CSV fields of the columns, in their order."""
    return {name: read for column in columns for name, read in column.values.items()}


def markdown_text(headings: Sequence[str], left: int, lines: Iterable[Sequence[str]]) -> str:
    """A table as GitHub shows one. left: so many of the first columns are aligned to the left. Cells are Markdown."""
    rule = ["---" if place < left else "---:" for place in range(len(headings))]
    return "".join(f"| {' | '.join(line)} |\n" for line in [headings, rule, *lines])


def escaped(text: str) -> str:
    """Text that GitHub shows as it is: a name may hold any character, and a pipe would begin a cell."""
    text = re.sub(r"([\\|*~`&<>\[\]])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\_", text)  # inside a word it is only a character


def _in_csv(value: Value) -> Value:
    return str(value).lower() if isinstance(value, bool) else value
