"""Atomic writes: a reader sees the old content or the new, never a part of it.

A file is written under a temporary name in the same folder, synced to disk, and renamed. Errors name the file that
is meant, not the temporary one.
Knows: files and folders. Does not know: their content. Raises OSError as it comes.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """An empty temporary file beside `path`. It is renamed to `path` when the block succeeds, else removed."""
    if path.exists() and not path.is_file():  # a rename would put the file in the place of a device or a pipe
        raise OSError(errno.EINVAL, "not a regular file; refusing to overwrite", str(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.open("xb").close()
        yield temporary
        publish(temporary, path)
    except BaseException as problem:
        with suppress(OSError):  # a disk that fails keeps it; the first error is the one to tell
            temporary.unlink(missing_ok=True)
        if isinstance(problem, OSError) and problem.filename in (None, str(temporary)):  # no name that the user gave
            raise OSError(problem.errno, problem.strerror, str(path)) from problem
        raise


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, completely or not at all."""
    with written_atomically(path) as temporary:
        temporary.write_text(text, "utf-8", newline="\n")


def publish(finished: Path, path: Path) -> None:
    """Rename a finished file on the same disk to `path`, durably: the rename survives a power cut."""
    sync_file(finished)
    os.replace(finished, path)
    _sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Flush a file to disk, so that its content survives a power cut."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Flush a folder to disk, so that a rename survives a power cut. Windows cannot, nor can some network folders."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):
                os.fsync(handle)
        finally:
            os.close(handle)
