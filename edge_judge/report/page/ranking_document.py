"""Rankings, their template, style and scripts -> one HTML file.

Knows: which parts the page has. Does not know: what a figure means, where the file is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_judge.analysis.ranking.standings import RankedSystems
from edge_judge.analysis.ranking.two_judges import TwoJudges
from edge_judge.records import Outputs
from edge_judge.report.page.closed import closed_page, embedded, markup
from edge_judge.report.page.ranking_data import ranking_figures
from edge_judge.report.page.ranking_drawing import NARROW, WIDE, Line, Rates
from edge_judge.report.page.ranking_pairs import ranking_pairs
from edge_judge.report.page.svg import element
from edge_judge.report.ranking_headline import headline

STYLES = ("colors.css", "page.css", "chart.css", "ranking.css")
SCRIPTS = ("draw.js", "reading.js", "ranking_pairs.js", "ranking.js")


def build(rankings: Sequence[RankedSystems], compared: Sequence[TwoJudges] = (), outputs: Outputs | None = None) -> str:
    """The whole page, to be written as UTF-8. rankings: one at least; compared: each other judge with the first;
    outputs: what the systems answered, None where nobody knows: then the page has no pairs to read.
    """
    parts = {
        "TITLE": "edge-judge ranking",
        "HEADLINE": markup(headline(rankings[0])),
        "RATES": _drawings([_rates(ranked) for ranked in rankings]),
        "CORRECTED": _drawings([_corrected(ranked) for ranked in rankings]),
        "FIGURES": embedded(ranking_figures(rankings, compared)),
        "PAIRS": embedded(ranking_pairs(rankings, outputs)),
    }
    return closed_page("ranking.html", STYLES, SCRIPTS, parts)


def _rates(ranked: RankedSystems) -> Rates:
    lettered = ranked.decided is None  # where judging could stop, letters would need a set number of votes
    lines = (
        Line(
            place,
            standing.system,
            None if standing.win_rate is None else standing.win_rate.soft,
            "".join(standing.rating.groups) if lettered else "",
        )
        for place, standing in enumerate(ranked.standings)
    )
    return Rates(tuple(lines), f"wins against {'all others' if ranked.against is None else ranked.against}, %")


def _corrected(ranked: RankedSystems) -> Rates | None:
    """What people would say on new questions, beside what the judge said; None without labels."""
    if ranked.correction is None:
        return None
    places = {standing.system: place for place, standing in enumerate(ranked.standings)}
    lines = [
        Line(places[rate.first], rate.first, rate.new, judge=rate.judge.value) for rate in ranked.correction.systems
    ]
    return Rates(tuple(sorted(lines, key=lambda line: line.place)), "wins, as people would say, %")


def _drawings(rates: Sequence[Rates | None]) -> str:
    """The drawing of each ranking. The first is seen before a reader chooses."""
    return "".join(
        element("div", {"class": "drawing", "data-ranking": place, **({"hidden": ""} if place else {})}, *_sizes(one))
        for place, one in enumerate(rates)
        if one is not None
    )


def _sizes(rates: Rates) -> list[str]:
    """The drawing for a wide and for a narrow place, of which the style shows one."""
    return [
        element(
            "svg",
            {"class": name, "viewBox": f"0 0 {across} {rates.height(across)}", "role": "group",
             "aria-label": rates.caption},
            rates.drawing(across),
        )
        for name, across in (("large", WIDE), ("small", NARROW))
    ]  # fmt: skip
