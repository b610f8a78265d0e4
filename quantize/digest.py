"""The sha256 of files. Knows nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

_CHUNK = 4 << 20


def sha256(path: Path) -> str:
    """The sha256 of a file, in hex. Raises OSError, which names it, where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as problem:  # a read tells no name
        raise OSError(problem.errno, problem.strerror, str(path)) from problem
    return digest.hexdigest()


def of_files(paths: Sequence[Path]) -> str:
    """The sha256 of a file; of several that belong together, in order, one for all, whatever they are called."""
    if len(paths) == 1:
        return sha256(paths[0])
    return combined((f"{number:05}", sha256(path)) for number, path in enumerate(paths, 1))


def combined(hashes: Iterable[tuple[str, str]]) -> str:
    """One sha256 for several files, from (name, hash) pairs: that of the lines `sha256sum *` would print."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(hashes)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
