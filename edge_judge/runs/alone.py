"""A folder that one process writes to at a time.

Knows: locks. Does not know: what is in the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from edge_judge.errors import RunError
from edge_judge.runs.holder import forget_holder, holder, write_holder

_LOCK = ".lock"
MOMENT = 0.2  # seconds: whoever has just begun or is just ending may be between the lock and the note of who it is


@contextmanager
def alone(path: Path, doing: str, hint: str) -> Iterator[None]:
    """The folder, made if it is not there, locked; it is removed again if nothing was put there.

    Raises RunError, which says which process has it and what it is doing.
    """
    made = [parent for parent in (path, *path.parents) if not parent.exists()]
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / _LOCK)
    try:
        lock.acquire(timeout=MOMENT, poll_interval=MOMENT / 5)
    except PermissionError as error:  # it names the lock, of which the user knows nothing
        raise OSError(error.errno, error.strerror, str(path)) from error
    except Timeout as error:
        raise RunError(f"{path}: {holder(path)} is {doing}", hint) from error
    write_holder(path)
    try:
        yield
    finally:
        forget_holder(path)
        with suppress(OSError):  # Windows removes no file that is open; filelock does it there, on release
            (path / _LOCK).unlink(missing_ok=True)  # while it is held: later it may be another's
        with suppress(OSError):  # a lock on a file that is gone holds nobody up
            lock.release()
        _remove_empty(made or [path])


def _remove_empty(folders: Iterable[Path]) -> None:
    """Those of the folders, innermost first, that hold nothing."""
    for path in folders:
        try:
            path.rmdir()
        except OSError:  # not empty, and so are those around it
            return
