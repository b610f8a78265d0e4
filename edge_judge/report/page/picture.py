"""The page's main chart as a file: accuracy against size, a panel for each judge, protocol and benchmark.

Knows: how drawings become one SVG that needs no style sheet of a page, and how that becomes a PNG.
Does not know: what is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from edge_judge.errors import DataError, UsageError
from edge_judge.report.page.charts import BY_SIZE, Ladder, ladders
from edge_judge.report.page.data import Report
from edge_judge.report.page.drawing import HEIGHT, LARGE, drawing
from edge_judge.report.page.labels import fitted
from edge_judge.report.page.svg import element, number, text

HERE = Path(__file__).parent
COLUMNS = 2
MARGIN, GAP, HEADING = 20, 36, 28  # pixels around all panels, between two, and above the drawing of one
HEADING_SIZE = 14  # as in STYLE
SCALE = 2  # a PNG's pixels for one of these
STYLE = """
text { font-family: system-ui, DejaVu Sans, sans-serif; }
svg .heading { fill: var(--ink); font-size: 14px; font-weight: 600; }
.paper { fill: var(--paper); }
svg .name { fill: var(--ink); }
.point { fill: var(--accent); stroke: var(--accent); }
"""  # after the page's style of charts: no run is chosen, so all have the colour


def picture(report: Report, form: Literal["svg", "png"]) -> bytes:
    """The chart, the fullest panel first. A run without an accuracy is left out: nobody labelled its pairs. Raises
    DataError where all are, and UsageError where a PNG is asked for and what renders it is not installed.
    """
    panels = [ladder for ladder in ladders(report) if BY_SIZE.points(ladder)]
    if not panels:
        raise DataError("no run has an accuracy to draw", "label the pairs of the benchmark: a, b or tie")
    drawn = _sheet(sorted(panels, key=lambda ladder: -len(ladder.points)))
    return drawn.encode() if form == "svg" else _rendered(drawn)


def _sheet(panels: Sequence[Ladder]) -> str:
    across, down = min(COLUMNS, len(panels)), -(-len(panels) // COLUMNS)
    wide = 2 * MARGIN + across * (LARGE + GAP) - GAP
    high = 2 * MARGIN + down * (HEADING + HEIGHT + GAP) - GAP
    return element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {wide} {high}", "width": wide, "height": high},
        element("title", {}, "Accuracy in percent against size of the file"),
        element("style", {}, text(_style())),
        element("rect", {"class": "paper", "width": wide, "height": high}),
        *(_panel(ladder, place) for place, ladder in enumerate(panels)),
    )


def _panel(ladder: Ladder, place: int) -> str:
    x = MARGIN + place % COLUMNS * (LARGE + GAP)
    y = MARGIN + place // COLUMNS * (HEADING + HEIGHT + GAP)
    benchmark, model, grammar = ladder.setting
    heading = fitted(f"{benchmark}: {model}, {grammar}", LARGE, HEADING_SIZE)
    return element(
        "g",
        {"transform": f"translate({number(x)} {number(y)})"},
        element("text", {"class": "heading", "x": 8, "y": HEADING_SIZE}, text(heading)),
        element("g", {"transform": f"translate(0 {HEADING})"}, drawing(ladder, BY_SIZE, LARGE)),
    )


def _style() -> str:
    """The style of the page's charts on white, with each colour written out: not every program knows variables."""
    light = (HERE / "colors.css").read_text(encoding="utf-8").partition("@media")[0]
    colors = {**dict(re.findall(r"--([a-z]+): ([^;]+);", light)), "paper": "#ffffff"}
    rules = (HERE / "chart.css").read_text(encoding="utf-8") + STYLE
    return re.sub(r"var\(--([a-z]+)\)", lambda name: colors[name[1]], rules)


def _rendered(drawn: str) -> bytes:
    try:
        from vl_convert import svg_to_png
    except ImportError:
        hint = "pip install 'edge-judge[chart]', or name a file that ends in .svg"
        raise UsageError("a chart as PNG needs vl-convert-python, which is not installed", hint) from None
    return svg_to_png(drawn, scale=SCALE)
