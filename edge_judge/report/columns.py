"""A table as a tuple of columns, each with its heading, its cells and its CSV fields in one place.

Who adds a column to a table adds one `Column` to its tuple, and every form of the table and the page have it.

Knows: what a column is. Does not know: which tables there are, where their rows come from, how a form writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Generic, TypeVar

from edge_judge.records import Figure
from edge_judge.report.formatting import Table, table

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


def at(path: str) -> Callable[[object], Any]:
    """Reads what stands at the path in a row, like `run.accuracy`; None where a part of the way is None."""
    names = path.split(".")
    return lambda row: reduce(lambda part, name: None if part is None else getattr(part, name), names, row)


def terminal_table(title: str, columns: Sequence[Column[Row]], rows: Iterable[Row]) -> Table:
    """The columns for a terminal; the first one to the left, and folded where the width is short."""
    shown = [column for column in columns if column.in_terminal]
    bold = frozenset(place for place, column in enumerate(shown) if column.bold)
    return table(title, [column.heading for column in shown], [[c.text(row) for c in shown] for row in rows], bold)


def whole_table(title: str, columns: Sequence[Column[Row]], rows: Iterable[Row]) -> Table:
    """All columns, each cell in one line, where there is room for them: for Markdown and LaTeX, as on the page."""
    cells = [[column.on_page(row) for column in columns] for row in rows]
    return table(title, [column.heading_on_page for column in columns], cells)


def all_values(columns: Iterable[Column[Row]]) -> dict[str, Callable[[Row], Value]]:
    """The CSV fields of the columns, in their order."""
    return {name: read for column in columns for name, read in column.values.items()}
