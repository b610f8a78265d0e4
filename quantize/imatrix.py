"""Importance matrices: how much each column of a tensor matters, as llama.cpp's llama-imatrix measures it.

A file holds, for each tensor, the summed squares of its inputs (`<name>.in_sum2`) and how many were summed
(`<name>.counts`), in GGUF format; a column's importance is their mean. Knows nothing about quantization.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantize.container import Header, Placed, read_header
from quantize.errors import QuantizeError, SchemeError, short_repr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SUMS, _COUNTS = ".in_sum2", ".counts"


@dataclass(frozen=True, slots=True, eq=False)
class Imatrix:
    """The importance of every column, float32 of shape (width,), by GGUF tensor name."""

    path: Path
    columns: Mapping[str, NDArray[np.float32]]
    chunks: int

    def of(self, name: str, width: int) -> NDArray[np.float32] | None:
        """The importances for a tensor of that width, or None; raises SchemeError where the widths differ."""
        found = self.columns.get(name)
        if found is not None and len(found) != width:
            if name == "token_embd.weight":  # llama.cpp lets this one pass, and ignores it
                return None
            raise SchemeError(
                f"{self.path} has {len(found)} importances for {name!r}, the model has {width} columns",
                "was it measured with another model?",
            )
        return found


def read(path: Path) -> Imatrix:
    """Read a GGUF importance matrix. Raises SchemeError where it is not one, or a value is not finite."""
    import numpy as np

    try:
        header = read_header(path)
        if header.end > path.stat().st_size:
            raise SchemeError(f"{path} was cut short")
    except QuantizeError as problem:
        raise SchemeError(
            f"{path} cannot be used as an importance matrix: {problem}",
            "make it with llama-imatrix, in its GGUF format",
        ) from problem
    pairs = _pairs(path, header)
    columns = {}
    for name, (sums, counts) in pairs.items():
        total, count = _values(path, sums), np.rint(_values(path, counts)).reshape(-1, 1)
        matrix = total.reshape(len(count), -1)
        with np.errstate(all="ignore"):  # what comes of it is checked
            mean = np.divide(matrix, count, out=np.ones_like(matrix), where=count > 0)
        if not np.isfinite(mean).all() or (mean < 0).any():
            raise SchemeError(f"{path}: an importance of {name!r} is not finite, or is below zero")
        columns[name] = np.ascontiguousarray(mean.reshape(-1))
    return Imatrix(path, columns, _chunks(path, header))


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
            raise SchemeError(f"{path}: the sums and counts of {base!r} do not go together")
        pairs[base] = (sums, counts)
    if not pairs:
        raise SchemeError(f"{path} holds no importances", "make it with llama-imatrix, in its GGUF format")
    return pairs


def _values(path: Path, placed: Placed) -> NDArray[np.float32]:
    import numpy as np

    return np.fromfile(path, dtype="<f4", count=placed.bytes // 4, offset=placed.offset)
