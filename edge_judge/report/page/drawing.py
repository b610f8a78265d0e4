"""A ladder in a chart -> its drawing as SVG, the one that the page and a file show.

Its parts have classes, for a style sheet, and a run's mark and name have the run's place on the page: `data-run`.
Knows: what is drawn, and where.
Does not know: colours, what a reader chooses, files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_judge.report import formatting
from edge_judge.report.page.axes import Axis, decimals, share_axis
from edge_judge.report.page.charts import Chart, Ladder, Point
from edge_judge.report.page.labels import Anchor, Label, Mark, Rectangle, Surroundings, fitted, labels
from edge_judge.report.page.svg import Attribute, element, number, text

LARGE, SMALL = 528, 340  # widths of a drawing in pixels: beside another, and on a phone
HEIGHT = 300
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 26, 44  # what is free on each side of the plot
RADIUS, REACH = 5.5, 16  # of the mark that is seen, and of the one that can be pointed at
LONGEST = 160  # pixels of a run's name
CAPTION = 11.5  # pixels of a rule's name, as in chart.css


def drawing(ladder: Ladder, chart: Chart, across: int) -> str:
    """The elements of the drawing, `across` pixels wide and HEIGHT high. The chart must have points to show."""
    points = chart.points(ladder)
    box = Rectangle(LEFT, TOP, across - RIGHT, HEIGHT - BOTTOM)
    shares = [share for point, _ in points for share in point.shares] + [rule.share for rule in ladder.rules]
    x = chart.axis([value for _, value in points], box.left, box.right)
    y = share_axis(shares, box.bottom, box.top)
    spots = [Spot(point, x.place(value), *(y.place(100 * share) for share in point.shares)) for point, value in points]
    return "".join(_Drawing(ladder, chart, x, y, box, spots).parts())


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a run is drawn: its accuracy at y, and its interval from bottom up to top."""

    point: Point
    x: float
    y: float
    bottom: float
    top: float

    @property
    def mark(self) -> Mark:
        name = fitted(self.point.scheme, LONGEST)
        return Mark(self.x, min(self.top, self.y - RADIUS), max(self.bottom, self.y + RADIUS), name)


@dataclass(frozen=True, slots=True)
class _Drawing:
    ladder: Ladder
    chart: Chart
    x: Axis
    y: Axis
    box: Rectangle
    spots: Sequence[Spot]

    def parts(self) -> Iterator[str]:
        """From the back to the front."""
        yield from self._down()
        yield from self._across()
        if self.chart.linked:
            steps = [f"{number(spot.x)},{number(spot.y)}" for spot in self.spots]
            yield element("path", {"class": "link", "d": "M" + "L".join(steps)})
        rules = [self.y.place(100 * rule.share) for rule in self.ladder.rules]
        if rules:
            yield _lines("rule", [self._level(y) for y in rules])
        yield from (_mark(spot) for spot in self.spots)
        captions = list(self._captions())
        yield from (_label("axis", caption) for caption in captions)
        yield from self._names(rules, captions)

    def _down(self) -> Iterator[str]:
        ticks = self.y.ticks(HEIGHT // 60)
        yield _lines("grid", [self._level(self.y.place(share)) for share in ticks])
        for share in ticks:
            shown = f"{share:.{decimals(ticks)}f}"
            yield _label("tick", Label(self.box.left - 8, self.y.place(share) + 4, shown, "end"))
        yield _label("axis", Label(self.box.left - 44, 12, "right, %"))

    def _across(self) -> Iterator[str]:
        ticks = self.x.ticks(min(8, max(3, int(self.box.right + RIGHT) // 90)))
        down = f"{number(self.box.top)}V{number(self.box.bottom)}"
        yield _lines("grid", [f"M{number(self.x.place(value))},{down}" for value in ticks])
        for value in ticks:
            shown = self.chart.tick(value, decimals(ticks))
            yield _label("tick", Label(self.x.place(value), self.box.bottom + 18, shown, "middle"))
        yield _label("axis", Label(self.box.right, HEIGHT - 6, self.chart.heading, "end"))

    def _level(self, y: float) -> str:
        return f"M{number(self.box.left)},{number(y)}H{number(self.box.right)}"

    def _captions(self) -> Iterator[Label]:
        """The names of the rules: above the line at its right end, or where they hide no mark."""
        middle, left = (self.box.left + self.box.right) / 2, self.box.left + 4
        ends: tuple[tuple[Anchor, float], ...] = (("end", self.box.right), ("middle", middle), ("start", left))
        around = Surroundings(self._nameable, tuple(spot.mark.area for spot in self.spots))
        for rule in self.ladder.rules:
            if rule.name:
                y = self.y.place(100 * rule.share)
                places = [Label(x, at, rule.name, end, CAPTION) for at in (y - 5, y + 13) for end, x in ends]
                yield min(places, key=around.harm)

    def _names(self, rules: Sequence[float], captions: Sequence[Label]) -> Iterator[str]:
        covered = [caption.area for caption in captions]
        placed = labels([spot.mark for spot in self.spots], self._nameable, covered, rules)
        return (_label("name", label, spot.point.run) for spot, label in zip(self.spots, placed, strict=True))

    @property
    def _nameable(self) -> Rectangle:
        """Where names may stand: the plot and some of what is around it."""
        return Rectangle(self.box.left, TOP / 2, self.box.right + RIGHT, self.box.bottom)


def _mark(spot: Spot) -> str:
    figure = spot.point.accuracy
    parts = [element("title", {}, text(f"{spot.point.scheme}: {formatting.interval(figure, formatting.percent)} %"))]
    if figure.low is not None:
        parts.append(element("line", {"x1": spot.x, "x2": spot.x, "y1": spot.bottom, "y2": spot.top}))
    at: dict[str, Attribute] = {"cx": spot.x, "cy": spot.y}
    parts.append(element("circle", {"class": "reach", **at, "r": REACH}))
    parts.append(element("circle", {**at, "r": RADIUS}))
    return element("g", {"class": "point", "data-run": spot.point.run}, *parts)


def _lines(name: str, ways: Sequence[str]) -> str:
    """Lines of one kind, as one element."""
    return element("path", {"class": name, "d": "".join(ways)})


def _label(name: str, label: Label, run: int | None = None) -> str:
    attributes: dict[str, Attribute] = {"class": name}
    if run is not None:
        attributes["data-run"] = run
    if label.anchor != "start":
        attributes["text-anchor"] = label.anchor
    return element("text", {**attributes, "x": label.x, "y": label.y}, text(label.name))
