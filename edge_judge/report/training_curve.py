"""The measurements of a training -> one page with two charts: loss, and the share of right verdicts.

Knows: the colours and the axes of the report's page. Does not know: files, how a judge is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_judge.quantities import counted
from edge_judge.records import CurvePoint
from edge_judge.report import page
from edge_judge.report.page import axes
from edge_judge.report.page.axes import Axis
from edge_judge.report.page.svg import Attribute, element, number, text

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 120, 26, 40  # what is free on each side of a plot, in pixels
STYLES = ("colors.css", "page.css", "chart.css")
STYLE = """
main { max-width: 720px; margin: 2rem auto; padding: 0 1rem; }
.line { fill: none; stroke: var(--accent); stroke-width: 2; }
.second { stroke-dasharray: 5 4; }
.dot { fill: var(--accent); }
"""
FOLDER = Path(page.__file__).parent


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart. value: of a point, None where it has none; dashed: to tell it from the other."""

    name: str
    value: Callable[[CurvePoint], float | None]
    dashed: bool = False


def build(curve: Sequence[CurvePoint], steps: int, title: str) -> str:
    """The page. steps: that are planned; title: what is trained on what."""
    losses = (
        Line("validation", lambda point: point.loss),
        Line("training", lambda point: point.training_loss, dashed=True),
    )
    right = (Line("validation", lambda point: 100 * point.accuracy),)
    best = min(curve, key=lambda point: point.loss)
    said = (
        f"{len(curve)} measurements on held-out pairs. Lowest validation loss: {best.loss:.4f} after step {best.step} "
        f"of {steps}, with {best.right} of {counted(best.verdicts, 'verdict')} correct."
    )
    style = "".join((FOLDER / name).read_text(encoding="utf-8") for name in STYLES) + STYLE
    charts = [
        element("h2", {}, "Loss, nats a token") + _chart(curve, steps, losses, axes.linear_axis),
        element("h2", {}, "Right verdicts, %") + _chart(curve, steps, right, _percent_axis),
    ]
    body = element("main", {}, element("h1", {}, text(title)), element("p", {}, text(said)), *charts)
    head = f'<meta charset="utf-8"><title>{text(title)}</title><style>{style}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _percent_axis(values: Sequence[float], start: float, end: float) -> Axis:
    return axes.share_axis([value / 100 for value in values], start, end)


def _chart(
    curve: Sequence[CurvePoint],
    steps: int,
    lines: Sequence[Line],
    axis: Callable[[Sequence[float], float, float], Axis],
) -> str:
    values = [value for line in lines for point in curve if (value := line.value(point)) is not None]
    x = Axis(0, max(steps, 1), LEFT, WIDTH - RIGHT)
    y = axis(values, HEIGHT - BOTTOM, TOP)
    parts = [*_grid(x, y), *(part for line in lines for part in _line(curve, line, x, y))]
    size: dict[str, Attribute] = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "width": WIDTH, "height": HEIGHT, "role": "img"}
    return element("svg", size, *parts)


def _grid(x: Axis, y: Axis) -> list[str]:
    across, down = f"H{number(x.end)}", f"V{number(y.start)}"
    levels = y.ticks(5)
    ways = [f"M{number(x.start)},{number(y.place(value))}{across}" for value in levels]
    ways += [f"M{number(x.place(value))},{number(y.end)}{down}" for value in x.ticks(8)]
    parts = [element("path", {"class": "grid", "d": "".join(ways)})]
    for value in levels:
        place: dict[str, Attribute] = {"class": "tick", "text-anchor": "end", "x": x.start - 8, "y": y.place(value) + 4}
        parts.append(element("text", place, f"{value:.{axes.decimals(levels)}f}"))
    for value in x.ticks(8):
        place = {"class": "tick", "text-anchor": "middle", "x": x.place(value), "y": y.start + 18}
        parts.append(element("text", place, f"{value:.0f}"))
    parts.append(element("text", {"class": "axis", "text-anchor": "end", "x": x.end, "y": HEIGHT - 6}, "step"))
    return parts


def _line(curve: Sequence[CurvePoint], line: Line, x: Axis, y: Axis) -> list[str]:
    """The line with its points, and its name where it ends."""
    found = [(point.step, value) for point in curve if (value := line.value(point)) is not None]
    places = [(x.place(step), y.place(value)) for step, value in found]
    if not places:
        return []
    way = "M" + "L".join(f"{number(across)},{number(up)}" for across, up in places)
    dots = [element("circle", {"class": "dot", "cx": across, "cy": up, "r": 3}) for across, up in places]
    kind = "line second" if line.dashed else "line"
    last = places[-1]
    name = element("text", {"class": "name", "x": last[0] + 8, "y": last[1] + 4}, line.name)
    return [element("path", {"class": kind, "d": way}), *dots, name]
