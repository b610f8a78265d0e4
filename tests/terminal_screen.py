"""A command as a person sees it: run in a terminal, its screen and what scrolled off it as text.

Knows: pseudo-terminals, and pyte, which draws what a terminal would. Does not know: what is run.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Shown:
    """code: the exit status. text: all lines that the terminal shows at the end, those that scrolled off first, without
    spaces at their ends. frames: the screens on the way, after each line that was written, without repetitions.
    """

    code: int
    text: str
    frames: tuple[str, ...] = field(repr=False)


def shown(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    columns: int = 80,
    rows: int = 40,
    folder: Path | None = None,
    seconds: float = 300,
    interrupt: str | None = None,
    term: str = "xterm-256color",
) -> Shown:
    """Run a command with stdin, stdout and stderr on a terminal. Where pyte is missing, or the system has no
    pseudo-terminals, the test is skipped. interrupt: Ctrl-C comes once, as soon as the screen shows this.
    """
    pyte = pytest.importorskip("pyte", reason="pyte draws the terminal: pip install '.[test]'")
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    screen = pyte.HistoryScreen(columns, rows, history=100_000)
    stream = pyte.ByteStream(screen)
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    named = {"TERM": term, "COLUMNS": str(columns), "LINES": str(rows)}
    process = subprocess.Popen(
        command, cwd=folder, env={**environment, **named}, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    frames: list[str] = []
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    written = os.read(ours, 65536)
                except OSError:  # Linux: the last program that had the terminal is gone
                    break
                if not written:
                    break
                for line in written.splitlines(keepends=True):
                    stream.feed(line)
                    frame = _text(screen.display)
                    if not frames or frames[-1] != frame:
                        frames.append(frame)
                    if interrupt is not None and interrupt in frame:
                        process.send_signal(signal.SIGINT)
                        interrupt = None
            elif process.poll() is not None:
                break
        code = process.wait(timeout=max(1.0, end - time.monotonic()))
    finally:
        process.kill()
        os.close(ours)
    scrolled = ["".join(line[place].data for place in range(columns)) for line in screen.history.top]
    return Shown(code, _text([*scrolled, *screen.display]), tuple(frames))


def _text(lines: Sequence[str]) -> str:
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"
