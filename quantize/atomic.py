"""Whole files: a reader sees the old content or the new, never half of it.

A file is written under a temporary name in the same folder, synced to the disk, and then renamed.
Knows: files and folders. Does not know: what is in them, nor how an error is told; it raises OSError.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """An empty temporary file beside `path`. It takes that name when the block succeeds, else it is removed."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    temporary.open("xb").close()
    try:
        yield temporary
        publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, whole or not at all."""
    with written_atomically(path) as temporary:
        temporary.write_text(text, "utf-8", newline="\n")


def publish(finished: Path, path: Path) -> None:
    """Give a finished file of the same folder or disk its name, so that it lasts through a power cut."""
    sync_file(finished)
    os.replace(finished, path)
    _sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Make what was written to a file last through a power cut."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets a folder be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
