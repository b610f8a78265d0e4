"""Runs with their figures -> the points of two charts: accuracy against size, and against speed.

Knows: which runs stand in one chart, and what it shows of them.
Does not know: where a point is drawn. It computes no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edge_judge.quantities import counted
from edge_judge.records import Figure
from edge_judge.report.page import axes
from edge_judge.report.page.data import Report, Setting


@dataclass(frozen=True, slots=True)
class Point:
    """A run with an accuracy. run: its place on the page; speed: verdicts a minute, None where none was measured."""

    run: int
    scheme: str
    accuracy: Figure
    bytes: int
    speed: float | None

    @property
    def shares(self) -> tuple[float, float, float]:
        """Its accuracy and the ends of its interval, which are the accuracy again where it has none."""
        right = self.accuracy.value or 0.0
        low, high = self.accuracy.low, self.accuracy.high
        return right, right if low is None else low, right if high is None else high


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across a chart at a share of right verdicts, with its name where it needs one."""

    share: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class Ladder:
    """The schemes of one judge under one protocol on one benchmark, the largest file first. runs: how many there are,
    those without an accuracy too. rules: the accuracy that they are compared with, and what is left where all is lost
    that may be; none without a baseline.
    """

    setting: Setting
    runs: int
    points: tuple[Point, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Accuracy against another value of a run, None where it has none.

    tick: a value of the axis as text, with so many decimals. linked: whether a line leads from point to point.
    missing: why nothing is drawn where runs have an accuracy, but not this value.
    """

    heading: str
    value: Callable[[Point], float | None]
    axis: Callable[[Sequence[float], float, float], axes.Axis]
    tick: Callable[[float, int], str]
    linked: bool
    missing: str

    def points(self, ladder: Ladder) -> list[tuple[Point, float]]:
        """The runs that have a place in it, each with its value."""
        values = ((point, self.value(point)) for point in ladder.points)
        return [(point, value) for point, value in values if value]

    def nothing(self, ladder: Ladder) -> str:
        """Why it is empty."""
        return self.missing if ladder.points else "no pair here has a human label"


def ladders(report: Report) -> list[Ladder]:
    """The ladders in the order of the page's settings."""
    return [
        Ladder(setting, len(places), tuple(_points(report, places)), tuple(_rules(report, places)))
        for setting, places in report.settings().items()
    ]


def fullest(every_ladder: Sequence[Ladder]) -> int:
    """The place of the ladder with the most runs: the one to see first."""
    return max(range(len(every_ladder)), key=lambda place: every_ladder[place].runs)


def _points(report: Report, places: Sequence[int]) -> Iterator[Point]:
    for place in sorted(places, key=lambda place: -report.entries[place].run.run.bytes):
        run = report.entries[place].summary
        if run.accuracy.value is not None:
            yield Point(place, run.identity.scheme, run.accuracy, run.bytes, run.verdicts_per_minute)


def _rules(report: Report, places: Sequence[int]) -> Iterator[Rule]:
    baselines = [report.entries[place].baseline for place in places]
    for place in dict.fromkeys(baseline for baseline in baselines if baseline is not None):
        right = report.entries[place].run.score.strict["accuracy"].value
        if right is not None:
            yield Rule(right)
            if 100 * right >= report.margin:
                yield Rule(right - report.margin / 100, f"{counted(report.margin, 'point')} below {report.baseline}")


def _bytes(size: float, _: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:g} {unit}"
    return f"{size / 1e3:g} kB"


def _number(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}"


BY_SIZE = Chart(
    "size of the file", lambda point: point.bytes, axes.log_axis, _bytes, linked=True, missing="no size is known"
)
BY_SPEED = Chart(
    "verdicts a minute", lambda point: point.speed, axes.linear_axis, _number, linked=False,
    missing="no time was measured",
)  # fmt: skip
