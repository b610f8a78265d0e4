"""The GGUF container: its header is written with the gguf package and read back by our own reader.

The two share no code, so reading back is a check. The reader streams, skips what it does not need, and trusts no
length (ggml's docs/gguf.md, versions 2 and 3, which differ only in that 3 knows big-endian files; those are refused).
Knows nothing about what the keys and tensors mean.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, GGUFWriter

from quantize.architectures.blueprint import Field
from quantize.errors import PackError, VerifyError, short_repr

ALIGNMENT = 32  # of tensor data, where the key `general.alignment` says nothing else
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_KINDS = {
    0: "uint8", 1: "int8", 2: "uint16", 3: "int16", 4: "uint32", 5: "int32", 6: "float32", 7: "bool",
    10: "uint64", 11: "int64", 12: "float64",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_MAX_NAME = 1 << 16
_MAX_DIMENSIONS = 4
_VERSIONS = (2, 3)


@dataclass(frozen=True, slots=True)
class Placed:
    """One tensor of a GGUF: shape with rows first, ggml type in upper case, offset and size in bytes."""

    name: str
    shape: tuple[int, ...]
    ggml_type: str
    offset: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a GGUF file. `keys` lists every key; `values` has those of every key but arrays. alignment: bytes,
    of which the place of each tensor is a multiple.
    """

    keys: tuple[str, ...]
    values: Mapping[str, int | float | bool | str]
    tensors: tuple[Placed, ...]
    data_start: int
    alignment: int = ALIGNMENT

    @property
    def end(self) -> int:
        """The size in bytes that the file must have: the end of the last tensor, padded."""
        return padded(max((t.offset + t.bytes for t in self.tensors), default=self.data_start), self.alignment)


def padded(offset: int, alignment: int = ALIGNMENT) -> int:
    """The next multiple of the alignment of tensor data."""
    return (offset + alignment - 1) // alignment * alignment


def tensor_bytes(shape: tuple[int, ...], ggml_type: str) -> int:
    """The bytes that a tensor of a ggml type takes. Raises KeyError for an unknown type, PackError where the row
    length is no multiple of the type's block.
    """
    block, size = GGML_QUANT_SIZES[GGMLQuantizationType[ggml_type]]
    if shape[-1] % block:
        raise PackError(f"a row of {shape[-1]} numbers is no multiple of {block}, the block size of {ggml_type}")
    return math.prod(shape) // block * size


def write_header(
    path: Path,
    architecture: str | None,
    fields: Iterable[Field],
    tensors: Iterable[tuple[str, tuple[int, ...], str]],
) -> tuple[Placed, ...]:
    """Write the header of a GGUF file, then a hole as large as the tensor data. architecture: None where the file is
    no model; tensors: name, shape and ggml type.

    Returns the place of each tensor. Raises PackError where a text is no UTF-8, or the file too large.
    """
    writer = GGUFWriter(path, architecture or "")
    if architecture is None:
        writer.kv_data[0].clear()  # the gguf package always begins with the architecture
    table = [(name, shape, kind, tensor_bytes(shape, kind)) for name, shape, kind in tensors]
    try:
        for field in fields:
            value_type = GGUFValueType[field.kind.upper()]
            if isinstance(field.value, tuple):
                writer.add_key_value(field.key, field.value, GGUFValueType.ARRAY, sub_type=value_type)
            else:
                writer.add_key_value(field.key, field.value, value_type)
        for name, shape, kind, size in table:
            writer.add_tensor_info(name, shape, np.dtype(np.float32), size, raw_dtype=GGMLQuantizationType[kind])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    except UnicodeEncodeError as problem:  # a file name, for example, may hold bytes that are no UTF-8
        raise PackError(f"{path}: a text of its header cannot be written as UTF-8: {problem}") from problem
    finally:
        writer.close()
    offset, placed = padded(path.stat().st_size), []
    for name, shape, kind, size in table:
        placed.append(Placed(name, shape, kind, offset, size))
        offset = padded(offset + size)
    try:
        os.truncate(path, offset)
    except (OSError, OverflowError) as problem:  # larger than a file can be here
        raise PackError(f"{path}: no file of {offset:,} bytes can be made: {problem}") from problem
    return tuple(placed)


def read_header(path: Path) -> Header:
    """The header of a GGUF file. Raises VerifyError where the file is no GGUF, is truncated or cannot be read."""
    with _opened(path) as reader:
        return reader.header()


def read_fields(path: Path, start: str) -> tuple[Field, ...]:
    """The fields of a GGUF file whose keys begin with `start`, arrays included, in file order.

    Raises VerifyError as `read_header` does.
    """
    with _opened(path) as reader:
        return reader.fields(start)


@contextmanager
def _opened(path: Path) -> Iterator[_Reader]:
    try:
        with path.open("rb") as stream:
            yield _Reader(stream, path)
    except OSError as problem:
        raise VerifyError(f"cannot read {path}: {problem.strerror or problem}") from problem


class _Reader:
    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self.stream = stream
        self.path = path
        self.size = path.stat().st_size

    def header(self) -> Header:
        tensor_count, key_count = self.counts()
        keys: list[str] = []
        values: dict[str, int | float | bool | str] = {}
        for _ in range(key_count):
            keys.append(self.string(_MAX_NAME))
            value = self.value()
            if value is not None:
                values[keys[-1]] = value
        self.require_different(keys)
        raw = [self.tensor_info() for _ in range(tensor_count)]
        alignment = self.alignment(values.get("general.alignment", ALIGNMENT))
        start = padded(self.stream.tell(), alignment)
        return Header(tuple(keys), values, tuple(self.place(start, *info) for info in raw), start, alignment)

    def alignment(self, value: object) -> int:
        """As llama.cpp has it: a power of two, of 32 bits."""
        if not isinstance(value, int) or not 0 < value < 2**32 or value & (value - 1):
            raise VerifyError(f"{self.path}: general.alignment is {short_repr(value)}, expected a power of two")
        return value

    def counts(self) -> tuple[int, int]:
        """The numbers of tensors and keys, from the file's first bytes."""
        magic, version, tensor_count, key_count = struct.unpack("<4sIQQ", self.take(24))
        if magic == b"GGUF" and version in [int.from_bytes(known.to_bytes(4, "little")) for known in _VERSIONS]:
            raise VerifyError(f"{self.path} is a GGUF file for big-endian machines", "take a file for this machine")
        if magic != b"GGUF" or version not in _VERSIONS:
            found = f", it has version {version}" if magic == b"GGUF" else ""
            raise VerifyError(f"{self.path} is not a GGUF file of version 2 or 3{found}")
        if tensor_count > self.size // 24 or key_count > self.size // 13:
            raise VerifyError(f"{self.path} claims {tensor_count} tensors and {key_count} keys in {self.size} bytes")
        return tensor_count, key_count

    def fields(self, start: str) -> tuple[Field, ...]:
        _, key_count = self.counts()
        keys, fields = [], []
        for _ in range(key_count):
            keys.append(self.string(_MAX_NAME))
            if keys[-1].startswith(start):
                fields.append(self.field(keys[-1]))
            else:
                self.value()
        self.require_different(keys)
        return tuple(fields)

    def require_different(self, keys: Sequence[str]) -> None:
        """Raise VerifyError where a header has a key more than once: llama.cpp refuses such a file too."""
        if len(set(keys)) != len(keys):
            raise VerifyError(f"{self.path} holds a key twice")

    def field(self, key: str) -> Field:
        (kind,) = self.unpack("I")
        if kind == _STRING:
            return Field(key, "string", self.string(self.size))
        if kind in _SCALARS:
            return Field(key, _KINDS[kind], self.unpack(_SCALARS[kind])[0])
        kind, count = self.unpack("IQ") if kind == _ARRAY else (kind, 0)
        if kind == _STRING and count <= self.size // 8:
            return Field(key, "string", tuple(self.text() for _ in range(count)))
        if kind in _SCALARS and count * struct.calcsize("<" + _SCALARS[kind]) <= self.size:
            return Field(key, _KINDS[kind], self.unpack(f"{count}{_SCALARS[kind]}"))
        raise self.array_error(kind, count)

    def tensor_info(self) -> tuple[str, tuple[int, ...], str, int]:
        name = self.string(_MAX_NAME)
        (dimensions,) = self.unpack("I")
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise VerifyError(f"{self.path}: tensor {name!r} has {dimensions} dimensions, expected 1 to 4")
        shape = self.unpack("Q" * dimensions)[::-1]
        number, offset = self.unpack("IQ")
        try:
            return name, shape, GGMLQuantizationType(number).name, offset
        except ValueError as problem:
            raise VerifyError(f"{self.path}: tensor {name!r} has the unknown type {number}") from problem

    def place(self, start: int, name: str, shape: tuple[int, ...], kind: str, offset: int) -> Placed:
        try:
            return Placed(name, shape, kind, start + offset, tensor_bytes(shape, kind))
        except PackError as problem:
            raise VerifyError(f"{self.path}: tensor {name!r}: {problem}") from problem

    def value(self) -> int | float | bool | str | None:
        (kind,) = self.unpack("I")
        if kind == _STRING:
            return self.string(self.size)
        if kind == _ARRAY:
            self.skip_array()
            return None
        if kind not in _SCALARS:
            raise VerifyError(f"{self.path}: a value has the unknown type {kind}")
        scalar: int | float | bool = self.unpack(_SCALARS[kind])[0]
        return scalar

    def skip_array(self) -> None:
        kind, count = self.unpack("IQ")
        if kind == _STRING and count <= self.size // 8:
            for _ in range(count):
                self.skip(self.unpack("Q")[0])
        elif kind in _SCALARS:
            self.skip(count * struct.calcsize("<" + _SCALARS[kind]))
        else:
            raise self.array_error(kind, count)

    def array_error(self, kind: int, count: int) -> VerifyError:
        if kind != _STRING and kind not in _SCALARS:
            return VerifyError(f"{self.path}: an array has values of the unknown type {kind}")
        problem = f"it claims an array of {count:,} values and has {self.size:,} bytes"
        return VerifyError(f"{self.path} is truncated within its header, or damaged: {problem}")

    def string(self, limit: int) -> str:
        return self.text(limit).decode("utf-8", "replace")

    def text(self, limit: int | None = None) -> bytes:
        (length,) = self.unpack("Q")
        if length > min(self.size if limit is None else limit, self.size):
            problem = f"it claims a text of {length:,} bytes and has {self.size:,}"
            raise VerifyError(f"{self.path} is truncated within its header, or damaged: {problem}")
        return self.take(length)

    def unpack(self, kinds: str) -> tuple[Any, ...]:
        return struct.unpack("<" + kinds, self.take(struct.calcsize("<" + kinds)))

    def take(self, count: int) -> bytes:
        data = self.stream.read(count)
        if len(data) != count:
            raise VerifyError(f"{self.path} is truncated: it ends within its header, after {self.size:,} bytes")
        return data

    def skip(self, count: int) -> None:
        if self.stream.tell() + count > self.size:
            raise VerifyError(f"{self.path} is truncated: it ends within its header, after {self.size:,} bytes")
        self.stream.seek(count, 1)
