"""What an interrupted measurement of importance has reached, beside the file that it will write.

Knows: the state's file, and what decides that it may be gone on from. Does not know: how sums are taken.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_judge import foreign_json
from edge_judge.engine.importance import Sums
from edge_judge.errors import OF_FILES, RunError, naming
from edge_judge.settings import differences
from quantize.atomic import written_atomically

ANEW = "--fresh begins anew"
_IDENTITY, _DONE, _SQUARES, _COUNTS = "identity", "done", ":squares", ":counts"


class ImatrixState:
    """The sums over the first texts. identity: what decides them."""

    def __init__(self, out: Path, identity: Mapping[str, object]) -> None:
        self.path = out.with_name(f".{out.name}.state")
        self._identity = dict(identity)

    def load(self) -> tuple[int, dict[str, Sums]]:
        """How many texts are in the sums, and the sums: none without a file. Raises RunError where it was begun with
        another model or other texts, or is broken.
        """
        if not self.path.exists():
            return 0, {}
        try:
            # numpy would leave a file open that is none of its own
            with naming(self.path), self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                before = foreign_json.parse(_text(arrays[_IDENTITY]))
                if not isinstance(before, dict):
                    raise ValueError("no settings")
                names = [name.removesuffix(_SQUARES) for name in arrays.files if name.endswith(_SQUARES)]
                sums = {name: _sums(arrays[name + _SQUARES], arrays[name + _COUNTS]) for name in names}
                done = int(arrays[_DONE])
        except Exception as error:  # numpy and zipfile raise nearly anything for a file that is none of theirs
            if isinstance(error, OSError) and error.errno in OF_FILES:
                raise
            what = type(error).__name__  # its text may hold what no text can
            raise RunError(f"{self.path}: not the state of an interrupted measurement ({what})", ANEW) from error
        if changed := differences(before, self._identity):
            raise RunError(f"{self.path}: started with other settings: {'; '.join(changed)}", ANEW)
        return done, sums

    def save(self, done: int, sums: Mapping[str, Sums]) -> None:
        """Replace the file, completely or not at all."""
        arrays = {
            name + end: array
            for name, of_tensor in sums.items()
            for end, array in ((_SQUARES, of_tensor.squares), (_COUNTS, of_tensor.counts))
        }
        about = {_IDENTITY: np.array(json.dumps(self._identity)), _DONE: np.array(done)}
        with written_atomically(self.path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **about, **arrays)  # type: ignore[arg-type]

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def _text(array: NDArray[Any]) -> str:
    """Raises ValueError for what is no text: numpy makes one of numbers that are no characters."""
    kind = array.dtype
    if kind.kind != "U" or not kind.isnative or array.ndim or (array.reshape(1).view(np.uint32) > sys.maxunicode).any():
        raise ValueError("no text")
    return str(array)


def _sums(squares: NDArray[Any], counts: NDArray[Any]) -> Sums:
    """Raises ValueError for what no sums are."""
    if squares.dtype != np.float64 or counts.dtype != np.int64 or (squares.ndim, counts.ndim) != (2, 1):
        raise ValueError(f"sums of type {squares.dtype} and shape {squares.shape}, counts of type {counts.dtype}")
    return Sums(squares, counts)
