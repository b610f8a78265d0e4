"""The report of recorded runs, its template, style and scripts -> one HTML file.

Knows: which parts the page has. Does not know: what a figure means, where the file is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_judge.report.formatting import DASH
from edge_judge.report.page.charts import BY_SIZE, BY_SPEED, Chart, Ladder, fullest, ladders
from edge_judge.report.page.closed import closed_page, embedded, markup
from edge_judge.report.page.data import Report, figures, headline
from edge_judge.report.page.drawing import HEIGHT, LARGE, SMALL, drawing
from edge_judge.report.page.pairs import pairs
from edge_judge.report.page.svg import element, text

STYLES = ("colors.css", "page.css", "chart.css")
SCRIPTS = ("draw.js", "reading.js", "pairs.js", "page.js")


def build(report: Report) -> str:
    """The whole page, to be written as UTF-8."""
    every_ladder = ladders(report)
    parts = {
        "TITLE": "edge-judge report",
        "HEADLINE": markup(headline(report)),
        "SIZE": _drawings(every_ladder, BY_SIZE),
        "SPEED": _drawings(every_ladder, BY_SPEED),
        "FIGURES": embedded(figures(report)),
        "PAIRS": embedded(pairs(report.entries)),
    }
    return closed_page("page.html", STYLES, SCRIPTS, parts)


def _drawings(every_ladder: Sequence[Ladder], chart: Chart) -> str:
    """The chart of each setting, in the page's order. The fullest is seen before a reader chooses."""
    full = fullest(every_ladder)
    return "".join(
        element("div", {"class": "drawing", "data-setting": place, **({} if place == full else {"hidden": ""})}, *parts)
        for place, parts in enumerate(_sizes(ladder, chart) for ladder in every_ladder)
    )


def _sizes(ladder: Ladder, chart: Chart) -> list[str]:
    """The drawing for a wide and for a narrow place, of which the style shows one; or why there is none."""
    if not chart.points(ladder):
        return [element("p", {"class": "nothing"}, text(f"{DASH} {chart.nothing(ladder)}"))]
    label = f"Accuracy in percent against {chart.heading}"
    return [
        element(
            "svg",
            {"class": name, "viewBox": f"0 0 {across} {HEIGHT}", "role": "group", "aria-label": label},
            drawing(ladder, chart, across),
        )
        for name, across in (("large", LARGE), ("small", SMALL))
    ]
