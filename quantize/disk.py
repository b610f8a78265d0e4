"""The folder where a GGUF is written: does it have room, and is it writable?

Knows: folders, free disk space, free memory. Does not know: what is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from quantize.errors import PackError

SLACK_BYTES = 64 << 20
MEMORY_BYTES = 256 << 20


def check_disk(folder: Path, need: int, what: str, hint: str) -> None:
    """Raise PackError where a folder has too little free space. need: bytes; what: subject and verb of the message."""
    need += SLACK_BYTES
    free = shutil.disk_usage(folder).free
    if free < need:
        raise PackError(f"{folder} has {_size(free)} free, {what} {_size(need)}", hint)


def check_memory() -> None:
    """Raise PackError where the machine has almost no free memory."""
    available = psutil.virtual_memory().available
    if available < MEMORY_BYTES:
        raise PackError(
            f"{_size(available)} of memory are available, a build needs {_size(MEMORY_BYTES)}",
            "close other programs",
        )


def _size(count: int) -> str:
    """Bytes in whole megabytes: two that are held against each other should not round to the same."""
    return f"{count / 1e6:,.0f} MB"


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Create the folder of a file. An OSError within the block becomes a PackError: the file cannot be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as problem:
        raise PackError(
            f"cannot write {out}: {problem.strerror or problem}",
            "check that the folder exists, is writable and has free space",
        ) from problem
