"""Win rates of systems -> their drawing as SVG: a line a system, a dot with its interval on one axis.

A system's mark has its place in the ranking: `data-run`. Knows: what is drawn, and where.
Does not know: colours, what a reader chooses, files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_judge.records import Figure
from edge_judge.report.formatting import DASH, interval, percent
from edge_judge.report.page.axes import Axis, decimals, share_axis
from edge_judge.report.page.labels import fitted, width
from edge_judge.report.page.svg import Attribute, element, number, text

WIDE, NARROW = 760, 340  # widths of a drawing in pixels, beside its names and figures, and below them
ROW, TALL_ROW = 30, 48  # pixels of a system: in a wide and in a narrow drawing
TOP, BOTTOM = 8, 42  # above the first system, and below the last
NAMES = 190  # pixels of a name and its letters, at most, in a wide drawing
RIGHT, EDGE = 128, 12  # pixels of a figure in a wide drawing, and what is free at an end of the axis
RADIUS, SMALL_RADIUS, REACH = 5.5, 4, 14  # of a mark, of the judge's own rate beside it, and of what can be pointed at
MIDDLE = 0.5  # the share at which two systems are equal


@dataclass(frozen=True, slots=True)
class Line:
    """A system. place: in the ranking; rate: None for the baseline; letters: of its groups; judge: what the judge alone
    said, where `rate` corrects it.
    """

    place: int
    name: str
    rate: Figure | None
    letters: str = ""
    judge: float | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """What is drawn. caption: of the axis."""

    lines: tuple[Line, ...]
    caption: str

    def height(self, across: int) -> int:
        """Pixels of the drawing."""
        return TOP + BOTTOM + len(self.lines) * (ROW if across >= WIDE else TALL_ROW)

    def drawing(self, across: int) -> str:
        """The elements of the drawing, `across` pixels wide."""
        wide = across >= WIDE
        names = max(width(f"{line.name} {line.letters}") for line in self.lines) if wide else 0
        left, right = (min(names, NAMES) + 2 * EDGE, across - RIGHT) if wide else (EDGE, across - EDGE)
        shares = [MIDDLE, *(share for line in self.lines for share in _shares(line))]
        return "".join(_Drawing(self, share_axis(shares, left, right), across).parts())


@dataclass(frozen=True, slots=True)
class _Drawing:
    rates: Rates
    x: Axis
    across: int

    def parts(self) -> Iterator[str]:
        """From the back to the front."""
        bottom = self.rates.height(self.across) - BOTTOM
        ticks = self.x.ticks(8 if self._wide else 5)
        down = f"{number(TOP)}V{number(bottom)}"
        yield element("path", {"class": "grid", "d": "".join(f"M{number(self.x.place(at))},{down}" for at in ticks)})
        yield element("path", {"class": "rule", "d": f"M{number(self.x.place(100 * MIDDLE))},{down}"})
        for at in ticks:
            yield _text("tick", self.x.place(at), bottom + 18, f"{at:.{decimals(ticks)}f}", "middle")
        yield _text("axis", self.x.end, bottom + 36, self.rates.caption, "end")
        for row, line in enumerate(self.rates.lines):
            yield from self._line(line, TOP + row * (ROW if self._wide else TALL_ROW))

    @property
    def _wide(self) -> bool:
        return self.across >= WIDE

    def _line(self, line: Line, top: float) -> Iterator[str]:
        """The name before the mark and the figure behind it, or both above it."""
        y = top + (ROW / 2 if self._wide else TALL_ROW - 14)
        base = y + 4 if self._wide else top + 16
        figure = _figure(line)
        room = NAMES if self._wide else self.across - width(figure) - 2 * EDGE
        letters = element("tspan", {"class": "letters", "dx": 7}, text(line.letters)) if line.letters else ""
        name = text(fitted(line.name, room - width(line.letters) - 7))
        yield element("text", {"class": "name", "data-run": line.place, "x": 0, "y": base}, name, letters)
        yield _text("figure", self.across, base, figure, "end")
        if line.rate is not None and line.rate.value is not None:
            yield self._mark(line, line.rate.value, y)

    def _mark(self, line: Line, share: float, y: float) -> str:
        ends = [self.x.place(100 * end) for end in _shares(line)]
        at: dict[str, Attribute] = {"cx": self.x.place(100 * share), "cy": y}
        parts = [element("title", {}, text(f"{line.name}: {_figure(line)} %"))]
        if line.judge is not None:
            place = self.x.place(100 * line.judge)
            parts.append(element("circle", {"class": "judge", "cx": place, "cy": y, "r": SMALL_RADIUS}))
        parts.append(element("line", {"x1": min(ends[:2]), "x2": max(ends[:2]), "y1": y, "y2": y}))
        parts += [element("circle", {"class": "reach", **at, "r": REACH}), element("circle", {**at, "r": RADIUS})]
        return element("g", {"class": "point", "data-run": line.place}, *parts)


def _shares(line: Line) -> list[float]:
    """The ends of its interval, or the rate itself where it has none, and what the judge said."""
    rate = line.rate
    if rate is None or rate.value is None:
        return []
    ends = [rate.value if end is None else end for end in (rate.low, rate.high)]
    return ends if line.judge is None else [*ends, line.judge]


def _figure(line: Line) -> str:
    if line.rate is None:
        return "baseline"
    return DASH if line.rate.value is None else interval(line.rate, percent)


def _text(name: str, x: float, y: float, content: str, anchor: str) -> str:
    return element("text", {"class": name, "x": x, "y": y, "text-anchor": anchor}, text(content))
