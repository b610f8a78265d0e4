"""Importance matrices: how much each column of a tensor matters, as llama.cpp's llama-imatrix measures it.

A file holds, for each tensor, the sums of its squared inputs (`<name>.in_sum2`) and their counts (`<name>.counts`),
in GGUF format; a column's importance is the mean. Knows nothing about quantization.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quantize import pairs_seen
from quantize.container import Header, Placed, read_header
from quantize.errors import QuantizeError, SchemeError, short_repr

_SUMS, _COUNTS = ".in_sum2", ".counts"


@dataclass(frozen=True, slots=True, eq=False)
class Imatrix:
    """The importance of every column, float32 of shape (width,), by GGUF tensor name. pairs_seen: fingerprints of the
    pairs on which it was measured.
    """

    path: Path
    columns: Mapping[str, NDArray[np.float32]]
    chunks: int
    pairs_seen: frozenset[str] = frozenset()

    def of(self, name: str, width: int) -> NDArray[np.float32] | None:
        """The importances of a tensor's columns, or None. Raises SchemeError where the widths differ."""
        columns = self.columns.get(name)
        if columns is not None and len(columns) != width:
            if name == "token_embd.weight":  # llama.cpp accepts this one, and ignores it
                return None
            raise SchemeError(
                f"{self.path} has {len(columns)} importances for {name!r}, the model has {width} columns",
                "was it measured with another model?",
            )
        return columns


def read(path: Path) -> Imatrix:
    """Read a GGUF importance matrix. Raises SchemeError where the file is not one, or a value is not finite."""
    try:
        header = read_header(path)
        if header.end > path.stat().st_size:
            raise SchemeError(f"{path} was cut short")
    except QuantizeError as problem:
        raise SchemeError(
            f"{path} cannot be used as an importance matrix: {problem}",
            "edge-judge imatrix makes one, or llama-imatrix in its GGUF format",
        ) from problem
    columns = {name: _means(path, name, *pair) for name, pair in _pairs(path, header).items()}
    return Imatrix(path, columns, _chunks(path, header), pairs_seen.of_file(path))


def _means(path: Path, name: str, sums: Placed, counts: Placed) -> NDArray[np.float32]:
    """The importance of each column: sum / count, and 1 where nothing was counted."""
    count = np.rint(_values(path, counts)).reshape(-1, 1)
    total = _values(path, sums).reshape(len(count), -1)
    with np.errstate(all="ignore"):  # the result is checked
        mean = np.divide(total, count, out=np.ones_like(total), where=count > 0)
    if not np.isfinite(mean).all() or (mean < 0).any():
        raise SchemeError(f"{path}: an importance of {name!r} is not finite, or is below zero")
    return np.ascontiguousarray(mean.reshape(-1))


def _chunks(path: Path, header: Header) -> int:
    value = header.values.get("imatrix.chunk_count", 0)
    if not isinstance(value, int) or not 0 <= value < 1 << 32:
        raise SchemeError(f"{path}: 'imatrix.chunk_count' is {short_repr(value)}, expected a whole number")
    return value


def _pairs(path: Path, header: Header) -> dict[str, tuple[Placed, Placed]]:
    tensors = {tensor.name: tensor for tensor in header.tensors}
    pairs = {}
    for name, sums in tensors.items():
        if not name.endswith(_SUMS):
            continue
        base = name.removesuffix(_SUMS)
        counts = tensors.get(base + _COUNTS)
        if counts is None or sums.ggml_type != "F32" or counts.ggml_type != "F32" or counts.bytes == 0:
            raise SchemeError(f"{path}: {base!r} lacks its counts, or they are not f32")
        if sums.bytes % counts.bytes:
            raise SchemeError(f"{path}: the sums and counts of {base!r} do not match")
        pairs[base] = (sums, counts)
    if not pairs:
        raise SchemeError(
            f"{path} holds no importances", "edge-judge imatrix makes one, or llama-imatrix in its GGUF format"
        )
    return pairs


def _values(path: Path, placed: Placed) -> NDArray[np.float32]:
    return np.fromfile(path, dtype="<f4", count=placed.bytes // 4, offset=placed.offset)
