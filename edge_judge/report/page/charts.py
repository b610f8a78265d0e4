"""The main chart as a picture: accuracy against size, a panel for each judge, protocol and benchmark.

Knows: Altair's grammar of charts, and how it is made SVG or PNG without a browser or a network.
Does not know: where figures come from, the page's own drawings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO, StringIO
from typing import Any, Literal, TypeAlias

from edge_judge.errors import DataError
from edge_judge.report import formatting
from edge_judge.report.page.data import Entry

INK, SOFT, LINE, ACCENT = "#1d2326", "#5d686d", "#e3e4df", "#0d6e6e"
COLUMNS = 2
Point: TypeAlias = dict[str, "str | float | None"]
WIDE, HIGH = 380, 220  # pixels of a panel
SCALE = 2  # a PNG's pixels for each of these


def picture(entries: Sequence[Entry], form: Literal["svg", "png"]) -> bytes:
    """The chart. A run without an accuracy is left out: nobody labelled its pairs. Raises DataError where all are."""
    points = list(_points(entries))
    if not points:
        raise DataError("no run here has an accuracy to draw", "label the pairs of the benchmark: a, b or tie")
    chart = _chart(points)
    if form == "svg":
        text = StringIO()
        chart.save(text, format="svg")
        return text.getvalue().encode()
    image = BytesIO()
    chart.save(image, format=form, scale_factor=SCALE)
    return image.getvalue()


def _points(entries: Sequence[Entry]) -> Iterator[Point]:
    """Sorted by size, so that labels can stand above and below by turns."""
    for entry in sorted(entries, key=lambda entry: entry.run.run.bytes):
        who, right = entry.identity, entry.run.score.strict["accuracy"]
        if right.value is not None:
            yield {
                "panel": f"{who.benchmark}: {who.model}, {who.grammar}",
                "scheme": who.scheme,
                "size": entry.run.run.bytes / 1e6,
                **dict(zip(("right", "low", "high"), _percent(right.value, right.low, right.high), strict=True)),
                "told": f"{who.scheme}: {formatting.interval(right, formatting.percent)} %",
            }


def _percent(*shares: float | None) -> list[float | None]:
    return [None if share is None else 100 * share for share in shares]


def _chart(points: list[Point]) -> Any:
    import altair as alt

    panels = list(dict.fromkeys(point["panel"] for point in points))
    drawn = [_panel(str(name), [point for point in points if point["panel"] == name]) for name in panels]
    rows = [alt.hconcat(*drawn[start : start + COLUMNS], spacing=40) for start in range(0, len(drawn), COLUMNS)]
    return (
        alt.vconcat(*rows, spacing=32, background="white", padding=16)
        .configure(font="system-ui, 'DejaVu Sans', sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            gridColor=LINE, domain=False, ticks=False, labelColor=SOFT, titleColor=SOFT, titleFontWeight="normal"
        )
        .configure_title(anchor="start", color=INK, fontSize=13, offset=12)
    )


def _panel(title: str, points: list[Point]) -> Any:
    import altair as alt

    unit, scale = ("GB", 1e3) if max(float(point["size"] or 0) for point in points) >= 1e3 else ("MB", 1.0)
    values = [
        {**point, "size": float(point["size"] or 0) / scale, "above": bool(place % 2)}
        for place, point in enumerate(points)
    ]
    base = alt.Chart(alt.InlineData(values)).encode(
        x=alt.X("size:Q").title(f"size of the file, {unit}").scale(type="log", nice=False, padding=24).axis(grid=False),
        y=alt.Y("right:Q").title("right, %").scale(zero=False, padding=20),
        tooltip="told:N",
    )
    return alt.layer(
        base.mark_line(color=SOFT, opacity=0.4, strokeWidth=1),
        base.mark_rule(color=ACCENT, strokeWidth=1.5).encode(y=alt.Y("low:Q").title("right, %"), y2="high:Q"),
        base.mark_circle(color=ACCENT, size=70, opacity=1),
        base.mark_text(dy=-9, color=INK).encode(y="high:Q", text="scheme:N").transform_filter("datum.above"),
        base.mark_text(dy=11, color=INK).encode(y="low:Q", text="scheme:N").transform_filter("!datum.above"),
    ).properties(title=title, width=WIDE, height=HIGH)
