"""The sha256 of files. Knows nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_CHUNK = 4 << 20


def sha256(path: Path) -> str:
    """The sha256 of a file, in hex. Raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def combined(hashes: Iterable[tuple[str, str]]) -> str:
    """One sha256 for several files, from (name, hash) pairs: that of the lines `sha256sum *` would print."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(hashes)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
