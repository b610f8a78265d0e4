"""The tensors of a checkpoint folder, as memory-mapped rows.

A checkpoint is one file, or several with an index; safetensors, or torch's .bin where there is no safetensors.
Tensors stay on disk until their rows are read. Knows nothing about model families: tensors have the names that the
checkpoint uses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantize import safetensors_file, torch_file
from quantize.errors import CheckpointError, short_repr
from quantize.json_file import read_object

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLES = ("model.safetensors", "pytorch_model.bin")
MAX_NAME = 200  # bytes of a file name; most file systems end at 255
DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor on disk. offset: bytes from the start of `path`; dtype: only F32, F16 and BF16 can be mapped.

    strides: in elements; None for a C-ordered tensor.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int
    strides: tuple[int, ...] | None = None

    def map(self) -> TensorRows:
        """The tensor's rows, memory-mapped. Raises CheckpointError for a dtype that is not a float of 16 or 32 bits."""
        if self.dtype not in DTYPES:
            raise CheckpointError(
                f"tensor {self.name!r} in {self.path} has dtype {self.dtype}, expected F32, F16 or BF16",
                "use the unquantized checkpoint of this model",
            )
        rows, width = row_shape(self.shape)
        if rows * width == 0:
            raise CheckpointError(f"tensor {self.name!r} in {self.path} is empty: shape {list(self.shape)}")
        steps = self.strides or (width, 1)
        if len(steps) == 1 and self.strides is not None:
            steps = (steps[0], 1)
        if len(steps) != 2:
            raise CheckpointError(f"tensor {self.name!r} in {self.path} has {len(steps)} dimensions, expected 1 or 2")
        span = (rows - 1) * steps[0] + (width - 1) * steps[1] + 1
        flat = np.memmap(self.path, DTYPES[self.dtype], mode="r", offset=self.offset, shape=(span,))
        strides = (steps[0] * flat.itemsize, steps[1] * flat.itemsize)
        return TensorRows(np.lib.stride_tricks.as_strided(flat, (rows, width), strides, writeable=False), self.dtype)


class TensorRows:
    """The rows of one mapped tensor, converted to float32 when they are read."""

    def __init__(self, raw: NDArray[Any], dtype: str) -> None:
        self._raw = raw
        self._dtype = dtype

    def float32(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Those rows as a fresh C-ordered float32 array (rows, width). Exact: every source value is a float32."""
        block = self._raw[rows]
        if self._dtype == "BF16":  # a bfloat16 is the upper half of a float32
            widened: NDArray[np.uint32] = np.left_shift(block, 16, dtype=np.uint32, order="C")
            return widened.view(np.float32)
        return np.array(block, dtype=np.float32, order="C")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint folder: its weight files, and its tensors by name."""

    folder: Path
    files: tuple[Path, ...]
    tensors: Mapping[str, Tensor]


def pick(tensors: Mapping[str, Tensor], name: str, shape: tuple[int, ...], where: Path) -> Tensor:
    """The tensor of that name. Raises CheckpointError where it is missing or has another shape."""
    tensor = tensors.get(name)
    if tensor is None:
        raise CheckpointError(f"tensor {name!r} is missing from {where}", "is every weight file there?")
    if tensor.shape != shape:
        raise CheckpointError(
            f"tensor {name!r} in {tensor.path} has shape {list(tensor.shape)}, config.json makes it {list(shape)}"
        )
    return tensor


def row_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """(rows, width) of a tensor. A vector has rows of width 1, so that rows can be reordered in it too."""
    return (shape[0], math.prod(shape[1:])) if shape else (1, 1)


def open_folder(folder: Path) -> Checkpoint:
    """Read the tables of contents of a checkpoint folder. No weights are read.

    Raises CheckpointError where the folder, a file that the index names, or a tensor is missing, and where a
    weight file is truncated or inconsistent.
    """
    if not folder.is_dir():
        raise CheckpointError(f"there is no checkpoint folder at {folder}")
    files, placement = weight_files(folder)
    tensors: dict[str, Tensor] = {}
    for path in files:
        for tensor in open_file(path):
            if tensor.name in tensors:
                raise CheckpointError(f"tensor {tensor.name!r} is both in {tensors[tensor.name].path} and in {path}")
            tensors[tensor.name] = tensor
    _check_placement(folder, placement, tensors)
    return Checkpoint(folder, files, tensors)


def weight_files(folder: Path) -> tuple[tuple[Path, ...], dict[str, str]]:
    """The weight files of a folder, and by the index which file holds each tensor; empty without an index."""
    for index, single in zip(INDEXES, SINGLES, strict=True):
        if (folder / index).is_file():
            placement = read_index(folder / index)
            return tuple(folder / name for name in sorted(set(placement.values()))), placement
        if (folder / single).is_file():
            return (folder / single,), {}
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        return (files[0],), {}
    if files:
        raise CheckpointError(f"{folder} holds {len(files)} safetensors files and no {INDEXES[0]}", "fetch it too")
    raise CheckpointError(f"{folder} holds no weights: expected {' or '.join(SINGLES)}, or their index")


def open_file(path: Path) -> tuple[Tensor, ...]:
    """The tensors of one weight file. Raises CheckpointError as `open_folder` does."""
    if not path.is_file():
        raise CheckpointError(f"weight file {path} is missing", "fetch the checkpoint again, with all its shards")
    if path.suffix == ".bin":
        table = torch_file.read_table(path)
        return tuple(Tensor(row.name, row.dtype, row.shape, path, row.offset, row.strides) for row in table)
    return tuple(Tensor(e.name, e.dtype, e.shape, path, e.offset) for e in safetensors_file.read_header(path))


def read_index(path: Path) -> dict[str, str]:
    """Tensor name to file name, from an index file. Raises CheckpointError where a file name is a path."""
    placement = read_object(path, CheckpointError).get("weight_map")
    if not isinstance(placement, dict) or not placement:
        raise CheckpointError(f"{path} has no 'weight_map' that says which file holds each tensor")
    for name in placement.values():
        if (
            not isinstance(name, str)
            or name != Path(name).name
            or "\\" in name
            or not name.strip(".")
            or len(name.encode()) > MAX_NAME
        ):
            raise CheckpointError(f"{path} names {short_repr(name)} as a weight file, expected a plain file name")
    return placement


def _check_placement(folder: Path, placement: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    for name, file in placement.items():
        if name not in tensors:
            raise CheckpointError(
                f"the index of {folder} puts tensor {short_repr(name)} in {file}, which does not hold it"
            )
