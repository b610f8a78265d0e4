"""What the page shows, its template, style and scripts -> one HTML file.

Text from benchmarks and models is data. It travels as JSON in which nothing can end a script element, the scripts
make text nodes of it, and the page's own policy lets only these scripts run and nothing be fetched.

Knows: how a page is closed to what it shows.
Does not know: what a figure means, where the file is written.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path

from edge_judge.report.formatting import DASH
from edge_judge.report.page.charts import BY_SIZE, BY_SPEED, Chart, Ladder, fullest, ladders
from edge_judge.report.page.data import Report, figures, headline
from edge_judge.report.page.drawing import HEIGHT, LARGE, SMALL, drawing
from edge_judge.report.page.pairs import pairs
from edge_judge.report.page.svg import element, text
from edge_judge.version import __version__

HERE = Path(__file__).parent
STYLES = ("colors.css", "page.css", "chart.css")
SCRIPTS = ("draw.js", "pairs.js", "page.js")
UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")  # ends an element or a line of script, or is half a character


def build(report: Report) -> str:
    """The whole page, to be written as UTF-8."""
    style = "".join(_read(name) for name in STYLES)
    every_ladder = ladders(report)
    script = '"use strict";\n' + "".join(_read(name) for name in SCRIPTS)
    parts = {
        "POLICY": _policy(script, style),
        "HEADLINE": html.escape(_whole(headline(report))),
        "VERSION": html.escape(__version__),
        "STYLE": style,
        "SIZE": _drawings(every_ladder, BY_SIZE),
        "SPEED": _drawings(every_ladder, BY_SPEED),
        "FIGURES": embedded(figures(report)),
        "PAIRS": embedded(pairs(report.entries)),
        "SCRIPT": script,
    }
    # in one pass, so that nothing put in is itself read as a place
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda place: parts[place[1]], _read("page.html"))


def embedded(content: object) -> str:
    """JSON that may stand in a script element of any page, whatever its texts are. Raises ValueError for nan."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


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


def _policy(script: str, style: str) -> str:
    """Only this script and this style, and nothing from anywhere; the icon is a part of the page."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _whole(text: str) -> str:
    """Without halves of characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
