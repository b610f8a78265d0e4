"""How figures look: a number as text, lines as a calm table, a table as a string.

Knows: what stands for a figure that is undefined, and how a table looks in a terminal.
Does not know: what a figure means, nor any other form of a table than a terminal's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from textwrap import wrap
from typing import TYPE_CHECKING, Literal, TypeAlias

from edge_judge import quantities
from edge_judge.quantities import MINUS as MINUS
from edge_judge.quantities import duration as duration
from edge_judge.quantities import signed_number as signed_number
from edge_judge.records import Figure
from edge_judge.report.printable import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table as RichTable

Form: TypeAlias = Literal["table", "csv", "markdown", "latex"]  # of a table; forms.py writes all but the first
UNDEFINED = "-"
DASH = "\N{EN DASH}"  # the same on the page
NO_BREAK = "\N{NO-BREAK SPACE}"
INTERVAL = re.compile(r"\S+ (?:% )?\[[^\[\]a-z]*\](?: %)?")


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text, which every form is made of.

    title: "" for none; headings: their lines divided by line breaks; rows: a cell for each heading; bold: the columns
    that matter most; words: how many columns of words there are, which come first and are aligned to the left, while
    figures are to the right; whole: how many of these are never folded. paths: whether there are paths in it, which are
    copied: no line of it is broken.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bold: frozenset[int] = frozenset()
    words: int = 1
    whole: int = 0
    paths: bool = False

    def __rich__(self) -> RenderableType:
        """In a terminal: the title, which may be longer than the table is wide, above it."""
        from rich.console import Group
        from rich.text import Text

        return Group(Text(printable(self.title), style="bold"), self.lines()) if self.title else self.lines()

    def lines(self) -> RichTable:
        """Without the title. Where the width is short only the columns of words are folded: a figure is never cut."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        lines = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 0, 0, 1), pad_edge=False)
        lines.header_style, lines.border_style = "dim", "dim"
        for place, heading in enumerate(self.headings):
            style = "bold" if place in self.bold else ""
            if place >= self.words:
                lines.add_column(Text(printable(heading)), justify="right", no_wrap=True, style=style)
            else:
                lines.add_column(Text(printable(heading)), overflow="fold", no_wrap=place < self.whole, style=style)
        for row in self.rows:
            lines.add_row(*(Text(printable(cell)) for cell in row))
        return lines


def table(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    bold: frozenset[int] = frozenset(),
    *,
    words: int = 1,
) -> Table:
    """The frozen table of these lists; what they are stands at `Table`."""
    return Table(title, tuple(headings), tuple(map(tuple, rows)), bold, words)


def natural_width(part: Table) -> int:
    """The terminal columns that a table takes where nothing is folded."""
    from rich.console import Console

    return Console(width=10_000).measure(part.lines()).maximum


def notes(*lines: str) -> Notes:
    """Lines of explanation below the tables, broken between words and never between a figure and its interval."""
    return Notes(lines)


@dataclass(frozen=True, slots=True)
class Notes:
    """Lines of explanation."""

    lines: tuple[str, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.text import Text

        for line in self.lines:
            for part in wrapped(line, options.max_width):
                yield Text(part, style="dim")


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the tables say, in words."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.text import Text

        for line in self.text.splitlines():
            for part in wrapped(line, options.max_width):
                yield Text(part)


Part: TypeAlias = Table | Notes | Sentence


def wrapped(line: str, width: int) -> list[str]:
    """The line in parts of this width, broken between words and never between a figure and its interval."""
    parts = wrap(unbroken(printable(line)), width, break_on_hyphens=False)
    return [part.replace(NO_BREAK, " ") for part in parts] or [""]


def unbroken(line: str) -> str:
    """The line with spaces that do not break between a figure and its interval."""
    return INTERVAL.sub(lambda match: match[0].replace(" ", NO_BREAK), line)


def render(parts: Sequence[Part], width: int, color: bool) -> str:
    """The parts with a blank line between them, ending in a line break; escape codes only with `color`."""
    from rich.console import Console

    console = Console(
        file=StringIO(),
        width=max([width, *(natural_width(part) for part in parts if isinstance(part, Table) and part.paths)]),
        height=25,  # named, because on a dumb terminal the width would be ignored otherwise
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        for place, part in enumerate(parts):
            if place:
                console.print()
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def dash(text: str) -> str:
    """The text for the page."""
    return DASH if text == UNDEFINED else text


def value(figure: Figure | None, shown: Callable[[float], str]) -> str:
    """The figure without its interval."""
    return UNDEFINED if figure is None or figure.value is None else shown(figure.value)


def interval(figure: Figure, shown: Callable[[float], str]) -> str:
    """The figure with its interval, where it has one."""
    if figure.value is None or figure.low is None or figure.high is None:
        return value(figure, shown)
    return f"{shown(figure.value)} [{shown(figure.low)}, {shown(figure.high)}]"


def percent(fraction: float) -> str:
    """A share in [0, 1] as percent, without the sign, which stands in the heading."""
    return f"{100 * fraction:.1f}"


def points(number: float) -> str:
    """Percentage points of a loss, or a limit on one: a gain alone has a sign. Differences are `difference`."""
    return signed_number(number, ".1f")


def difference(number: float) -> str:
    """Percentage points of a change or of what lies between two figures, always with its sign."""
    return quantities.signed(number)


def difference_of_shares(number: float) -> str:
    """The same of shares, in [-1, 1]."""
    return quantities.signed(100 * number)


def kappa(beyond_chance: float) -> str:
    """Cohen's, in [-1, 1]."""
    return signed_number(beyond_chance, ".2f")


def divergence(nats: float) -> str:
    """A Kullback-Leibler divergence; "<0.0001" is small, "0.0000" is none at all."""
    return f"{nats:.4f}" if nats >= 0.00005 or nats == 0 else "<0.0001"


def probability(p: float | None) -> str:
    """A p value."""
    if p is None:
        return UNDEFINED
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def count(number: float | None) -> str:
    """How many, in whole numbers unless there are few."""
    if number is None:
        return UNDEFINED
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def size(number: float | None) -> str:
    """Bytes. None and 0 are unknown: no file has 0."""
    return quantities.size(number) if number else UNDEFINED
