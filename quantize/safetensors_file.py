"""The table of contents of one safetensors file, read without trusting a byte of it.

The format: eight bytes with the length of a JSON header, the header, then the data. Each entry of the header gives
dtype, shape and the byte range of a tensor; together the entries cover the data without gap or overlap
(https://github.com/huggingface/safetensors, "Format"). Knows nothing about what the tensors mean, and reads none of
their values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantize.errors import CheckpointError, short_repr
from quantize.json_file import parse_object

MAX_HEADER_BYTES = 100_000_000
MAX_DIMENSIONS = 8
ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of the file: its dtype as the file names it, its shape, and the byte at which its data begins."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    bytes: int


def read_header(path: Path) -> tuple[Entry, ...]:
    """Every tensor of a safetensors file, in the order of its data.

    Raises CheckpointError where the file is missing or truncated, where an entry is malformed, lies outside the file
    or overlaps another, and where some bytes belong to no tensor.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(size - 8, MAX_HEADER_BYTES):
                raise CheckpointError(
                    f"{path} is no whole safetensors file: its header should take {length} bytes, the file has {size}",
                    "it is truncated or something else; fetch it again",
                )
            header = stream.read(length)
    except OSError as problem:
        raise CheckpointError(f"cannot read {path}: {problem.strerror or problem}") from problem
    entries = _parse(path, header, size - 8 - length)
    _check_cover(path, entries, size - 8 - length)
    return tuple(Entry(e.name, e.dtype, e.shape, e.offset + 8 + length, e.bytes) for e in entries)


def _parse(path: Path, header: bytes, data_bytes: int) -> list[Entry]:
    table = parse_object(header, f"the header of {path}", CheckpointError, unique=True)
    entries = [_entry(path, name, value, data_bytes) for name, value in table.items() if name != "__metadata__"]
    return sorted(entries, key=lambda e: (e.offset, e.bytes))


def _entry(path: Path, name: str, value: object, data_bytes: int) -> Entry:
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: the entry of tensor {short_repr(name)} is not an object")
    dtype: Any = value.get("dtype")
    shape: Any = value.get("shape")
    span: Any = value.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise CheckpointError(
            f"{path}: tensor {short_repr(name)} has dtype {short_repr(dtype)}, expected one of {', '.join(ITEM_BYTES)}"
        )
    if not _are_naturals(shape):
        raise CheckpointError(
            f"{path}: tensor {short_repr(name)} has shape {short_repr(shape)}, expected a list of whole numbers"
        )
    if not _are_naturals(span) or len(span) != 2 or span[0] > span[1]:
        raise CheckpointError(
            f"{path}: tensor {short_repr(name)} has data_offsets {short_repr(span)}, expected [begin, end]"
        )
    if span[1] > data_bytes:
        raise CheckpointError(
            f"{path}: tensor {short_repr(name)} ends at byte {span[1]} of the data, but the file holds {data_bytes}",
            "the file is truncated; fetch it again",
        )
    if span[1] - span[0] != math.prod(shape) * ITEM_BYTES[dtype]:
        raise CheckpointError(
            f"{path}: tensor {short_repr(name)} takes {span[1] - span[0]} bytes, but {dtype} of shape {shape} takes "
            f"{math.prod(shape) * ITEM_BYTES[dtype]}"
        )
    return Entry(name, dtype, tuple(shape), span[0], span[1] - span[0])


def _are_naturals(value: Any) -> bool:
    """Whether this is a short list of integers that can be sizes or file offsets."""
    return (
        isinstance(value, list)
        and len(value) <= MAX_DIMENSIONS
        and all(type(n) is int and 0 <= n < 1 << 63 for n in value)
    )


def _check_cover(path: Path, entries: list[Entry], data_bytes: int) -> None:
    end = 0
    for entry in entries:
        if entry.offset < end:
            raise CheckpointError(
                f"{path}: tensor {short_repr(entry.name)} overlaps another one at byte {entry.offset}"
            )
        if entry.offset > end:
            raise CheckpointError(f"{path}: bytes {end} to {entry.offset} of the data belong to no tensor")
        end = entry.offset + entry.bytes
    if end != data_bytes:
        raise CheckpointError(f"{path}: {data_bytes - end} bytes after the last tensor belong to none")
