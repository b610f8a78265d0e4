"""Marks with names -> where each name stands, so that it hides no other name and no mark.

Knows: about how wide a text is. Nothing is measured, so that one drawing serves the page and a file: the widths are
those of a wide and bold typeface.
Does not know: what a mark stands for, SVG.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Anchor: TypeAlias = Literal["start", "middle", "end"]

BEFORE: dict[Anchor, float] = {"start": 0, "middle": 0.5, "end": 1}  # the share of a text that is left of its anchor
SIZE = 12.5  # pixels of a name, as in chart.css
NARROW, SLIM, BROAD = frozenset("ijl.,:;'|!"), frozenset("frt -()[]_/"), frozenset("mwMW@%")
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
LINE = 15  # pixels from one line of names to the next
ASIDE: tuple[tuple[Anchor, float], ...] = (("middle", 0), ("start", 8), ("end", -8))  # of a mark, in pixels
FARTHEST = 4  # lines above or below its mark where a name may stand


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
    def room(self) -> Rectangle:
        return Rectangle(self.x - 5, self.top - 2, self.x + 5, self.bottom + 2)


@dataclass(frozen=True, slots=True)
class Label:
    """A text whose anchor, its start, middle or end, stands at x, on a base line at y."""

    x: float
    y: float
    name: str
    anchor: Anchor = "start"
    size: float = SIZE

    @property
    def room(self) -> Rectangle:
        wide = width(self.name, self.size)
        left = self.x - wide * BEFORE[self.anchor]
        return Rectangle(left - 2, self.y - 12, left + wide + 2, self.y + 3)


def labels(
    marks: Sequence[Mark], box: Rectangle, covered: Sequence[Rectangle] = (), lines: Sequence[float] = ()
) -> list[Label]:
    """A label for each mark, in their order. covered: what else must not be hidden; lines: the heights of lines across,
    which are better not crossed.
    """
    taken = [*covered, *(mark.room for mark in marks)]
    placed: list[Label] = []
    for mark in marks:
        placed.append(clearest(list(_places(mark)), box, taken, lines))
        taken.append(placed[-1].room)
    return placed


def clearest(
    places: Sequence[Sequence[Label]], box: Rectangle, taken: Sequence[Rectangle], lines: Sequence[float] = ()
) -> Label:
    """The first of the labels that hides nothing and crosses no line; else the one that does the least harm. The places
    are in groups, the best first: a line is crossed rather than a worse group taken.
    """
    across = [Rectangle(box.left, height - 1, box.right, height + 1) for height in lines]

    def harm(place: tuple[int, Label]) -> tuple[float, int, float]:
        rank, room = place[0], place[1].room
        return room.outside(box) + sum(map(room.overlap, taken)), rank, sum(map(room.overlap, across))

    return min(((rank, label) for rank, group in enumerate(places) for label in group), key=harm)[1]


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


def _places(mark: Mark) -> Iterator[list[Label]]:
    """Where its label may stand: below, above and beside it, then all of these a line farther."""
    for line in range(FARTHEST):
        below, above, beside = mark.bottom + 16, mark.top - 7, (mark.top + mark.bottom) / 2 + 4
        heights = below + LINE * line, above - LINE * line, beside + LINE * line
        yield [Label(mark.x + aside, y, mark.name, anchor) for anchor, aside in ASIDE for y in heights]


def _width(character: str) -> float:
    """In units of the type's size."""
    if unicodedata.east_asian_width(character) in "WF":
        return 1.1
    if character in NARROW:
        return 0.38
    if character in SLIM:
        return 0.5
    return 1.05 if character in BROAD else 0.7
