"""What is shown: results on stdout; on stderr, for a person, notes, and progress with the time that is left.

Knows: bars, whether this is a terminal, and how wide. Does not know: what the work is.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, Protocol

import click

from edge_judge.cli.command import is_quiet
from edge_judge.quantities import counted
from edge_judge.records import (
    Backend,
    BuildProgress,
    Offloaded,
    Progress,
    ProgressListener,
    TrainingProgress,
    WorkEstimate,
)
from edge_judge.report.formatting import Form, duration, size, wrapped
from edge_judge.report.printable import on_one_line, printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

UNLIMITED = 10_000  # columns: what is no terminal's has as many as it takes


def note(text: str) -> None:
    """A line on stderr; none with `--quiet`."""
    if not is_quiet():
        click.echo(printable(text), err=True)


def width() -> int:
    """Columns for a table: the terminal's, at most 120; 80 without one."""
    return min(_terminal_width(), 120)


def _terminal_width() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def color() -> bool:
    if sys.stdout is None:  # closed by the caller
        return False
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


class Text(Protocol):
    """Makes the text of a result."""

    def __call__(self, *, form: Form, width: int, color: bool) -> str: ...


def show(form: Form | Literal["json"], data: Callable[[], object], text: Text) -> None:
    """Print a result. data: what JSON has of it; text: makes the other forms, which have no narrow columns to fit."""
    if form == "json":
        click.echo(json.dumps(data(), indent=2))
    elif form == "table":
        click.echo(text(form=form, width=width(), color=color()), nl=False)
    else:
        # whole for a program; a file's control characters are for no terminal
        shown = text(form=form, width=UNLIMITED, color=False)
        click.echo(printable(shown) if sys.stdout is not None and sys.stdout.isatty() else shown, nl=False)


def estimate_line(name: str, estimate: WorkEstimate) -> str:
    """What a run has to do and will take."""
    writes = f", up to {estimate.each} generated after each prompt" if estimate.each else ""
    smaller = ", in smaller batches than usual" if estimate.smaller else ""
    offloaded = f"; {offloaded_words(estimate.offloaded)}" if estimate.offloaded else ""
    memory = f", about {size(estimate.memory)} of memory{smaller}{offloaded}" if estimate.memory else ""
    tokens = f"{counted(estimate.tokens, 'token')} to evaluate ({estimate.tokens_alone:,} without prefix sharing)"
    if not estimate.memory:  # an endpoint has the memory, and alone knows the tokens
        tokens = f"about {counted(estimate.tokens, 'prompt token')}"
    return f"{name}: {counted(estimate.verdicts, 'verdict')}, {tokens}{writes}{memory}"


def backend_lines(backend: Backend) -> Iterator[str]:
    """What llama.cpp can use here."""
    yield f"CPU: {backend.cpu}"
    for device in backend.devices:
        free, total = size(device.free), size(device.total)
        yield f"{device.name}: {device.description} ({device.backend}), {free} of {total} free"
    if not backend.devices:
        yield "GPU: none usable by this build of llama.cpp"


def offloaded_words(part: Offloaded) -> str:
    """What is on GPUs, and what that takes."""
    return (
        f"{part.layers} of {counted(part.layers_total, 'layer')} on {part.devices}: {size(part.used)} "
        f"(estimated {size(part.estimated)}) of {size(part.available)}"
    )


class TerminalListener(ProgressListener):
    """Notes as lines, a task as a bar below them; where there is no terminal, one line on how long a long task will
    take. A task that is begun within another has a bar of its own, and progress is that of the innermost. Nothing with
    `--quiet`.
    """

    def __init__(self) -> None:
        self._quiet = is_quiet()
        self._bars: _Bars | None = None
        self._tasks: list[_Bar | _Forecast | None] = []

    def note(self, text: str) -> None:
        if self._bars is not None:
            self._bars.note(text)
        elif not self._quiet:
            click.echo(printable(text), err=True)

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        line = estimate_line(name, estimate)
        self.note("\n".join(wrapped(line, _terminal_width())) if sys.stderr.isatty() else line)

    def begin(self, title: str) -> None:
        if self._quiet:
            self._tasks.append(None)
        elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":  # which cannot move its cursor back
            self._bars = self._bars or _Bars()
            self._tasks.append(self._bars.begin(title))
        else:
            self._tasks.append(_Forecast(title))

    def end(self) -> None:
        task = self._tasks.pop()
        if isinstance(task, _Bar):
            task.close()
        if self._bars is not None and not self._tasks:
            self._bars.close()
            self._bars = None

    def progress(self, progress: Progress) -> None:
        task = self._tasks[-1] if self._tasks else None
        if task is not None:
            task.progress(progress)

    def build(self, progress: BuildProgress) -> None:
        if self._tasks and isinstance(self._tasks[-1], _Bar):
            self._tasks[-1].build(progress)

    def training(self, progress: TrainingProgress) -> None:
        if self._tasks and isinstance(self._tasks[-1], _Bar):
            self._tasks[-1].training(progress)


class BlockListener(TerminalListener):
    """For work in many short blocks: what the first of each task takes is told on a terminal, and not that of all."""

    def __init__(self) -> None:
        super().__init__()
        self._titles: list[str] = []
        self._announced: set[str] = set()

    def begin(self, title: str) -> None:
        self._titles.append(title)
        super().begin(title)

    def end(self) -> None:
        self._titles.pop()
        super().end()

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        task = self._titles[-1] if self._titles else name
        if sys.stderr.isatty() and task not in self._announced:
            self._announced.add(task)
            super().estimate(f"{name}, first block", estimate)


class _Bars:
    """The bars at the bottom of the terminal. What is noted meanwhile stands above them; they go when all is done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        # rich's own column knows no time left where one decode call takes longer than the half minute it looks back
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(None),
            TextColumn("{task.fields[done]}", markup=False),
            TextColumn("{task.fields[left]}", markup=False),
        )
        self._bars: RichProgress = Bars(*columns, console=Console(stderr=True, highlight=False), transient=True)
        self._bars.start()

    def begin(self, title: str) -> _Bar:
        return _Bar(self._bars, title)

    def note(self, text: str) -> None:
        self._bars.console.print(printable(text), markup=False, soft_wrap=True)
        self._bars.refresh()  # what is printed moves the bars as they were last drawn

    def close(self) -> None:
        self._bars.stop()


class _Bar:
    """A bar over what takes the time, tokens or bytes, with what is done and the time that is left."""

    def __init__(self, bars: RichProgress, title: str) -> None:
        self._bars, self._title = bars, on_one_line(title)
        self._task: TaskID = bars.add_task(self._title, total=None, done="", left="")

    def progress(self, now: Progress) -> None:
        left = "" if now.left is None else f"{duration(now.left)} left"
        done = f"{now.verdicts}/{now.verdicts_total} {now.unit}"
        self._bars.update(self._task, total=now.tokens_total, completed=now.tokens, done=done, left=left)

    def build(self, now: BuildProgress) -> None:
        remaining = next(task.time_remaining for task in self._bars.tasks if task.id == self._task)
        left = "" if remaining is None else f"{duration(remaining)} left"
        done = f"{size(now.bytes)}/{size(now.bytes_total)}"
        title = f"{self._title} · {now.stage} · tensor {now.tensors}/{now.tensors_total}"
        self._bars.update(
            self._task, total=now.bytes_total, completed=now.bytes, description=title, done=done, left=left
        )

    def training(self, now: TrainingProgress) -> None:
        done, left = f"{now.step}/{now.steps} steps, loss {now.loss:.3f}", f"{duration(now.left)} left"
        self._bars.update(self._task, total=now.steps, completed=now.step, done=done, left=left)

    def close(self) -> None:
        self._bars.remove_task(self._task)


class _Forecast:
    """Notes once how long work will take, from the rate of its first part."""

    LONG = 60.0  # seconds: shorter work needs no forecast

    def __init__(self, title: str) -> None:
        self._title, self._shown = title, False

    def progress(self, now: Progress) -> None:
        if not self._shown and now.left is not None:
            self._shown = True
            if now.left >= self.LONG:
                note(f"{self._title}: about {duration(now.left)} left")
