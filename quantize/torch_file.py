"""The table of contents of one `pytorch_model*.bin`, read without torch and without running any of it.

Such a file is a zip archive: a pickle that describes the tensors, and one uncompressed entry per storage. A pickle is
a program. Here it runs on an interpreter that accepts a few harmless names and refuses every other, and that cannot
modify the objects it has built; these are records, not tensors. Storages are located, never read. Source:
torch.serialization's zip format; Python's pickle protocol. Knows nothing about what the tensors mean.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

from quantize.errors import CheckpointError, short_repr

MAX_PICKLE_BYTES = 64 << 20
MAX_DIMENSIONS = 8
_STORAGES = {
    "HalfStorage": ("F16", 2), "BFloat16Storage": ("BF16", 2), "FloatStorage": ("F32", 4),
    "DoubleStorage": ("F64", 8), "LongStorage": ("I64", 8), "IntStorage": ("I32", 4),
    "ShortStorage": ("I16", 2),
    "CharStorage": ("I8", 1), "ByteStorage": ("U8", 1), "BoolStorage": ("BOOL", 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Strided:
    """One tensor of the file. offset: its first element, in bytes from the start of the file; strides in elements."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class _Storage:
    dtype: str
    item_bytes: int
    offset: int
    elements: int


@dataclass(frozen=True, slots=True)
class _View:
    storage: _Storage
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_table(path: Path) -> tuple[Strided, ...]:
    """Every tensor of a .bin file, in the pickle's order.

    Raises CheckpointError where the file is missing, not in the zip format, compressed or truncated, where its pickle
    asks for anything but tensors, and where a tensor reaches beyond its storage.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(4) != b"PK\x03\x04":
                raise CheckpointError(
                    f"{path} is not a .bin file in the zip format: it is truncated, or from before torch 1.6",
                    "load it with torch and save it as safetensors, or use another revision of the model",
                )
            with _archive(path, stream) as archive:
                return _table(path, archive, stream)
    except OSError as problem:
        raise CheckpointError(f"cannot read {path}: {problem.strerror or problem}") from problem


def _archive(path: Path, stream: IO[bytes]) -> zipfile.ZipFile:
    """The archive. On a damaged one zipfile raises nearly anything."""
    try:
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, RuntimeError, ValueError, OverflowError, MemoryError, struct.error) as problem:
        raise CheckpointError(f"{path} is no whole zip archive: {problem}", "fetch it again") from problem


def _table(path: Path, archive: zipfile.ZipFile, stream: IO[bytes]) -> tuple[Strided, ...]:
    entries = {info.filename: info for info in archive.infolist()}
    description = next((name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")), None)
    if description is None or len(entries) != len(archive.infolist()):
        raise CheckpointError(f"{path} is not a torch checkpoint: expected one data.pkl and every name once")
    root = description.removesuffix("data.pkl")
    locator = _Locator(path, stream, entries, root)
    offset, size = locator.place(description)
    if size > MAX_PICKLE_BYTES:
        raise CheckpointError(f"{path}: its data.pkl has {size} bytes, expected at most {MAX_PICKLE_BYTES}")
    if f"{root}byteorder" in entries:
        at, length = locator.place(f"{root}byteorder")
        if _read(stream, at, min(length, 16)) != b"little":
            raise CheckpointError(f"{path} was written on a big-endian machine, which is not supported")
    tensors = _unpickle(path, _read(stream, offset, size), locator)
    return tuple(_checked(path, name, view) for name, view in tensors.items())


def _read(stream: IO[bytes], offset: int, size: int) -> bytes:
    stream.seek(offset)
    return stream.read(size)


class _Locator:
    """Finds the bytes of an archive entry in the file. Refuses entries that are compressed or encrypted."""

    def __init__(self, path: Path, stream: IO[bytes], entries: dict[str, zipfile.ZipInfo], root: str) -> None:
        self.path, self.stream, self.entries, self.root = path, stream, entries, root
        self.size = path.stat().st_size

    def place(self, name: str) -> tuple[int, int]:
        info = self.entries.get(name)
        if info is None:
            raise CheckpointError(f"{self.path} lacks its entry {short_repr(name)}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
            raise CheckpointError(
                f"{self.path}: entry {short_repr(name)} is compressed or encrypted, expected it stored"
            )
        if not 0 <= info.header_offset < self.size:
            raise CheckpointError(f"{self.path}: entry {short_repr(name)} is not where the archive says")
        header = _read(self.stream, info.header_offset, 30)
        if len(header) != 30 or header[:4] != b"PK\x03\x04":
            raise CheckpointError(f"{self.path}: entry {short_repr(name)} is not where the archive says")
        name_bytes, extra_bytes = struct.unpack("<HH", header[26:30])
        start = info.header_offset + 30 + name_bytes + extra_bytes
        if start + info.file_size > self.size:
            raise CheckpointError(f"{self.path}: entry {short_repr(name)} reaches beyond the file", "fetch it again")
        return start, info.file_size

    def storage(self, reference: object) -> _Storage:
        if not isinstance(reference, tuple) or len(reference) != 5 or reference[0] != "storage":
            raise CheckpointError(f"{self.path} has a reference that is no storage: {short_repr(reference)}")
        kind, key, elements = reference[1], reference[2], reference[4]
        if not isinstance(kind, _StorageKind) or not isinstance(key, str) or type(elements) is not int:
            raise CheckpointError(f"{self.path} describes a storage in an unknown way: {short_repr(reference)}")
        offset, size = self.place(f"{self.root}data/{key}")
        if elements < 0 or elements * kind.item_bytes > size:
            raise CheckpointError(
                f"{self.path}: storage {short_repr(key)} holds {size} bytes, not {short_repr(elements)} elements"
            )
        return _Storage(kind.dtype, kind.item_bytes, offset, elements)


@dataclass(frozen=True, slots=True)
class _StorageKind:
    dtype: str
    item_bytes: int


def _rebuild_tensor(storage: object, first: object, shape: object, strides: object, *_: object) -> _View:
    lists = (shape, strides)
    if not isinstance(storage, _Storage) or type(first) is not int or not all(isinstance(n, tuple) for n in lists):
        raise pickle.UnpicklingError("a tensor is described in an unknown way")
    return _View(storage, first, tuple(shape), tuple(strides))  # type: ignore[arg-type]


def _rebuild_parameter(view: object, *_: object) -> object:
    return view


_ALLOWED = {
    ("collections", "OrderedDict"): dict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
} | {("torch", name): _StorageKind(*kind) for name, kind in _STORAGES.items()}


class _Interpreter(pickle._Unpickler):
    """Runs a pickle. Based on Python's own implementation, because the one in C allocates whatever size a pickle
    names, and lets a pickle modify the objects it has built, these records and functions included.
    """

    stack: list[Any]

    def __init__(self, path: Path, data: bytes, locator: _Locator) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._path, self._locator = path, locator

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise CheckpointError(
                f"{self._path} asks to run {module}.{name}, which no checkpoint needs; nothing was run",
                "do not trust this file; use a safetensors revision of the model",
            )
        return _ALLOWED[module, name]

    def persistent_load(self, reference: object) -> _Storage:
        return self._locator.storage(reference)

    def drop_state(self) -> None:
        """Ignore the attributes that a pickle sets on an object; torch stores a version on its ordered dicts."""
        self.stack.pop()

    def refuse(self) -> None:
        raise pickle.UnpicklingError("it holds a kind of value that no checkpoint needs")

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: drop_state,
        pickle.BYTEARRAY8[0]: refuse,  # allocates as much memory as it names
    }


def _unpickle(path: Path, data: bytes, locator: _Locator) -> dict[str, _View]:
    try:
        state = _Interpreter(path, data, locator).load()
    except CheckpointError:
        raise
    except Exception as problem:  # a hostile pickle can raise anything
        raise CheckpointError(f"the description of tensors in {path} cannot be read: {problem}") from problem
    views = {name: view for name, view in state.items() if isinstance(view, _View)} if isinstance(state, dict) else {}
    if not views or not all(isinstance(name, str) for name in views):
        raise CheckpointError(f"{path} holds no tensors by name")
    return views


def _checked(path: Path, name: str, view: _View) -> Strided:
    numbers = (*view.shape, *view.strides, view.first)
    consistent = len(view.shape) == len(view.strides) <= MAX_DIMENSIONS
    if not consistent or not all(type(n) is int and 0 <= n < 1 << 63 for n in numbers):
        shape, strides = short_repr(view.shape), short_repr(view.strides)
        raise CheckpointError(f"{path}: tensor {short_repr(name)} has shape {shape} and strides {strides}")
    last = view.first + sum((n - 1) * stride for n, stride in zip(view.shape, view.strides, strict=True))
    if math.prod(view.shape) and last >= view.storage.elements:
        raise CheckpointError(
            f"{path}: tensor {short_repr(name)} reaches element {last} of a storage of {view.storage.elements}"
        )
    offset = view.storage.offset + view.first * view.storage.item_bytes
    return Strided(name, view.storage.dtype, view.shape, view.strides, offset)
