"""How figures look: a number as text, lines as a calm table, a table as a string.

Knows: signs, digits, units and columns.
Does not know: what a figure means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from textwrap import wrap
from typing import TYPE_CHECKING

from edge_judge.records import Figure

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

UNDEFINED = "-"
DASH = "\N{EN DASH}"  # the same on the page
NO_BREAK = "\N{NO-BREAK SPACE}"
INTERVAL = re.compile(r"\S+ (?:% )?\[[^\[\]a-z]*\](?: %)?")
MINUS = "\N{MINUS SIGN}"


def table(
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    bold: frozenset[int] = frozenset(),
    *,
    words: int = 1,
    also_words: frozenset[int] = frozenset(),
) -> RenderableType:
    """Columns of words to the left, figures to the right. bold: the columns that matter most; words: how many columns
    of words there are, which come first; also_words: further ones.

    Where the width is short only the columns of words are folded: a figure is never cut.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    lines = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 0, 0, 1), pad_edge=False)
    lines.title, lines.title_justify = Text(title) if title else None, "left"
    lines.title_style, lines.header_style, lines.border_style = "bold", "dim", "dim"
    for place, header in enumerate(headers):
        style = "bold" if place in bold else ""
        if place >= words and place not in also_words:
            lines.add_column(Text(header), justify="right", no_wrap=True, style=style)
        else:
            lines.add_column(Text(header), overflow="fold", style=style)
    for row in rows:
        lines.add_row(*(Text(cell) for cell in row))
    return lines


def natural_width(part: RenderableType) -> int:
    """The terminal columns that a table takes where nothing is folded."""
    from rich.console import Console

    return Console(width=10_000).measure(part).maximum


def notes(*lines: str) -> RenderableType:
    """Lines of explanation below the tables, broken between words and never between a figure and its interval."""
    return _Notes(lines)


@dataclass(frozen=True, slots=True)
class _Notes:
    lines: tuple[str, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.text import Text

        for line in self.lines:
            for part in wrap(unbroken(line), options.max_width, break_on_hyphens=False) or [""]:
                yield Text(part.replace(NO_BREAK, " "), style="dim")


def unbroken(line: str) -> str:
    """The line with spaces that do not break between a figure and its interval."""
    return INTERVAL.sub(lambda match: match[0].replace(" ", NO_BREAK), line)


def render(parts: Sequence[RenderableType], width: int, color: bool) -> str:
    """The parts with a blank line between them, ending in a line break; escape codes only with `color`."""
    from rich.console import Console

    console = Console(
        file=StringIO(),
        width=width,
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
    """Percentage points."""
    return signed_number(number, ".1f")


def share(fraction: float) -> str:
    """A signed share in [-1, 1]."""
    return signed_number(fraction, "+.2f")


def kappa(beyond_chance: float) -> str:
    """Cohen's, in [-1, 1]."""
    return signed_number(beyond_chance, ".2f")


def signed_number(number: float, form: str) -> str:
    """With a real minus sign, and with no sign on a zero."""
    text = format(number, form)
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", MINUS)


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


def size(number: int | None) -> str:
    """Bytes in decimal units, as model files are listed. None and 0 are unknown: no file has 0."""
    if not number:
        return UNDEFINED
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if number >= scale:
            return f"{number / scale:.{1 if number / scale >= 10 else 2}f} {unit}"
    return f"{number / 1e3:.0f} kB"


def short_size(count: float) -> str:
    """Bytes within a sentence: three digits, decimal units."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def duration(seconds: float) -> str:
    """A time in its two largest units."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes < 60:
        return f"{minutes} min"
    large, small = (f"{minutes // 60} h", f"{minutes % 60} min")
    if minutes >= 24 * 60:
        large, small = (f"{hours // 24} d", f"{hours % 24} h")
    return large if small.startswith("0 ") else f"{large} {small}"
