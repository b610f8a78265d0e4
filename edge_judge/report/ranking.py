"""Ranked systems -> a leaderboard and a matrix of win rates in every form, and JSON.

Knows: headings, notes. Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from edge_judge.analysis.ranking.combined import CombinedJudge, JuryJudge
from edge_judge.analysis.ranking.labels import Correction
from edge_judge.analysis.ranking.standings import RankedSystems, Standing
from edge_judge.analysis.ranking.stopping import Decided
from edge_judge.analysis.ranking.two_judges import TwoJudges
from edge_judge.records import Figure
from edge_judge.report.columns import (
    INTERVAL_LINE,
    Column,
    figure_values,
    terminal_table,
    whole_table,
)
from edge_judge.report.formatting import UNDEFINED, Form, Part, Table, count, interval, notes, percent, table, value
from edge_judge.report.forms import column_sheet, written
from edge_judge.report.ranking_notes import all_notes, combined_name, comparison, judge_name, size_of, statement

GROUP, MISSING, EQUAL_LENGTH = "group", "missing\nanswers", "equal\nlength %"
WIDEST = 12  # systems in a matrix for a terminal; other forms have no limit


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
        GROUP,
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
        EQUAL_LENGTH,
        lambda row: value(row.standing.equal_length, percent),
        figure_values("equal_length_win_rate", "share", lambda row: row.standing.equal_length),
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
    Column(
        "votes",
        lambda row: f"{row.standing.rating.votes:,}",
        {"votes": lambda row: row.standing.rating.votes},
        in_terminal=False,
    ),
    Column(MISSING, lambda row: f"{row.standing.missing:,}", {"missing": lambda row: row.standing.missing}),
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
        "combined": None if ranked.combined is None else _combined_json(ranked.combined),
        "against": ranked.against,
        "questions": ranked.questions,
        "systems": list(ranked.games.systems),
        "missing": {standing.system: standing.missing for standing in ranked.standings},
        "standings": [
            {
                **asdict(standing.rating),
                "win_rate": asdict(standing.win_rate.soft) if standing.win_rate else None,
                "hard_win_rate": asdict(standing.win_rate.hard) if standing.win_rate else None,
                "equal_length_win_rate": standing.equal_length and asdict(standing.equal_length),
                "missing": standing.missing,
                "length": standing.length,
            }
            for standing in ranked.standings
        ],
        "differences": [asdict(difference) for difference in ranked.ranking.differences],
        "matrix": [asdict(rate) for rate in ranked.matrix.values()],
        "quality": asdict(ranked.quality),
        "length_preference": asdict(ranked.length_preference),
        "unasked": ranked.unasked,
        "decided": None if ranked.decided is None else _decided_json(ranked.decided),
        "correction": None if ranked.correction is None else asdict(ranked.correction),
    }


def rankings_json(rankings: Sequence[RankedSystems], compared: Sequence[TwoJudges] = ()) -> dict[str, object]:
    """Rankings, and what changes with each other judge than the first."""
    return {
        "rankings": [ranked_json(ranked) for ranked in rankings],
        "compared": [
            _compared_json(one, rankings[0], other) for one, other in zip(compared, rankings[1:], strict=False)
        ],
    }


def rankings_table(
    rankings: Sequence[RankedSystems],
    compared: Sequence[TwoJudges] = (),
    *,
    form: Form = "table",
    width: int = 80,
    color: bool = False,
) -> str:
    """A leaderboard and a matrix of each ranking; CSV has a line for each system of each. compared: each other judge
    with the first.
    """
    parts = [part for ranked in rankings for part in _parts(ranked, form)]
    if sentences := _comparisons(rankings, compared):
        parts.append(notes(*sentences))
    rows = [row for ranked in rankings for row in leaderboard_rows(ranked)]
    return written(parts, [column_sheet("systems", COLUMNS, rows)], form=form, width=width, color=color)


def _comparisons(rankings: Sequence[RankedSystems], compared: Sequence[TwoJudges]) -> list[str]:
    return [comparison(one, rankings[0], other) for one, other in zip(compared, rankings[1:], strict=False)]


def _combined_json(judge: CombinedJudge) -> dict[str, object]:
    """kind: jury or cascade; then what makes it up."""
    kind = "jury" if isinstance(judge, JuryJudge) else "cascade"
    return {"kind": kind, "name": combined_name(judge), **asdict(judge)}


def _judge_json(ranked: RankedSystems) -> dict[str, object] | None:
    if ranked.combined is not None:
        return _combined_json(ranked.combined)
    return None if ranked.identity is None else asdict(ranked.identity)


def _decided_json(decided: Decided) -> dict[str, object]:
    return {**asdict(decided), "sentences": [statement(pair) for pair in decided.pairs]}


def _compared_json(compared: TwoJudges, first: RankedSystems, other: RankedSystems) -> dict[str, object]:
    return {
        "sentence": comparison(compared, first, other),
        "first": _judge_json(first),
        "second": _judge_json(other),
        "votes": compared.votes,
        "left_out": compared.left_out,
        "tau": asdict(compared.tau),
        "decided": compared.decided,
        "kept": compared.kept,
        **{
            name: [asdict(one) for one in getattr(compared, name)]
            for name in ("reversed", "undecided", "gained", "shifts")
        },
    }


def leaderboard_rows(ranked: RankedSystems) -> list[Row]:
    """A line for each system, the best first."""
    return [Row(ranked, place, standing) for place, standing in enumerate(ranked.standings, start=1)]


def _title(ranked: RankedSystems) -> str:
    by = "by " if ranked.identity is None and ranked.combined is None else "judged by "
    return f"{ranked.name}: {size_of(ranked)}, {by}{judge_name(ranked)}"


def leaderboard_columns(ranked: RankedSystems) -> list[Column[Row]]:
    """The columns that say something. Where judging could stop no letters: these need a set number of votes."""
    silent = {
        EQUAL_LENGTH: ranked.against is None,
        MISSING: not any(standing.missing for standing in ranked.standings),
        GROUP: ranked.decided is not None,
    }
    return [column for column in COLUMNS if not silent.get(column.heading)]


def _parts(ranked: RankedSystems, form: Form) -> Iterator[Part]:
    made = terminal_table if form == "table" else whole_table
    yield made(_title(ranked), leaderboard_columns(ranked), leaderboard_rows(ranked))
    if ranked.against is None and 2 < len(ranked.standings) and (form != "table" or len(ranked.standings) <= WIDEST):
        yield _matrix(ranked)
    if ranked.correction is not None:
        yield table("", CORRECTION_HEADINGS, correction_rows(ranked.correction), frozenset({3}))
    yield notes(*all_notes(ranked))


def _matrix(ranked: RankedSystems) -> Table:
    names = [standing.system for standing in ranked.standings]
    rates = {pair: rate.soft for pair, rate in ranked.matrix.items()}
    lines = [
        [f"{place} {name}", *(value(rates.get((name, other)), percent) for other in names)]
        for place, name in enumerate(names, start=1)
    ]
    return table("", ["win rate %, of the\nrow over the column", *map(str, range(1, len(names) + 1))], lines)


CORRECTION_HEADINGS = (
    "win rate,\ncorrected",
    "judge\n%",
    f"these questions %{INTERVAL_LINE}",
    f"new questions %{INTERVAL_LINE}",
    "labels",
    "labels\nworth ×",
)


def correction_rows(correction: Correction) -> list[list[str]]:
    """What people would say of each system, beside what the judge said."""
    return [
        [
            rate.first,
            value(rate.judge, percent),
            interval(rate.own, percent),
            interval(rate.new, percent),
            f"{rate.labels:,}",
            UNDEFINED if rate.saved is None else f"{rate.saved:.1f}",
        ]
        for rate in correction.systems
    ]
