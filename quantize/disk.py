"""The place where a GGUF is written: is there room, and can it be written to?

Knows: folders, free disk space, free memory. Does not know: what is written there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantize.errors import PackError

SLACK_BYTES = 64 << 20
MEMORY_BYTES = 256 << 20


def check_disk(folder: Path, need: int, what: str, hint: str) -> None:
    """Refuse before the first byte what would fail in the middle. need: bytes; what: the noun that needs them."""
    need += SLACK_BYTES
    free = shutil.disk_usage(folder).free
    if free < need:
        raise PackError(f"{folder} has {free / 1e9:.1f} GB free, {what} {need / 1e9:.1f} GB", hint)


def check_memory() -> None:
    """Refuse to build on a machine whose memory is all but full."""
    import psutil

    available = psutil.virtual_memory().available
    if available < MEMORY_BYTES:
        raise PackError(
            f"{available / 1e9:.1f} GB of memory are available, a build needs {MEMORY_BYTES / 1e9:.1f} GB",
            "close other programs",
        )


@contextmanager
def writing_in(folder: Path) -> Iterator[None]:
    """Create a folder; an OSError of the block is told as a PackError that the folder cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as problem:
        raise PackError(
            f"cannot write in {folder}: {problem.strerror or problem}", "is there room on the disk?"
        ) from problem
