"""A run in slices -> the tables of the page: by category of the task, and by length.

Knows: which tables a run has. Does not know: HTML. It computes no figure, and takes the rows that the terminal shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from edge_judge.analysis.slices import Slices
from edge_judge.report.columns import INTERVAL_LINE
from edge_judge.report.formatting import dash
from edge_judge.report.slices import (
    CATEGORY_HEADINGS,
    LENGTH_HEADINGS,
    about_categories,
    category_rows,
    length_rows,
)


class SliceTable(TypedDict):
    """As the page's scripts read it. about: what to make of it, a line each."""

    headings: list[str]
    rows: list[list[str]]
    about: list[str]


def slice_tables(found: Slices | None) -> list[SliceTable]:
    """The tables of a run; none where its benchmark has no categories and no lengths that differ."""
    if found is None:
        return []
    tables: list[SliceTable] = []
    if len(found.categories) > 1:
        tables.append(_table("category", CATEGORY_HEADINGS, category_rows(found), list(about_categories(found))))
    if found.length is not None:
        tables.append(_table("by length", LENGTH_HEADINGS, length_rows(found.length), []))
    return tables


def _table(first: str, others: Sequence[str], rows: Sequence[Sequence[str]], about: Sequence[str]) -> SliceTable:
    headings = [first, *(heading.removesuffix(INTERVAL_LINE).replace("\n", " ") for heading in others)]
    return {
        "headings": headings[: len(rows[0])],
        "rows": [[dash(text) for text in row] for row in rows],
        "about": list(about),
    }
