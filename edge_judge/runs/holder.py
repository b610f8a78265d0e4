"""Who works in a folder, so that a second process can say whom it would have to wait for.

The lock itself says nothing of its holder, and on Windows nobody else can read a locked file, so what is said stands in
a file beside it. It is read only while the lock is held: what a killed process left there is never believed.
Knows: that file. Does not know: locks, what the work is.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from edge_judge import foreign_json
from edge_judge.errors import without_login

NAME = ".holder"
SHOWN = 120  # characters of a command


def write_holder(folder: Path) -> None:
    """Note this process. A folder that takes no more files has no note."""
    program = Path(sys.argv[0] or "python").name
    command = without_login(shlex.join(["edge-judge" if program == "__main__.py" else program, *sys.argv[1:]]))
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    with suppress(OSError):
        (folder / NAME).write_text(json.dumps({"pid": os.getpid(), "command": command, "since": since}), "utf-8")


def forget_holder(folder: Path) -> None:
    """Remove the note; while the lock is held, since later it may be another's."""
    with suppress(OSError):
        (folder / NAME).unlink()


def holder(folder: Path) -> str:
    """Who holds the lock of the folder: `process 4711 (edge-judge eval, since 12:03)`, or what is known of it."""
    try:
        content = foreign_json.parse((folder / NAME).read_bytes())
        pid, command = int(content["pid"]), str(content["command"])
        since = datetime.fromisoformat(content["since"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):  # it has the lock and has not written yet
        return "another edge-judge process"
    short = command if len(command) <= SHOWN else f"{command[:SHOWN]}…"
    day = "" if since.date() == datetime.now().date() else f"{since:%d %b} "
    return f"process {pid} ({short}, since {day}{since:%H:%M})"
