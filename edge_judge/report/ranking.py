"""Ranked systems -> a leaderboard and a matrix of win rates for a terminal, CSV, Markdown and JSON.

Knows: headings, notes. Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from rich.console import RenderableType

from edge_judge.analysis.ranking.standings import RankedSystems, Standing
from edge_judge.records import Figure
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
from edge_judge.report.formatting import UNDEFINED, count, interval, notes, percent, render, share, table, value

WIDEST = 12  # systems in a matrix for a terminal; CSV has no limit
UNBOUNDED = {
    "above": "nothing says how much better it is than some others, so its rating has no upper end",
    "below": "nothing says how much worse it is than some others, so its rating has no lower end",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the leaderboard."""

    ranked: RankedSystems
    place: int
    standing: Standing


def _points(number: float) -> str:
    return f"{number:.0f}"


def _win_rate(row: Row) -> Figure:
    return row.standing.win_rate.soft if row.standing.win_rate else Figure(None)


def _hard(row: Row) -> Figure:
    return row.standing.win_rate.hard if row.standing.win_rate else Figure(None)


def _rating(row: Row) -> str:
    """With an open end where no vote sets one."""
    figure, unbounded = row.standing.rating.rating, row.standing.rating.unbounded
    if figure.value is None or unbounded is None:
        return interval(figure, _points)
    low, high = (UNDEFINED if end is None else _points(end) for end in (figure.low, figure.high))
    return f"{_points(figure.value)} [{low}, {high}]"


def _best(row: Row) -> float | None:
    return row.standing.rating.ranks[0] if row.standing.rating.ranks else None


COLUMNS: tuple[Column[Row], ...] = (
    Column(
        "system",
        lambda row: row.standing.system,
        {
            "ranking": lambda row: row.ranked.name,
            "judge": lambda row: judge_name(row.ranked),
            "place": lambda row: row.place,
            "system": lambda row: row.standing.system,
        },
    ),
    Column(
        "group",
        lambda row: "".join(row.standing.rating.groups) or UNDEFINED,
        {"groups": lambda row: " ".join(row.standing.rating.groups)},
    ),
    Column(
        f"win rate %{INTERVAL_LINE}",
        lambda row: interval(_win_rate(row), percent),
        figure_values("win_rate", "share", _win_rate),
        bold=True,
    ),
    Column(
        f"rating{INTERVAL_LINE}",
        _rating,
        {
            **figure_values("rating", "points", lambda row: row.standing.rating.rating),
            "unbounded": lambda row: row.standing.rating.unbounded,
        },
    ),
    Column(
        "best\n%",
        lambda row: UNDEFINED if (best := _best(row)) is None else f"{100 * best:.0f}",
        {"best_probability": _best},
    ),
    Column(
        "by verdict\n%",
        lambda row: value(_hard(row), percent),
        figure_values("hard_win_rate", "share", _hard),
        in_terminal=False,
    ),
    Column("votes", lambda row: f"{row.standing.rating.votes:,}", {"votes": lambda row: row.standing.rating.votes}),
    Column("missing\nanswers", lambda row: f"{row.standing.missing:,}", {"missing": lambda row: row.standing.missing}),
    Column(
        "mean\nlength",
        lambda row: count(row.standing.length),
        {"length_characters": lambda row: row.standing.length},
        in_terminal=False,
    ),
)


def ranked_json(ranked: RankedSystems) -> dict[str, object]:
    """Ranked systems for a program: shares as fractions, each figure with value, low, high, k and n."""
    return {
        "name": ranked.name,
        "judge": None if ranked.identity is None else asdict(ranked.identity),
        "against": ranked.against,
        "questions": ranked.questions,
        "systems": list(ranked.games.systems),
        "missing": {standing.system: standing.missing for standing in ranked.standings},
        "standings": [
            {
                **asdict(standing.rating),
                "win_rate": asdict(standing.win_rate.soft) if standing.win_rate else None,
                "hard_win_rate": asdict(standing.win_rate.hard) if standing.win_rate else None,
                "missing": standing.missing,
                "length": standing.length,
            }
            for standing in ranked.standings
        ],
        "differences": [asdict(difference) for difference in ranked.ranking.differences],
        "matrix": [asdict(rate) for rate in ranked.matrix.values()],
        "quality": asdict(ranked.quality),
        "unasked": ranked.unasked,
    }


def rankings_table(rankings: Sequence[RankedSystems], *, width: int = 80, color: bool = False) -> str:
    """A leaderboard and a matrix of each ranking."""
    return render([part for ranked in rankings for part in _parts(ranked)], width, color)


def rankings_csv(rankings: Sequence[RankedSystems]) -> str:
    """A line for each system of each ranking."""
    return csv_text(all_values(COLUMNS), [row for ranked in rankings for row in _rows(ranked)])


def rankings_markdown(rankings: Sequence[RankedSystems]) -> str:
    """The leaderboards as GitHub shows tables."""
    headings = [escaped(column.heading_on_page) for column in COLUMNS]
    return "\n".join(
        f"**{escaped(_title(ranked))}**\n\n"
        + markdown_text(headings, 2, [[escaped(c.on_page(row)) for c in COLUMNS] for row in _rows(ranked)])
        + "\n"
        + "".join(f"- {escaped(line)}\n" for line in _notes(ranked))
        for ranked in rankings
    )


def judge_name(ranked: RankedSystems) -> str:
    """Who judged."""
    who = ranked.identity
    return "recorded votes" if who is None else f"{who.model} {who.scheme} with --grammar {who.grammar}"


def _rows(ranked: RankedSystems) -> list[Row]:
    return [Row(ranked, place, standing) for place, standing in enumerate(ranked.standings, start=1)]


def _title(ranked: RankedSystems) -> str:
    by = "by " if ranked.identity is None else "judged by "
    return f"{ranked.name}: {len(ranked.standings)} systems, {ranked.questions:,} questions, {by}{judge_name(ranked)}"


def _parts(ranked: RankedSystems) -> Iterator[RenderableType]:
    yield terminal_table(_title(ranked), COLUMNS, _rows(ranked))
    if ranked.against is None and 2 < len(ranked.standings) <= WIDEST:
        yield _matrix(ranked)
    yield notes(*_notes(ranked))


def _matrix(ranked: RankedSystems) -> RenderableType:
    names = [standing.system for standing in ranked.standings]
    rates = {pair: rate.soft for pair, rate in ranked.matrix.items()}
    lines = [
        [f"{place} {name}", *(value(rates.get((name, other)), percent) for other in names)]
        for place, name in enumerate(names, start=1)
    ]
    return table("", ["win rate %, of the\nrow over the column", *map(str, range(1, len(names) + 1))], lines)


def _notes(ranked: RankedSystems) -> Iterator[str]:
    """What must be known to read the figures, and what they say together."""
    yield from _decided(ranked)
    base = "all others" if ranked.against is None else ranked.against
    yield f"win rate: against {base}, by the judge's probabilities, a tie is half a win"
    middle = "the mean" if ranked.against is None else ranked.against
    yield f"rating: Bradley-Terry with ties on Elo's scale, 1000 is {middle}; best: the probability of the first rank"
    yield "intervals: 95 %, whole questions resampled; systems that share a group letter cannot be told apart"
    yield from _about_votes(ranked)


def _decided(ranked: RankedSystems) -> Iterator[str]:
    """Which systems beat which, in words."""
    decided = [one for one in ranked.ranking.differences if one.decided]
    total = len(ranked.ranking.differences)
    if not decided:
        yield "no two of these systems can be told apart by these votes"
    elif total == 1:
        yield f"{decided[0].better} beats {decided[0].worse}"
    else:
        open_pairs = [f"{one.better} and {one.worse}" for one in ranked.ranking.differences if not one.decided]
        named = f"; not decided: {', '.join(open_pairs[:3])}" if open_pairs else ""
        more = f" and {len(open_pairs) - 3} more" if len(open_pairs) > 3 else ""
        yield f"{len(decided)} of {total} pairs of systems are decided{named}{more}"


def _about_votes(ranked: RankedSystems) -> Iterator[str]:
    quality = ranked.quality
    if ranked.unasked:
        yield f"{ranked.unasked:,} meetings were of two equal answers: ties, which the judge was not asked about"
    if quality.consistency.value is not None:
        yield (
            f"same verdict in both orders: {interval(quality.consistency, percent)} %; position bias "
            f"{interval(quality.position_bias, share)}; ties {value(quality.ties, percent)} %, near-ties "
            f"{value(quality.near_ties, percent)} % of pairs"
        )
    if quality.cycles.k:
        yield f"{quality.cycles.k} of {quality.cycles.n} triples of systems are cycles: A beats B, B beats C, C beats A"
    errors = quality.format_errors
    if errors.k:
        yield f"{errors.k:,} of {errors.n:,} votes have no valid verdict, and count for nobody"
    for standing in ranked.standings:
        if standing.rating.unbounded:
            yield f"{standing.system}: {UNBOUNDED[standing.rating.unbounded]}"
