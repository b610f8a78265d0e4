"""Ranked systems -> what the page of a ranking shows of them, as text and as numbers to tint by.

Knows: what stands on the page and how a figure reads there.
Does not know: HTML, files. It computes no figure: each comes from analysis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_judge.analysis.ranking.labels import Correction
from edge_judge.analysis.ranking.standings import RankedSystems
from edge_judge.analysis.ranking.two_judges import TwoJudges
from edge_judge.analysis.ranking.win_rates import WinRate
from edge_judge.quantities import counted
from edge_judge.report.columns import INTERVAL_LINE
from edge_judge.report.formatting import DASH, count, dash, interval, percent, signed_number, unbroken
from edge_judge.report.page.data import Json, with_interval
from edge_judge.report.ranking import CORRECTION_HEADINGS, correction_rows, leaderboard_columns, leaderboard_rows
from edge_judge.report.ranking_headline import beats, headline
from edge_judge.report.ranking_notes import (
    about_judges,
    about_labels,
    about_votes,
    answer,
    comparison,
    explanations,
    judge_name,
    short_judge_name,
    size_of,
)

WIDEST = 40  # systems in a matrix: more cells are too many to read, and to draw on a phone


def ranking_figures(rankings: Sequence[RankedSystems], compared: Sequence[TwoJudges] = ()) -> dict[str, Json]:
    """Everything on the page but the drawings and the pairs. compared: each other judge with the first."""
    return {
        "rankings": [_ranking(ranked) for ranked in rankings],
        "compared": [_comparison(one, rankings[0], other) for one, other in zip(compared, rankings[1:], strict=False)],
    }


def details(ranked: RankedSystems) -> list[Json]:
    """What a reader sees who points at each system, the best first: a name and a text a line."""
    return [[[name, text] for name, text in _told(ranked, place)] for place in range(len(ranked.standings))]


def _ranking(ranked: RankedSystems) -> dict[str, Json]:
    columns = leaderboard_columns(ranked)
    systems = [standing.system for standing in ranked.standings]
    return {
        "name": ranked.name,
        "judge": judge_name(ranked),
        "short": short_judge_name(ranked),
        "against": ranked.against,
        "headline": headline(ranked),
        "about": f"{size_of(ranked)}, {_votes(ranked)}",
        "answer": [*map(unbroken, answer(ranked))],
        "systems": [*systems],
        "told": details(ranked),
        "leaderboard": _table(
            [column.heading_on_page for column in columns],
            [[column.on_page(row) for column in columns] for row in leaderboard_rows(ranked)],
        ),
        "matrix": _matrix(ranked),
        "corrected": _corrected(ranked.correction, systems),
        "labels": [*map(unbroken, about_labels(ranked))],
        "notes": [*map(unbroken, (*about_judges(ranked), *about_votes(ranked))), *_missing(ranked)],
        "reading": [*explanations(ranked)],
    }


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Json]:
    return {
        "headings": [heading.removesuffix(INTERVAL_LINE).replace("\n", " ") for heading in headings],
        "rows": [[dash(cell) for cell in row] for row in rows],
    }


def _corrected(correction: Correction | None, systems: Sequence[str]) -> Json:
    """In the order of the systems; None without labels."""
    if correction is None:
        return None
    rows = correction_rows(correction)
    return _table(CORRECTION_HEADINGS, sorted(rows, key=lambda row: systems.index(row[0])))


def _votes(ranked: RankedSystems) -> str:
    return (
        f"{counted(len(ranked.games), 'vote')}, judged by {judge_name(ranked)}"
        if ranked.identity or ranked.combined
        else f"{len(ranked.games):,} recorded votes"
    )


def _told(ranked: RankedSystems, place: int) -> Iterator[tuple[str, str]]:
    standing = ranked.standings[place]
    rating, won = standing.rating, standing.win_rate
    yield "place", f"{place + 1} of {len(ranked.standings)}"
    if standing.system == ranked.against:
        yield "", "the baseline"
    if won is not None:
        yield "win rate", _percent(won.soft.value is not None, with_interval(won.soft))
        yield "by verdict", _percent(won.hard.value is not None, with_interval(won.hard))
    if standing.equal_length is not None:
        yield "at equal length", _percent(standing.equal_length.value is not None, with_interval(standing.equal_length))
    yield "rating", dash(interval(rating.rating, lambda points: f"{points:.0f}"))
    if rating.ranks:
        yield "is the best", f"{100 * rating.ranks[0]:.0f} %"
    yield "votes", f"{rating.votes:,}"
    if standing.length is not None:
        yield "mean length", f"{count(standing.length)} characters"
    if standing.missing:
        yield "missing answers", f"{standing.missing:,}"


def _percent(there: bool, text: str) -> str:
    return f"{text} %" if there else text


def _missing(ranked: RankedSystems) -> Iterator[str]:
    for standing in ranked.standings:
        if standing.missing:
            yield (
                f"{standing.system}: {standing.missing:,} of {ranked.questions:,} answers are missing; it is compared "
                "where it answered"
            )


def _matrix(ranked: RankedSystems) -> Json:
    """The win rate of each row over each column, the best first; None where the table above says as much."""
    names = [standing.system for standing in ranked.standings]
    if ranked.against is not None or not 2 < len(names) <= WIDEST:
        return None
    won = beats(ranked)
    return [
        [_cell(ranked.matrix.get((row, column)), bool({(row, column), (column, row)} & won)) for column in names]
        for row in names
    ]


def _cell(rate: WinRate | None, decided: bool) -> Json:
    """None where the two never met. share: in percent, to tint by."""
    if rate is None:
        return None
    defined = rate.soft.value is not None
    told = [
        ["win rate", _percent(defined, with_interval(rate.soft))],
        ["by verdict", _percent(defined, with_interval(rate.hard))],
        ["votes", f"{rate.votes:,} on {counted(rate.questions, 'question')}"],
    ]
    if rate.format_errors:
        told.append(["no valid verdict", f"{rate.format_errors:,}"])
    told.append(["", "decided" if decided else "not told apart"])
    share = rate.soft.value
    return {
        "share": None if share is None else round(100 * share, 2),
        "text": DASH if share is None else percent(share),
        "decided": decided,
        "told": [[name, text] for name, text in told],
    }


def _comparison(compared: TwoJudges, first: RankedSystems, other: RankedSystems) -> dict[str, Json]:
    """What changes with another judge: a sentence, and how far each rating moved."""
    shifts = [
        [shift.system, with_interval(shift.points, lambda points: signed_number(points, "+.0f"))]
        for shift in compared.shifts
    ]
    return {
        "judge": short_judge_name(other),
        "sentence": unbroken(comparison(compared, first, other)),
        "shifts": _table(["system", f"rating by {short_judge_name(other)} minus by {short_judge_name(first)}"], shifts),
    }
