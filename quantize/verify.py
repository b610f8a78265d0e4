"""Reopens a written GGUF and checks it against the plan.

Knows the planned header, and reads the file with code that took no part in writing it. Does not know how the file was
made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quantize.container import Header, Placed, read_header
from quantize.digest import sha256
from quantize.errors import VerifyError


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that passed: its sha256 (hex) and its size in bytes."""

    sha256: str
    bytes: int


def verify(path: Path, expected: tuple[Placed, ...], keys: tuple[str, ...]) -> Verified:
    """Check a GGUF's header, tensor table and size, and hash it. Raises VerifyError at the first difference."""
    header = read_header(path)
    for key in keys:
        if key not in header.keys:
            raise VerifyError(f"{path} lacks the key {key!r}")
    _check_table(path, header, expected)
    check_size(path, header)
    return Verified(sha256(path), path.stat().st_size)


def check_size(path: Path, header: Header) -> None:
    """Raise VerifyError where the file is shorter or longer than its own tensor table says."""
    size = path.stat().st_size
    if size != header.end:
        raise VerifyError(
            f"{path} has {size} bytes, its tensor table makes it {header.end}",
            "it is truncated; build or fetch it again" if size < header.end else None,
        )


def _check_table(path: Path, header: Header, expected: tuple[Placed, ...]) -> None:
    if len(header.tensors) != len(expected):
        raise VerifyError(f"{path} lists {len(header.tensors)} tensors, expected {len(expected)}")
    for actual, planned in zip(header.tensors, expected, strict=True):
        if actual != planned:
            raise VerifyError(f"{path}: the table says {actual}, expected {planned}")
