"""A folder for what is needed only while a command works. What a killed command left, the next one removes.

The folder is locked by whoever made it, and only its user may enter. Others' folders are never looked into.
Knows: names, locks. Does not know: what is put there.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from edge_judge.errors import naming

_NAME = re.compile(r"edge-judge-[0-9a-f]{8}")
_GUARD = "guard"


@contextmanager
def scratch(place: Path | None = None) -> Iterator[Path]:
    """An empty folder, gone in the end. place: where it is; by default the system's folder for temporary files."""
    place = place or Path(tempfile.gettempdir())
    with naming(place):
        _remove_abandoned(place)
        folder, guard = _created(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # while it is locked: then it is nobody else's
        guard.release()
        shutil.rmtree(folder, ignore_errors=True)  # Windows removes no file that is open, as the guard was


def _created(place: Path) -> tuple[Path, BaseFileLock]:
    """A new folder, locked. Before the lock another process may take it for an abandoned one."""
    while True:
        folder = place / f"edge-judge-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        guard = FileLock(folder / _GUARD, timeout=0)
        with suppress(Timeout, FileNotFoundError):
            guard.acquire()
            if (folder / _GUARD).exists():
                return folder, guard
            guard.release()


def _remove_abandoned(place: Path) -> None:
    with suppress(OSError):  # whoever may not list a folder may still make one in it
        for name in filter(_NAME.fullmatch, os.listdir(place)):
            with suppress(OSError, Timeout):
                if _is_own(place / name):
                    _remove_unless_held(place / name)


def _is_own(folder: Path) -> bool:
    """Whether it is a folder of this user's, and no link: in a folder for everybody others can put what they like."""
    state = os.lstat(folder)
    return stat.S_ISDIR(state.st_mode) and (not hasattr(os, "getuid") or state.st_uid == os.getuid())


def _remove_unless_held(folder: Path) -> None:
    if (folder / _GUARD).exists():
        with FileLock(folder / _GUARD, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)  # Windows removes no file that is open, as the guard was
    else:
        folder.rmdir()  # one that is empty: killed before it was locked
