"""Ranked systems -> one HTML file that needs nothing else: the answer, the leaderboard, the matrix, pairs to read.

Nothing in it runs: no script, and by its policy nothing is fetched. All text of others is escaped.
Knows: HTML, how a rating is drawn. Does not know: where figures come from, files.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_judge.analysis.ranking.reading import PairToRead
from edge_judge.analysis.ranking.standings import RankedSystems
from edge_judge.analysis.ranking.two_judges import TwoJudges
from edge_judge.report.columns import INTERVAL_LINE
from edge_judge.report.formatting import DASH, dash, percent, value
from edge_judge.report.page.svg import element, text
from edge_judge.report.ranking import (
    CORRECTION_HEADINGS,
    Row,
    correction_rows,
    leaderboard_columns,
    leaderboard_rows,
)
from edge_judge.report.ranking_notes import about_labels, about_votes, answer, comparison, explanations, judge_name
from edge_judge.version import __version__

STYLES = ("colors.css", "page.css")
OWN = ".dot{fill:var(--accent)}.reach{stroke:var(--accent);stroke-width:2}.one{stroke:var(--line)}"
ACROSS, HIGH, EDGE = 220, 18, 6  # of the drawing of a rating, in pixels
REASONS = {
    "upset": "The lower ranked system wins",
    "orders disagree": "The verdict depends on which answer is shown first",
}


@dataclass(frozen=True, slots=True)
class ReadablePair:
    """A pair with its texts. first, second: the answers of the pair's systems."""

    pair: PairToRead
    question: str
    first: str
    second: str


def build(
    rankings: Sequence[RankedSystems], compared: Sequence[TwoJudges] = (), pairs: Sequence[ReadablePair] = ()
) -> str:
    """The whole page, to be written as UTF-8. pairs: to read, of the first ranking."""
    style = "".join((Path(__file__).parent / name).read_text("utf-8") for name in STYLES) + OWN
    policy = f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>edge-judge: {text(rankings[0].name)}</title><style>{style}</style>"
    )
    first, *others = rankings
    judges = [comparison(one, first, other) for one, other in zip(compared, others, strict=False)]
    sections = [section for ranked in rankings for section in _sections(ranked)]
    body = [_header(first, judges), element("main", {}, *sections, *_reading(pairs)), _footer()]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body>\n</html>\n"
    )


def _header(first: RankedSystems, judges: Sequence[str]) -> str:
    lines = [element("span", {}, text(line)) for line in [*list(answer(first))[1:], *judges]]
    title = next(iter(answer(first)), first.name)
    return element(
        "header",
        {},
        element("p", {"class": "brand"}, "edge-judge ", element("span", {}, text(__version__))),
        element("h1", {}, text(title), *lines),
    )


def _sections(ranked: RankedSystems) -> Iterator[str]:
    systems, questions = len(ranked.standings), f"{ranked.questions:,} questions"
    lead = f"{systems} systems, {questions}, judged by {judge_name(ranked)}"
    yield element(
        "section",
        {},
        element("h2", {}, text(f"{ranked.name}: leaderboard")),
        element("p", {"class": "lead"}, text(lead)),
        _leaderboard(ranked),
        *_corrected(ranked),
        _list([*about_labels(ranked), *explanations(ranked), *about_votes(ranked)]),
    )
    if systems > 2 and ranked.against is None:
        yield element("section", {}, element("h2", {}, "Who wins against whom"), _matrix(ranked))


def _leaderboard(ranked: RankedSystems) -> str:
    columns = leaderboard_columns(ranked)
    reach = _reach(ranked)
    heads = [element("th", {"scope": "col"}, text(column.heading_on_page)) for column in columns]
    rows = []
    for row in leaderboard_rows(ranked):
        name, *cells = (dash(column.on_page(row)) for column in columns)
        drawn = element("td", {}, _drawing(row, reach))
        rows.append(_line(name, [element("td", {}, text(cell)) for cell in cells] + [drawn]))
    return _table([*heads, element("th", {"scope": "col"}, "rating, drawn")], rows)


def _corrected(ranked: RankedSystems) -> Iterator[str]:
    if ranked.correction is not None:
        heads = [heading.removesuffix(INTERVAL_LINE).replace("\n", " ") for heading in CORRECTION_HEADINGS]
        rows = [
            _line(name, [element("td", {}, text(dash(cell))) for cell in cells])
            for name, *cells in correction_rows(ranked.correction)
        ]
        yield _table([element("th", {"scope": "col"}, text(head)) for head in heads], rows)


def _matrix(ranked: RankedSystems) -> str:
    names = [standing.system for standing in ranked.standings]
    rates = {pair: rate.soft for pair, rate in ranked.matrix.items()}
    heads = ["win rate %, of the row over the column", *map(str, range(1, len(names) + 1))]
    rows = [
        _line(
            f"{place} {name}",
            [element("td", {}, text(dash(value(rates.get((name, other)), percent)))) for other in names],
        )
        for place, name in enumerate(names, start=1)
    ]
    return _table([element("th", {"scope": "col"}, text(head)) for head in heads], rows)


def _reach(ranked: RankedSystems) -> tuple[float, float]:
    """The least and the greatest rating that is drawn."""
    figures = [standing.rating.rating for standing in ranked.standings]
    ends = [end for figure in figures for end in (figure.value, figure.low, figure.high) if end is not None]
    return (min(ends), max(ends)) if ends and min(ends) < max(ends) else (0.0, 1.0)


def _drawing(row: Row, reach: tuple[float, float]) -> str:
    """A rating as a dot and its interval as a line; an open end reaches to the edge."""
    figure = row.standing.rating.rating
    if figure.value is None:
        return DASH

    def across(rating: float) -> float:
        return EDGE + (rating - reach[0]) / (reach[1] - reach[0]) * (ACROSS - 2 * EDGE)

    middle = HIGH / 2
    parts = [element("line", {"class": "one", "x1": 0, "x2": ACROSS, "y1": middle, "y2": middle})]
    if figure.low is not None or figure.high is not None:
        low = 0.0 if figure.low is None else across(figure.low)
        high = float(ACROSS) if figure.high is None else across(figure.high)
        parts.append(element("line", {"class": "reach", "x1": low, "x2": high, "y1": middle, "y2": middle}))
    parts.append(element("circle", {"class": "dot", "cx": across(figure.value), "cy": middle, "r": 4}))
    return element("svg", {"width": ACROSS, "height": HIGH, "aria-hidden": "true"}, *parts)


def _reading(pairs: Sequence[ReadablePair]) -> Iterator[str]:
    if pairs:
        shown = [_pair(one) for one in pairs]
        yield element("section", {"id": "pairs"}, element("h2", {}, "Pairs to read"), *shown)


def _pair(one: ReadablePair) -> str:
    pair, score = one.pair.pair, one.pair.score
    sides = [(pair.first, score, one.first), (pair.second, 1 - score, one.second)]
    answers = [
        element(
            "div",
            {"class": "answer"},
            element("h4", {}, text(f"{system}, {percent(part)} %")),
            element("p", {"class": "text"}, text(said) or DASH),
        )
        for system, part, said in sides
    ]
    return element(
        "article",
        {"class": "pair"},
        element("h3", {}, text(f"{pair.question}: {REASONS[one.pair.reason]}")),
        element("p", {"class": "text question"}, text(one.question)),
        element("div", {"class": "answers"}, *answers),
    )


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    head, body = element("thead", {}, element("tr", {}, *heads)), element("tbody", {}, *rows)
    return element("div", {"class": "wide", "tabindex": "0"}, element("table", {}, head, body))


def _line(name: str, cells: Sequence[str]) -> str:
    return element("tr", {}, element("th", {"scope": "row"}, text(name)), *cells)


def _list(lines: Sequence[str]) -> str:
    return element("ul", {"class": "notes"}, *(element("li", {}, text(line)) for line in lines))


def _footer() -> str:
    said = f"Made by edge-judge {__version__}. This file holds all it shows and asks nothing of the network."
    return element("footer", {}, element("p", {}, text(said)))


def _hash(style: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
