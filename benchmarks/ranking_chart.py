"""The figure of a ranking's coverage: a line for each scenario, a mark for each kind of interval, as SVG.

Knows: the rows of coverage.json. Does not know: how they were simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_judge.report.page.svg import element, text

KINDS = {"ratings": "#1f6feb", "win_rates": "#2da44e", "single_votes": "#cf222e"}
NAMES = {"ratings": "ratings", "win_rates": "win rates", "single_votes": "ratings, single votes resampled"}
LEFT, ACROSS, TOP, LINE = 300, 420, 58, 24
LEAST, MOST = 50, 100  # per cent


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the figure."""
    least = min(LEAST, *(10 * int(10 * row["single_votes"]) for row in rows))
    height = TOP + LINE * len(rows) + 44

    def x(percent: float) -> float:
        return LEFT + ACROSS * (percent - least) / (MOST - least)

    bottom = TOP + LINE * len(rows)
    band = {"x": x(93), "y": TOP - 6, "width": x(97) - x(93), "height": bottom - TOP + 6, "fill": "#dddddd"}
    parts = [element("rect", {"width": "100%", "height": "100%", "fill": "white"}), element("rect", band)]
    parts.append(_text(LEFT, 20, "How often 95 % intervals hold the truth, %; grey: 93 to 97"))
    for place, (kind, colour) in enumerate(KINDS.items()):
        at = LEFT + (0, 80, 170)[place]
        parts += [element("circle", {"cx": at, "cy": 36, "r": 4, "fill": colour}), _text(at + 8, 40, NAMES[kind])]
    for tick in range(least, MOST + 1, 10):
        parts.append(_text(x(tick), bottom + 20, str(tick), "middle"))
    for place, row in enumerate(rows):
        y = TOP + LINE * place + 10
        parts.append(element("line", {"x1": LEFT, "x2": LEFT + ACROSS, "y1": y, "y2": y, "stroke": "#eeeeee"}))
        parts.append(_text(LEFT - 10, y + 4, _name(row["scenario"]), "end"))
        for kind, colour in KINDS.items():
            parts.append(element("circle", {"cx": x(100 * row[kind]), "cy": y, "r": 4, "fill": colour}))
    across = LEFT + ACROSS + 20
    sheet = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {across} {height}", "font-family": "sans-serif"}
    path.write_text(element("svg", {**sheet, "font-size": 12}, *parts) + "\n", encoding="utf-8")


def _name(scenario: Mapping[str, Any]) -> str:
    near = "near-ties" if scenario["spread"] < 0.5 else "apart"
    counted = "probabilities" if scenario["soft"] else "verdicts"
    return f"{scenario['systems']} systems, {scenario['questions']} questions, {near}, {counted}"


def _text(x: float, y: float, content: str, anchor: str = "start") -> str:
    return element("text", {"x": x, "y": y, "text-anchor": anchor}, text(content))
