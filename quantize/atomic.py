"""Atomic writes: a reader sees the old content or the new, never a part of it.

A file is written under a temporary name in the same folder, synced to disk, and renamed. Errors name the file that
is meant, not the temporary one. Its writer holds the temporary file locked; one that nobody holds is what a kill left,
and the next writer of the same file removes it.
Knows: files, folders and locks. Does not know: their content. Raises OSError as it comes.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_ENDING = ".part"


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """An empty temporary file beside `path`. It is renamed to `path` when the block succeeds, else removed."""
    if path.exists() and not path.is_file():  # a rename would put the file in the place of a device or a pipe
        raise OSError(errno.EINVAL, "not a regular file; refusing to overwrite", str(path))
    remove_abandoned(path)
    with _naming(path), _held(path) as (temporary, handle):
        yield temporary
        if sys.platform == "win32":  # it renames no file that is open
            handle.close()
        publish(temporary, path)


def remove_abandoned(path: Path) -> None:
    """Remove what killed writers of `path` left beside it. A file that is being written stays."""
    of_path = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\{_ENDING}")
    with suppress(OSError):  # whoever may not list the folder may still write a file that is there
        for name in filter(of_path.fullmatch, os.listdir(path.parent)):
            _remove_unless_held(path.with_name(name))


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


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An OSError names `path`, not the temporary file, whose name the user never gave, nor nothing."""
    try:
        yield
    except OSError as problem:
        if problem.errno is None:  # not the system's: its text is all it says
            raise
        name = Path(str(problem.filename))
        if problem.filename is None:
            raise OSError(problem.errno, problem.strerror, str(path)) from problem
        if name.parent != path.parent or not name.name.startswith(f".{path.name}.") or name.suffix != _ENDING:
            raise
        raise OSError(problem.errno, problem.strerror, str(path)) from problem


@contextmanager
def _held(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """An empty temporary file beside `path`, open and locked, and gone in the end unless it was renamed."""
    temporary, handle = _created(path)
    try:
        with handle:
            yield temporary, handle
    finally:
        with suppress(OSError):  # a disk that fails keeps it; the first error is the one to report
            temporary.unlink(missing_ok=True)


def _created(path: Path) -> tuple[Path, BinaryIO]:
    """As `_held`. Between its creation and its lock another process may take the file for an abandoned one."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_ENDING}")
        handle = temporary.open("xb")
        locked = _lock(handle)
        if locked is None or (locked and os.fstat(handle.fileno()).st_nlink):
            return temporary, handle
        handle.close()
        temporary.unlink(missing_ok=True)


def _remove_unless_held(temporary: Path) -> None:
    with suppress(OSError):
        with temporary.open("rb+") as handle:
            if not _lock(handle):
                return
            if sys.platform != "win32":
                temporary.unlink()  # while it is locked: later it may be another's
        temporary.unlink(missing_ok=True)  # Windows refuses while another process has it open: no lock is needed there


def _lock(handle: BinaryIO) -> bool | None:
    """Lock an open file for as long as it is open. False where another has it; None where files cannot be locked."""
    if sys.platform == "win32":
        return True
    try:
        import fcntl
    except ImportError:  # neither Windows nor POSIX
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nothing is ever taken for abandoned there
        return None
    return True
