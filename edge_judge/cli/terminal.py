"""What is said on stderr, for a person: notes, and progress with the time that is left, on a terminal only."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from edge_judge.records import Progress, ProgressListener, WorkEstimate

if TYPE_CHECKING:
    from quantize.progress import Progress as Built


def note(text: str) -> None:
    click.echo(text, err=True)


def width() -> int:
    """Columns for a table: the terminal's, at most 120; 80 where nobody looks."""
    return min(shutil.get_terminal_size((80, 24)).columns, 120)


def color() -> bool:
    if sys.stdout is None:  # closed by the caller: there is nobody to print for
        return False
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def size(count: float) -> str:
    """Bytes for a person: decimal units."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def duration(seconds: float) -> str:
    """A time for a person, in its two largest units."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes < 60:
        return f"{minutes} min"
    large, small = (f"{minutes // 60} h", f"{minutes % 60} min")
    if minutes >= 24 * 60:
        large, small = (f"{hours // 24} d", f"{hours % 24} h")
    return large if small.startswith("0 ") else f"{large} {small}"


def ahead(name: str, ahead: WorkEstimate) -> str:
    """What a run has to do and will take, in a line."""
    writes = f", up to {ahead.each} to write after each prompt" if ahead.each else ""
    cut = ", in smaller parts than usual" if ahead.smaller else ""
    return (
        f"{name}: {ahead.verdicts:,} verdicts, {ahead.tokens:,} tokens to read (of {ahead.tokens_alone:,})"
        f"{writes}, about {size(ahead.memory)} of memory{cut}"
    )


class Showing(ProgressListener):
    """Shows how far a run is."""

    def __init__(self, show: Callable[[Progress], None] = lambda _: None) -> None:
        self._show = show

    def progress(self, progress: Progress) -> None:
        self._show(progress)


class Announcing(Showing):
    """Says first, in a line, what the run has to do. prefix: what the line begins with."""

    def __init__(self, show: Callable[[Progress], None] = lambda _: None, *, prefix: str = "") -> None:
        super().__init__(show)
        self._prefix = prefix

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        note(self._prefix + ahead(name, estimate))


@contextmanager
def building(title: str) -> Iterator[Callable[[Built], None]]:
    """A bar over the bytes of a GGUF that is being made."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(None), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def show(now: Built) -> None:
            said = f"{title} · {now.stage} · tensor {now.tensors_done}/{now.tensors}"
            bar.update(task, total=now.bytes, completed=now.bytes_done, description=said)

        yield show


@contextmanager
def progress(title: str) -> Iterator[Callable[[Progress], None]]:
    """A bar over tokens, which are what takes the time; verdicts and the time that is left beside it. Where there is
    no terminal, one line on how long it will take, if that is long.
    """
    if not sys.stderr.isatty():
        yield _Forecast(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    # rich's own column knows no time left where one decode call takes longer than the half minute it looks back
    columns = (
        TextColumn("{task.description}"),
        BarColumn(None),
        TextColumn("{task.fields[verdicts]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, verdicts="", left="")

        def show(now: Progress) -> None:
            said = f"{now.verdicts}/{now.verdicts_total} verdicts"
            left = "" if now.left is None else f"{duration(now.left)} left"
            bar.update(task, total=now.tokens_total, completed=now.tokens, verdicts=said, left=left)

        yield show


class _Forecast:
    """Says once how long work will take, from the rate of its first part."""

    LONG = 60.0  # seconds: what is over sooner needs no forecast

    def __init__(self, title: str) -> None:
        self._title, self._said = title, False

    def __call__(self, now: Progress) -> None:
        if not self._said and now.left is not None:
            self._said = True
            if now.left >= self.LONG:
                note(f"{self._title}: about {duration(now.left)} left, at the rate of the first part")
