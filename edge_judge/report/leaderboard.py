"""The table of judges by benchmarks -> every form, and JSON.

Knows: how many benchmarks fit side by side, and how each format writes what is missing: a dash for a person,
null for a program, an empty field in CSV.
Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from textwrap import wrap

from rich.cells import cell_len

from edge_judge.analysis.leaderboard import API, Cell, Leaderboard, LeaderboardRow
from edge_judge.metrics.published import Published
from edge_judge.metrics.scoring import DEPARTURES
from edge_judge.report.columns import at
from edge_judge.report.formatting import (
    UNDEFINED,
    Form,
    Part,
    Table,
    interval,
    notes,
    signed_number,
    table,
    value,
)
from edge_judge.report.forms import Sheet, sheet, written
from edge_judge.report.scores import NEAR_CHANCE, people_note

OUTSIDE, PARTIAL, WEAK = "*", "~", "!"  # before a figure, so that digits stay below digits
HEADING = 10  # columns of a heading's longest line, unless a word of it is longer
LABEL = 28  # columns for a judge's name; a longer one is folded
GAP = 2  # columns between two of the table's
NEVER = "not run"
TITLE = "Judges by benchmarks, percent"
PROFILES = {
    "paper": "ours: profile paper, scored as the published figures were",
    "strict": "ours: profile strict (a missing verdict is wrong, both orders count), not comparable with published",
}

FIELDS = {  # of CSV, and the path to each in a `_Place`
    "model": "row.model", "scheme": "row.scheme", "grammar": "row.grammar", "profile": "profile", "bytes": "row.bytes",
    "benchmark": "cell.benchmark", "figure": "cell.figure",
    "share": "cell.ours.value", "share_low": "cell.ours.low", "share_high": "cell.ours.high",
    "k": "cell.ours.k", "n": "cell.ours.n", "pairs": "cell.pairs", "pairs_total": "cell.pairs_total",
    "near_chance": "cell.near_chance", "human_agreement_share": "cell.human_agreement.value",
    "attainable_share": "cell.attainable.value",
    "from_f16_points": "cell.from_f16.value", "from_f16_low_points": "cell.from_f16.low",
    "from_f16_high_points": "cell.from_f16.high", "published_percent": "cell.published", "precision": "cell.precision",
    "source": "cell.source", "from_published_points": "cell.from_published", "outside": "cell.outside",
}  # fmt: skip


def judges_table(content: Leaderboard, *, form: Form = "table", width: int = 80, color: bool = False) -> str:
    """In a terminal: a judge's published figures beside its name, ours in the lines below it. Benchmarks that do not
    fit into the width side by side go on in further tables; no figure is ever cut.

    In Markdown and LaTeX: a line for each row, our figures with intervals and the differences below them. In CSV: a
    line for each figure.
    """
    if form == "table":
        parts: list[Part] = [*_narrow_tables(content, width)]
        parts.append(notes(*_notes(content), "95 % intervals of all this: --markdown, --latex, --csv, --json"))
    else:
        parts = [_whole_table(content), notes(*_notes(content))]
    return written(parts, [_sheet(content)], form=form, width=width, color=color)


def _narrow_tables(content: Leaderboard, width: int) -> Iterator[Table]:
    lines = [line for model in _models(content.rows) for line in _lines(model)]
    title = TITLE
    for places in _side_by_side(content.benchmarks, lines, width):
        headings = ["judge", *("\n".join(_heading(content.benchmarks[place])) for place in places)]
        cells = [[line.label, *(line.texts[place] for place in places)] for line in lines if line.says(places)]
        yield table(title, headings, cells)
        title = ""


def judges_json(content: Leaderboard) -> list[dict[str, object]]:
    """The rows with their cells: `ours` as shares with k and n, differences in points, published in percent."""
    return [
        {
            "model": row.model,
            "scheme": row.scheme,
            "grammar": row.grammar,
            "profile": content.profile,
            "bytes": row.bytes,
            "precision": row.published.precision if row.published else None,
            "source": row.published.source if row.published else None,
            "note": row.published.note if row.published else None,
            "cells": [asdict(cell) for cell in row.cells],
        }
        for row in content.rows
    ]


def _sheet(content: Leaderboard) -> Sheet:
    """A line for each row and benchmark with the numbers of `judges_json`, their units in the columns' names."""
    places = [_Place(content.profile, row, cell) for row in content.rows for cell in row.cells]
    return sheet("figures", {name: at(path) for name, path in FIELDS.items()}, places)


@dataclass(frozen=True, slots=True)
class _Place:
    """A line of the CSV."""

    profile: str
    row: LeaderboardRow
    cell: Cell


def _whole_table(content: Leaderboard) -> Table:
    """A line for each row, our figures with intervals and the differences below them."""
    lines = []
    for rows in _models(content.rows):
        for row in rows:
            lines.append([row.model, _origin(row), *(_whole_cell(row, cell) for cell in row.cells)])
        if _never_run(rows):
            lines.append([rows[0].model, NEVER, *(UNDEFINED for _ in content.benchmarks)])
    return table(TITLE, ["judge", "figures", *content.benchmarks], lines, words=2)


@dataclass(frozen=True, slots=True)
class _Line:
    """A label, and a text for each benchmark. difference: of the line above, so that it may be left out."""

    label: str
    texts: list[str]
    difference: bool = False

    def says(self, places: Sequence[int]) -> bool:
        return not self.difference or any(self.texts[place] != UNDEFINED for place in places)


def _lines(rows: Sequence[LeaderboardRow]) -> Iterator[_Line]:
    """The lines of one judge."""
    nothing = [UNDEFINED for _ in rows[0].cells]
    if not any(row.published for row in rows):
        yield _Line(rows[0].model, nothing)
    for row in rows:
        if row.published:
            yield _Line(_title(row.published), [_number(cell.published) for cell in row.cells])
            continue
        yield _Line(f"  {row.scheme} {row.grammar}", [_ours(cell, value(cell.ours, _percent)) for cell in row.cells])
        yield _Line("    from f16", [value(cell.from_f16, _points) for cell in row.cells], difference=True)
        yield _Line("    from published", [_from_published(cell) for cell in row.cells], difference=True)
    if _never_run(rows):
        yield _Line(f"  {NEVER}", nothing)


def _models(rows: Sequence[LeaderboardRow]) -> list[list[LeaderboardRow]]:
    """The rows of each judge; judges with a run come first."""
    models = [list(group) for _, group in groupby(rows, key=lambda row: row.model)]
    return sorted(models, key=lambda group: all(row.published for row in group))


def _never_run(rows: Sequence[LeaderboardRow]) -> bool:
    """Whether a judge that could be run here never was."""
    return all(row.published and row.published.precision != API for row in rows)


def _title(row: Published) -> str:
    """A published row's name; whose figures they are is said where they are not the user's own."""
    return row.model if row.source == "user" else f"{row.model} ({row.source})"


def _origin(row: LeaderboardRow) -> str:
    if row.published:
        return f"published, {row.published.precision} ({row.published.source})"
    return f"{row.scheme} {row.grammar}"


def _number(published: float | None) -> str:
    return UNDEFINED if published is None else f"{published:.2f}"


def _percent(share: float) -> str:
    """With the two digits of the published figures."""
    return f"{100 * share:.2f}"


def _points(number: float) -> str:
    return signed_number(number, "+.2f")


def _ours(cell: Cell, text: str) -> str:
    if cell.ours.value is None:
        return text
    return f"{WEAK if cell.near_chance else ''}{PARTIAL if cell.partial else ''}{text}"


def _from_published(cell: Cell) -> str:
    if cell.from_published is None:
        return UNDEFINED
    return f"{OUTSIDE if cell.outside else ''}{_points(cell.from_published)}"


def _whole_cell(row: LeaderboardRow, cell: Cell) -> str:
    if row.published:
        return _number(cell.published)
    parts = [_ours(cell, interval(cell.ours, _percent))]
    if cell.from_f16.value is not None:
        parts.append(f"{interval(cell.from_f16, _points)} from f16")
    if cell.from_published is not None:
        parts.append(f"{_from_published(cell)} from published")
    return "\n".join(parts)


def _heading(benchmark: str) -> list[str]:
    return wrap(benchmark, HEADING) or [benchmark]


def _side_by_side(benchmarks: Sequence[str], lines: Sequence[_Line], width: int) -> list[list[int]]:
    """The benchmarks' places, in as few tables as the width allows and about as many in each."""
    room = width - min(LABEL, max(cell_len(line.label) for line in lines))
    wide = [
        GAP + max(map(cell_len, [*_heading(name), *(line.texts[place] for line in lines)]))
        for place, name in enumerate(benchmarks)
    ]
    for tables in range(1, len(benchmarks) + 1):
        parts = _evenly(len(benchmarks), tables)
        if all(sum(wide[place] for place in part) <= room for part in parts):
            return parts
    return [[place] for place in range(len(benchmarks))]


def _evenly(count: int, parts: int) -> list[list[int]]:
    ends = [count * part // parts for part in range(parts + 1)]
    return [list(range(start, end)) for start, end in zip(ends, ends[1:], strict=False)]


def _notes(content: Leaderboard) -> Iterator[str]:
    """What must be known to read the table, a line each."""
    cells = [cell for row in content.rows for cell in row.cells]
    compared = dict.fromkeys(cell.benchmark for cell in cells if cell.from_published is not None)
    both_orders = dict.fromkeys(cell.benchmark for cell in cells if cell.figure == "agreement")
    yield "first row of a judge: published figures; (paper): from the original paper"
    yield PROFILES[content.profile]
    if both_orders:
        yield f"{', '.join(both_orders)}: agreement, right in both orders; the others: accuracy in the order given"
    if any(cell.from_f16.value is not None for cell in cells):
        yield "from f16: points, ours minus the f16 run of the same judge, benchmark, grammar and settings, paired"
    if compared:
        yield "from published: points, ours minus the judge's first published figure"
        yield f"{OUTSIDE}: the published figure lies outside our 95 % interval"
    if any(cell.partial for cell in cells):
        yield f"{PARTIAL}: on the part of the benchmark's pairs that was judged"
    if any(cell.near_chance for cell in cells):
        yield f"{WEAK}: {NEAR_CHANCE}, under the profile strict"
    yield f"{UNDEFINED}: not run, or not published"
    yield from _people(cells)
    yield from (f"{name}: {DEPARTURES[name]}" for name in compared if name in DEPARTURES)


def _people(cells: Sequence[Cell]) -> Iterator[str]:
    """How far people agree on each benchmark, over the most of its pairs that any run judged."""
    defined = [cell for cell in cells if cell.attainable.value is not None]
    most = {cell.benchmark: cell for cell in sorted(defined, key=lambda cell: cell.pairs or 0)}
    yield from (people_note(name, cell.human_agreement, cell.attainable) for name, cell in most.items())
