"""A ranking -> a leaderboard and a matrix of win rates for a terminal, CSV, Markdown and JSON.

Knows: headings, notes. Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import RenderableType

from edge_judge.analysis.ranking.ranking import Ranking, Standing
from edge_judge.report.columns import (
    INTERVAL_LINE,
    Column,
    all_values,
    csv_text,
    escaped,
    figure_values,
    markdown_text,
    terminal_table,
)
from edge_judge.report.formatting import count, interval, notes, percent, render, table, value


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the leaderboard."""

    ranking: Ranking
    place: int
    standing: Standing


COLUMNS: tuple[Column[Row], ...] = (
    Column(
        "system",
        lambda row: row.standing.system,
        {
            "ranking": lambda row: row.ranking.name,
            "judge": lambda row: judge_name(row.ranking),
            "place": lambda row: row.place,
            "system": lambda row: row.standing.system,
        },
    ),
    Column(
        f"win rate %{INTERVAL_LINE}",
        lambda row: interval(row.standing.win_rate, percent),
        figure_values("win_rate", "share", lambda row: row.standing.win_rate),
        bold=True,
    ),
    Column(
        "by verdicts\n%",
        lambda row: value(row.standing.hard, percent),
        figure_values("hard_win_rate", "share", lambda row: row.standing.hard),
    ),
    Column("votes", lambda row: count(row.standing.votes), {"votes": lambda row: row.standing.votes}),
    Column("missing\nanswers", lambda row: count(row.standing.missing), {"missing": lambda row: row.standing.missing}),
)


def ranking_json(ranking: Ranking) -> dict[str, object]:
    """A ranking for a program: shares as fractions, each figure with value, low, high, k and n."""
    return {
        "name": ranking.name,
        "judge": None if ranking.identity is None else asdict(ranking.identity),
        "against": ranking.against,
        "questions": ranking.questions,
        "systems": list(ranking.games.systems),
        "missing": {standing.system: standing.missing for standing in ranking.standings},
        "standings": [asdict(standing) for standing in ranking.standings],
        "matrix": [
            {"system": one, "against": other, "win_rate": asdict(figure)}
            for (one, other), figure in ranking.matrix.items()
        ],
        "format_errors": asdict(ranking.format_errors),
    }


def rankings_table(rankings: Sequence[Ranking], *, width: int = 80, color: bool = False) -> str:
    """A leaderboard and a matrix of each ranking."""
    return render([part for ranking in rankings for part in _parts(ranking)], width, color)


def rankings_csv(rankings: Sequence[Ranking]) -> str:
    """A line for each system of each ranking."""
    return csv_text(all_values(COLUMNS), [row for ranking in rankings for row in _rows(ranking)])


def rankings_markdown(rankings: Sequence[Ranking]) -> str:
    """The leaderboards as GitHub shows tables."""
    headings = [escaped(column.heading_on_page) for column in COLUMNS]
    return "\n".join(
        f"**{escaped(_title(ranking))}**\n\n"
        + markdown_text(headings, 1, [[escaped(c.on_page(row)) for c in COLUMNS] for row in _rows(ranking)])
        for ranking in rankings
    )


def judge_name(ranking: Ranking) -> str:
    """Who judged."""
    who = ranking.identity
    return "recorded votes" if who is None else f"{who.model} {who.scheme} with --grammar {who.grammar}"


def _rows(ranking: Ranking) -> list[Row]:
    return [Row(ranking, place, standing) for place, standing in enumerate(ranking.standings, start=1)]


def _title(ranking: Ranking) -> str:
    return f"{ranking.name}, {len(ranking.standings)} systems, judged by {judge_name(ranking)}"


def _parts(ranking: Ranking) -> list[RenderableType]:
    parts = [terminal_table(_title(ranking), COLUMNS, _rows(ranking))]
    if ranking.against is None and len(ranking.standings) > 2:
        parts.append(_matrix(ranking))
    return [*parts, notes(*_notes(ranking))]


def _matrix(ranking: Ranking) -> RenderableType:
    names = [standing.system for standing in ranking.standings]
    lines = [
        [f"{place} {name}", *(value(ranking.matrix.get((name, other)), percent) for other in names)]
        for place, name in enumerate(names, start=1)
    ]
    return table("", ["wins %, of row\nover column", *(str(place) for place in range(1, len(names) + 1))], lines)


def _notes(ranking: Ranking) -> list[str]:
    base = "against all others" if ranking.against is None else f"against {ranking.against}"
    lines = [f"{ranking.questions:,} questions; win rate {base}, by the judge's probabilities, a tie is half a win"]
    errors = ranking.format_errors
    if errors.k:
        lines.append(f"{errors.k:,} of {errors.n:,} verdicts are format errors, and count for nobody")
    return lines
