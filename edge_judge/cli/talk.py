"""What is said on stderr, for a person: notes, and progress with the time that is left, on a terminal only."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from edge_judge.records import Progress

if TYPE_CHECKING:
    from quantize.build import Progress as Built


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
    """A bar over tokens, which are what takes the time; verdicts beside it."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(None),
        TextColumn("{task.fields[verdicts]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, verdicts="")

        def show(now: Progress) -> None:
            said = f"{now.verdicts}/{now.verdicts_total} verdicts"
            bar.update(task, total=now.tokens_total, completed=now.tokens, verdicts=said)

        yield show
