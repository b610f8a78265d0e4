"""The four figures of a run that a person looks at first -> one small table.

Knows: which figures these are, and how they fit 80 columns. Does not know: where they come from, what to do next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from edge_judge.metrics.scoring import near_chance
from edge_judge.records import Figure
from edge_judge.report.formatting import (
    Table,
    count,
    difference_of_shares,
    interval,
    natural_width,
    notes,
    percent,
    render,
    table,
)
from edge_judge.report.scores import NEAR_CHANCE, ScoreRow, cautions, labelled_cell, some_labelled

MORE = "all figures: --verbose"


def summary_table(rows: Sequence[ScoreRow], *, width: int = 80, color: bool = False) -> str:
    """Accuracy, format errors and position bias with their 95 % intervals, and verdicts a minute, a row for each run.

    Runs on one benchmark are one table; where there are several benchmarks each judge has its own. Consistency stands
    where people labelled no pair. width: columns; where they are few an interval stands below its figure.
    """
    if len({row.score.benchmark for row in rows}) == 1:
        tables = [_fitting(rows, "judge", _judge, width)]
    else:
        judges = [list(group) for _, group in groupby(rows, key=_judge)]
        tables = [_fitting(group, "benchmark", lambda row: row.score.benchmark, width) for group in judges]
    lines = [line for row in rows for line in cautions(row)]
    if any(near_chance(row.score.strict["accuracy"], row.score.baselines) for row in rows):
        lines.append(NEAR_CHANCE)
    return render([*tables, notes(*lines, MORE)], width, color)


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    text: Callable[[ScoreRow], str]


def _fitting(rows: Sequence[ScoreRow], first: str, name: Callable[[ScoreRow], str], width: int) -> Table:
    """The table with each interval beside its figure, or below it where the width is short."""
    wide = _table(rows, first, name, " [")
    return wide if natural_width(wide) <= width else _table(rows, first, name, "\n[")


def _table(rows: Sequence[ScoreRow], first: str, name: Callable[[ScoreRow], str], between: str) -> Table:
    columns = [_Column(first, name), *_pairs(rows), *_figures(rows, between)]
    bold = frozenset(place for place, column in enumerate(columns) if column.heading.startswith("accuracy"))
    lines = [[column.text(row) for column in columns] for row in rows]
    return table(_title(rows, first), [column.heading for column in columns], lines, bold)


def _title(rows: Sequence[ScoreRow], first: str) -> str:
    """What all rows have in common."""
    score = rows[0].score
    grammars = {row.score.grammar for row in rows}
    shared = score.benchmark if first == "judge" else f"{score.model} {score.scheme}"
    counted = "" if _differ(rows) else f": {score.pairs:,} pairs, {score.verdicts:,} verdicts"
    return f"{shared}{counted}, with --grammar {' and '.join(sorted(grammars))}"


def _differ(rows: Sequence[ScoreRow]) -> bool:
    return len({(row.score.pairs, row.score.verdicts) for row in rows}) > 1


def _pairs(rows: Sequence[ScoreRow]) -> list[_Column]:
    """On how many pairs a row rests, where that is not the same for all or for all figures."""
    columns = [_Column("pairs", lambda row: f"{row.score.pairs:,}")] if _differ(rows) else []
    return [*columns, *([_Column("labelled", labelled_cell)] if some_labelled(rows) else [])]


def _figures(rows: Sequence[ScoreRow], between: str) -> list[_Column]:
    def column(heading: str, figure: str, shown: Callable[[float], str]) -> _Column:
        return _Column(heading, lambda row: interval(row.score.strict[figure], shown).replace(" [", between))

    def accuracy(row: ScoreRow) -> str:
        figure = row.score.strict["accuracy"]
        weak = near_chance(figure, row.score.baselines)
        return interval(figure, percent).replace(" [", between) + ("\nnear chance" if weak else "")

    errors, bias = "format errors %", "position bias, points"
    if "\n" in between:  # little room
        errors, bias = errors.replace(" ", "\n", 1), bias.replace(" ", "\n", 1)
    unlabelled = any(_is_missing(row.score.strict["accuracy"]) for row in rows)
    return [
        _Column("accuracy %", accuracy),
        *([column("consistent %", "consistency", percent)] if unlabelled else []),
        column(errors, "format_errors", percent),
        column(bias, "position_bias", difference_of_shares),
        _Column("verdicts\nper minute", lambda row: count(row.verdicts_per_minute)),
    ]


def _is_missing(figure: Figure) -> bool:
    return figure.value is None


def _judge(row: ScoreRow) -> str:
    return f"{row.score.model} {row.score.scheme}"
