"""Files that appear whole or not at all, and what a killed process left of them.

A file is written under a temporary name beside its own, synced, and renamed. Its writer holds the temporary file
locked; one that nobody holds is what a kill left, and the next writer of the same name removes it.
Knows: names, locks. Does not know: what files hold.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from edge_judge.errors import UsageError

_ENDING = ".part"


def write_whole(path: Path, content: bytes) -> None:
    """Whole or not at all: a temporary file, synced, then renamed. An OSError names `path`, not the temporary file.

    Raises UsageError for something that is no file.
    """
    if path.exists() and not path.is_file():  # a rename would put the file in the place of a device or a pipe
        raise UsageError(f"{path}: not a regular file; refusing to overwrite", "use another name")
    remove_abandoned(path)
    try:
        with _temporary(path) as (temporary, file):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":  # it renames no file that is open
                file.close()
            temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def remove_abandoned(path: Path) -> None:
    """Remove what killed writers of `path` left beside it. A file that is being written stays."""
    of_path = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\{_ENDING}")
    with suppress(OSError):  # whoever may not list the folder may still write a file that is there
        for name in filter(of_path.fullmatch, os.listdir(path.parent)):
            _remove_unless_held(path.with_name(name))


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """An empty file beside `path`, open and locked, and gone in the end unless it was renamed."""
    temporary, file = _held(path)
    try:
        with file:
            yield temporary, file
    finally:
        with suppress(OSError):  # a disk that fails keeps it; the first error is the one to report
            temporary.unlink(missing_ok=True)


def _held(path: Path) -> tuple[Path, BinaryIO]:
    """As `_temporary`. Between its creation and its lock another process may take the file for an abandoned one."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_ENDING}")
        file = temporary.open("xb")
        locked = _lock(file)
        if locked is None or (locked and os.fstat(file.fileno()).st_nlink):
            return temporary, file
        file.close()
        temporary.unlink(missing_ok=True)


def _remove_unless_held(temporary: Path) -> None:
    with suppress(OSError):
        with temporary.open("rb+") as file:
            if not _lock(file):
                return
            if sys.platform != "win32":
                temporary.unlink()  # while it is locked: later it may be another's
        temporary.unlink(missing_ok=True)  # Windows refuses while another process has it open: no lock is needed there


def _lock(file: BinaryIO) -> bool | None:
    """Lock an open file for as long as it is open. False where another has it; None where files cannot be locked."""
    if sys.platform == "win32":
        return True
    try:
        import fcntl
    except ImportError:  # neither Windows nor POSIX
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nothing is ever taken for abandoned there
        return None
    return True
