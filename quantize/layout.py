"""Whether what the header of a GGUF claims fits the file: checked before llama.cpp maps it.

llama.cpp's own rules (ggml/src/gguf.cpp): names of at most 63 bytes, each once; dimensions of at least 1; tensors one
after another, each at the next multiple of the alignment. Beyond that, every tensor must lie inside the file.
Knows: tensor tables. Does not know: what keys and tensors mean, who reads the file.
"""

from __future__ import annotations

import math
from pathlib import Path

from quantize.container import Header, padded
from quantize.errors import VerifyError, short_repr

MOST_NAME = 63  # bytes; GGML_MAX_NAME with its end
MOST_NUMBERS = 2**63 - 1
DOWNLOAD = "download it again, and compare its size with the one at its source"


def check(path: Path, header: Header) -> None:
    """Raise VerifyError where a tensor cannot be where the header puts it, or the file ends too early."""
    names: set[str] = set()
    place = header.data_start
    for tensor in header.tensors:
        name = short_repr(tensor.name)
        if len(tensor.name.encode()) > MOST_NAME:
            raise VerifyError(f"{path}: the tensor name {name} is longer than {MOST_NAME} bytes")
        if tensor.name in names:
            raise VerifyError(f"{path} holds the tensor {name} twice")
        if min(tensor.shape) < 1 or math.prod(tensor.shape) > MOST_NUMBERS:
            raise VerifyError(f"{path}: tensor {name} has the impossible shape {short_repr(list(tensor.shape))}")
        if tensor.offset != place:
            at, expected = tensor.offset - header.data_start, place - header.data_start
            raise VerifyError(f"{path}: tensor {name} is at byte {at:,} of the data, expected at {expected:,}")
        names.add(tensor.name)
        place = padded(tensor.offset + tensor.bytes, header.alignment)
    _check_end(path, header)


def _check_end(path: Path, header: Header) -> None:
    """Some writers leave out the padding after the last tensor, and llama.cpp does not miss it."""
    size = path.stat().st_size
    end = max((tensor.offset + tensor.bytes for tensor in header.tensors), default=0)
    if size < end:
        raise VerifyError(
            f"{path} is truncated: it has {size:,} bytes of {header.end:,}, {header.end - size:,} are missing", DOWNLOAD
        )
