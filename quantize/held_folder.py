"""A temporary folder that is locked by whoever made it, so that what a killed process left can be told and removed.

Knows: names, locks. Does not know: what is put there, or whose folders may be removed.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

_GUARD = "guard"
_TOKEN = r"[0-9a-f]{8}"


def held(place: Path, start: str, end: str = "", mode: int = 0o777) -> tuple[Path, BaseFileLock]:
    """A new folder of `place`, named `start`, eight digits, `end`; and its lock. Raises OSError as it comes."""
    while True:  # before the lock another process may take it for an abandoned one
        folder = place / f"{start}{secrets.token_hex(4)}{end}"
        folder.mkdir(mode)
        guard = FileLock(str(folder / _GUARD), timeout=0)
        with suppress(Timeout, FileNotFoundError):
            guard.acquire()
            if (folder / _GUARD).exists():
                return folder, guard
            guard.release()


@contextmanager
def until_done(folder: Path, guard: BaseFileLock) -> Iterator[Path]:
    """The folder, which is removed in the end."""
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # while it is locked: then it is nobody else's
        with suppress(OSError):  # a lock on a file that is gone holds nobody up
            guard.release()
        shutil.rmtree(folder, ignore_errors=True)  # Windows removes no file that is open, as the guard was


def remove_abandoned(place: Path, start: str, end: str = "", may: Callable[[Path], bool] = lambda _: True) -> None:
    """Remove the folders of that name that no process holds. may: whether one may be removed, asked before it is read.

    Raises OSError where `place` cannot be listed.
    """
    of_name = re.compile(f"{re.escape(start)}{_TOKEN}{re.escape(end)}")
    for name in filter(of_name.fullmatch, os.listdir(place)):
        folder = place / name
        with suppress(OSError, Timeout):
            if not may(folder):
                continue
            if (folder / _GUARD).exists():
                with FileLock(str(folder / _GUARD), timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
                shutil.rmtree(folder, ignore_errors=True)  # Windows removes no file that is open, as the guard was
            else:
                folder.rmdir()  # one that is empty: killed before it was locked
