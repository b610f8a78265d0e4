"""Marks with names -> where each name stands, so that it hides no other name and no mark, and is taken for its own.

Knows: about how wide a text is. Nothing is measured, so that one drawing serves the page and a file: the widths are
those of a wide and bold typeface.
Does not know: what a mark stands for, SVG.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Anchor: TypeAlias = Literal["start", "middle", "end"]

BEFORE: dict[Anchor, float] = {"start": 0, "middle": 0.5, "end": 1}  # the share of a text that is left of its anchor
SIZE = 12.5  # pixels of a name, as in chart.css
NARROW, SLIM, BROAD = frozenset("ijl.,:;'|!"), frozenset("frt -()[]_/"), frozenset("mwMW@%")
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
LINE = 17  # pixels from one line of names to the next
ASIDE: tuple[tuple[Anchor, float], ...] = (("middle", 0), ("start", 8), ("end", -8))  # of a mark, in pixels
FARTHEST = 4  # lines above or below its mark where a name may stand
HIDDEN, MISLED, CROSSED = 1000, 1.5, 0.5  # as bad as to stand so many lines farther away


@dataclass(frozen=True, slots=True)
class Rectangle:
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Rectangle) -> float:
        """The area that both cover."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, across) * max(0.0, down)

    def outside(self, box: Rectangle) -> float:
        """Its area that lies outside the box."""
        return (self.right - self.left) * (self.bottom - self.top) - self.overlap(box)


@dataclass(frozen=True, slots=True)
class Mark:
    """What has a name: an upright mark at x."""

    x: float
    top: float
    bottom: float
    name: str

    @property
    def area(self) -> Rectangle:
        return Rectangle(self.x - 5, self.top - 2, self.x + 5, self.bottom + 2)

    @property
    def ends(self) -> tuple[Rectangle, Rectangle]:
        """What is right above and right below it, where a name is taken for its own."""
        left, right = self.x - 5, self.x + 5
        above = Rectangle(left, self.top - LINE, right, self.top)
        return above, Rectangle(left, self.bottom, right, self.bottom + LINE)


@dataclass(frozen=True, slots=True)
class Label:
    """A text whose anchor, its start, middle or end, stands at x, on a base line at y."""

    x: float
    y: float
    name: str
    anchor: Anchor = "start"
    size: float = SIZE

    @property
    def area(self) -> Rectangle:
        wide = width(self.name, self.size)
        left = self.x - wide * BEFORE[self.anchor]
        return Rectangle(left - 2, self.y - 13, left + wide + 2, self.y + 4)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The box in which a label may stand, and what it should leave free. taken: what must not be hidden; misleading:
    where it seems another mark's; across: lines.
    """

    box: Rectangle
    taken: tuple[Rectangle, ...]
    misleading: tuple[Rectangle, ...] = ()
    across: tuple[Rectangle, ...] = ()

    def harm(self, label: Label, farther: int = 0) -> float:
        """How bad a label is that stands so many lines farther away than it could: 0 is the best. A label that hides
        nothing is better than any that does.
        """
        here = label.area
        hidden = here.outside(self.box) + sum(map(here.overlap, self.taken))
        misled, crossed = (any(map(here.overlap, kind)) for kind in (self.misleading, self.across))
        return HIDDEN * hidden + farther + MISLED * misled + CROSSED * crossed


def labels(
    marks: Sequence[Mark], box: Rectangle, covered: Sequence[Rectangle] = (), lines: Sequence[float] = ()
) -> list[Label]:
    """A label for each mark, in their order. covered: what else must not be hidden; lines: the heights of lines across.

    Each takes the best place that those before it leave; they are placed from either end, and the better way is kept.
    """
    across = tuple(Rectangle(box.left, height - 1, box.right, height + 1) for height in lines)
    taken = (*covered, *(mark.area for mark in marks))
    there = _placed(marks, Surroundings(box, taken, across=across))
    back = _placed(marks[::-1], Surroundings(box, taken, across=across))[::-1]
    return [label for label, _ in min(there, back, key=lambda way: sum(harm for _, harm in way))]


def _placed(marks: Sequence[Mark], around: Surroundings) -> list[tuple[Label, float]]:
    """Labels with the harm that they do."""
    placed: list[tuple[Label, float]] = []
    for mark in marks:
        misleading = tuple(end for other in marks if other.x != mark.x for end in other.ends)
        taken = (*around.taken, *(label.area for label, _ in placed))
        here = replace(around, taken=taken, misleading=misleading)
        places = ((label, here.harm(label, farther)) for label, farther in _places(mark))
        placed.append(min(places, key=lambda place: place[1]))
    return placed


def width(text: str, size: float = SIZE) -> float:
    return size * sum(_width(character) for character in text)


def fitted(text: str, room: float, size: float = SIZE) -> str:
    """The text, cut where it is wider than there is room."""
    if width(text, size) <= room:
        return text
    end = len(text)
    while end and width(text[:end] + ELLIPSIS, size) > room:
        end -= 1
    return text[:end] + ELLIPSIS


def _places(mark: Mark) -> Iterator[tuple[Label, int]]:
    """Where its label may stand: below, above and beside it, the best place first, then all of these a line farther."""
    below, above, level = mark.bottom + 16, mark.top - 7, (mark.top + mark.bottom) / 2 + 4
    for farther in range(FARTHEST):
        away = LINE * farther
        for anchor, aside in ASIDE:
            for y in (below + away, above - away, level + away):
                yield Label(mark.x + aside, y, mark.name, anchor), farther


def _width(character: str) -> float:
    """In units of the type's size."""
    if unicodedata.east_asian_width(character) in "WF":
        return 1.1
    if character in NARROW:
        return 0.38
    if character in SLIM:
        return 0.5
    return 1.05 if character in BROAD else 0.7
