"""What is begun anew is made beside what it replaces, and takes its place once it is complete.

    FOLDER/        what counts: the old files, until the new ones are complete
    FOLDER/.new/   the new files, while they are made

The file that is written last makes the others complete. While `.new` has it, the new files count, wherever they lie:
they are renamed one by one, that file last. So the old ones or the new ones are there, all of them, whenever a process
is killed, and the change takes no disk space. Whoever reads them meanwhile reads again.
Knows: files of one folder. Does not know: what they hold.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from edge_judge.errors import EdgeJudgeError

NEW = ".new"
TRIES, PAUSE = 40, 0.05  # of reading files that are being exchanged; seconds between two
Found = TypeVar("Found")


def find_file(folder: Path, name: str, last: str) -> Path:
    """Where the file of this name that counts lies, if there is one. last: the name of the one that is written last."""
    new = folder / NEW
    return new / name if (new / last).exists() and (new / name).exists() else folder / name


def is_complete(folder: Path, last: str) -> bool:
    """Whether the file that is written last is there: it may be renamed meanwhile, but only to where is looked last."""
    return any((place / last).exists() for place in (folder / NEW, folder))


def read_together(folder: Path, last: str, read: Callable[[], Found]) -> Found:
    """What `read` makes of several files of a folder, all of them the old ones or all the new ones.

    last: the name of the file that is written last. Raises what `read` raises of files that nobody is exchanging.
    """
    for _ in range(TRIES):
        before = _which(folder, last)
        try:
            found = read()
        except FileNotFoundError:  # it was there a moment ago
            pass
        except (EdgeJudgeError, OSError):
            if _which(folder, last) == before:
                raise
        else:
            if _which(folder, last) == before:
                return found
        time.sleep(PAUSE)
    return read()


def _which(folder: Path, last: str) -> tuple[int, int, frozenset[str]] | None:
    """What tells the files that count from those that will, or that lie elsewhere: which file is the last one, wherever
    it lies, and the names of those that are still to be renamed.
    """
    for _ in range(2):  # between two looks it may have been renamed
        for place in (folder / NEW, folder):
            try:
                state = (place / last).stat()
                waiting = () if place == folder else os.listdir(place)
            except OSError:
                continue
            return state.st_ino, state.st_mtime_ns, frozenset(waiting)
    return None


def settle(folder: Path, names: Sequence[str]) -> None:
    """Put complete new files in the place of the old ones; go on with it where a kill came between.

    names: of all files that there are in the end, the one that is written last as the last.
    """
    new, last = folder / NEW, names[-1]
    if not (new / last).exists():
        return
    (folder / last).unlink(missing_ok=True)
    for name in names:
        if (new / name).exists():
            (new / name).replace(folder / name)
    discard(folder)


def discard(folder: Path) -> None:
    """Forget what was begun anew."""
    shutil.rmtree(folder / NEW, ignore_errors=True)


def remove_abandoned(folder: Path, names: Sequence[str]) -> None:
    """Remove what a killed process left of files of these names. Nobody else may write there: the folder is locked."""
    of_names = re.compile(rf"\.({'|'.join(map(re.escape, names))})\.[0-9a-f]+(\.part)?")
    for path in (*folder.iterdir(), *(folder / NEW).glob("*")):
        if of_names.fullmatch(path.name):
            path.unlink(missing_ok=True)
    with suppress(OSError):  # a run that goes on is in it
        (folder / NEW).rmdir()
