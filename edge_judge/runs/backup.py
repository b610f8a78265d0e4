"""Sets files aside while others replace them, and puts them back if these fail. No kill loses any.

Knows: files of one folder; the first one named is what makes the others count. Does not know: what they hold.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PLACE = ".before"  # in the folder; it appears whole, with a copy of every file, before any file goes
_TEMPORARY = ".put-"


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """A folder inside `folder`, removed in the end. An OSError about a file in it names `folder`, which users know."""
    try:
        with TemporaryDirectory(prefix=_TEMPORARY, dir=folder) as name:
            yield Path(name)
    except OSError as error:
        if _TEMPORARY not in str(error.filename):
            raise
        raise OSError(error.errno, error.strerror, str(folder)) from error


def move_aside(folder: Path, names: Sequence[str]) -> None:
    """Put the files of these names aside, those that there are."""
    present = [name for name in names if (folder / name).exists()]
    if not present:
        return
    with temporary_folder(folder) as temporary:
        whole = temporary / "whole"
        whole.mkdir()
        for name in present:
            shutil.copyfile(folder / name, whole / name)
        whole.rename(folder / PLACE)
    for name in present:
        (folder / name).unlink()


def restore(folder: Path, names: Sequence[str]) -> None:
    """Put back what was put aside, in the place of what is there now. Nothing happens where nothing was."""
    if not (folder / PLACE).is_dir():
        return
    first, *others = names
    (folder / first).unlink(missing_ok=True)
    for name in (*others, first):  # the first one last: until it is there, a kill leaves more to put back
        if (folder / PLACE / name).exists():
            (folder / PLACE / name).replace(folder / name)
    discard(folder)


def discard(folder: Path) -> None:
    """Forget what was put aside."""
    shutil.rmtree(folder / PLACE, ignore_errors=True)
