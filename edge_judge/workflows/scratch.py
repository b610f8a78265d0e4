"""A folder for what is needed only while a command works. What a killed command left, the next one removes.

The folder is locked by whoever made it, and only its user may enter. Others' folders are never looked into.
Knows: whose folders these are. Does not know: what is put there, how a folder is locked.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_judge.errors import naming
from quantize import held_folder

_START = "edge-judge-"


@contextmanager
def scratch(place: Path | None = None) -> Iterator[Path]:
    """An empty folder, gone in the end. place: where it is; by default the system's folder for temporary files."""
    place = place or Path(tempfile.gettempdir())
    with naming(place):
        with suppress(OSError):  # whoever may not list a folder may still make one in it
            held_folder.remove_abandoned(place, _START, may=_is_own)
        folder, guard = held_folder.held(place, _START, mode=0o700)
    with held_folder.until_done(folder, guard):
        yield folder


def _is_own(folder: Path) -> bool:
    """Whether it is a folder of this user's, and no link: in a folder for everybody others can put what they like."""
    state = os.lstat(folder)
    return stat.S_ISDIR(state.st_mode) and (not hasattr(os, "getuid") or state.st_uid == os.getuid())
