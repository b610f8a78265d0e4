"""Writes importance matrices in llama.cpp's GGUF format, which llama-quantize, llama-imatrix and `imatrix` here read.

Each tensor has `<name>.in_sum2`, the sums of squared inputs, and `<name>.counts`, how many rows they are of, as f32
(llama.cpp, tools/imatrix: save_imatrix). Knows: that format. Does not know: how sums are taken, models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quantize import container
from quantize.architectures.blueprint import Field
from quantize.atomic import written_atomically
from quantize.errors import PackError
from quantize.imatrix import COUNTS, SUMS


@dataclass(frozen=True, slots=True, eq=False)
class ColumnSums:
    """Of one tensor. squares: of its inputs, of shape (matrices, width); counts: of rows, of shape (matrices,), or (1,)
    where all matrices share one.
    """

    squares: NDArray[np.float64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the sums come from. datasets: names of what was read; chunks: how many texts; chunk_size: tokens of one;
    fields: what else the file says.
    """

    datasets: tuple[str, ...]
    chunks: int
    chunk_size: int
    fields: tuple[Field, ...] = ()


def write(path: Path, sums: Mapping[str, ColumnSums], origin: Origin) -> None:
    """Write the file completely or not at all, tensors in alphabetical order. Raises PackError where there are no sums,
    OSError as it comes.
    """
    if not sums:
        raise PackError(f"{path}: there are no importances to write")
    numbers = {name: array for base in sorted(sums) for name, array in _tensors(base, sums[base])}
    fields = (
        Field("general.type", "string", "imatrix"),
        Field("imatrix.datasets", "string", origin.datasets),
        Field("imatrix.chunk_count", "uint32", origin.chunks),
        Field("imatrix.chunk_size", "uint32", origin.chunk_size),
        *origin.fields,
    )
    with written_atomically(path) as temporary:
        tensors = [(name, array.shape, "F32") for name, array in numbers.items()]
        places = container.write_header(temporary, None, fields, tensors)
        with temporary.open("rb+") as stream:
            for placed in places:
                stream.seek(placed.offset)
                stream.write(numbers[placed.name].tobytes())


def _tensors(name: str, sums: ColumnSums) -> list[tuple[str, NDArray[np.float32]]]:
    """Both tensors, of shape (matrices, width) and (matrices, 1); for one matrix (width,) and (1,), as ggml has it."""
    matrices = () if len(sums.counts) == 1 else (len(sums.counts),)
    squares, counts = sums.squares.reshape(*matrices, -1), sums.counts.reshape(*matrices, 1)
    return [(name + SUMS, np.ascontiguousarray(squares, "<f4")), (name + COUNTS, np.ascontiguousarray(counts, "<f4"))]
