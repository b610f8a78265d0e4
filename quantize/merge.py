"""Rows of a matrix with a LoRA adapter's update added: W + scale * (B @ A), a block of rows at a time.

An element of B @ A is summed up in the order of the rank, by fused multiply-adds in float32, as torch does it with MKL;
the scale and the sum are then rounded one after the other, as in peft's `merge_and_unload`. So the rows are peft's to
the last bit where the checkpoint is float32, and the same on every machine and in blocks of any size, which numpy's own
product is not. peft rounds the sum to the checkpoint's type; here it stays float32 until it is packed, so that a
bfloat16 checkpoint does not lose updates that are smaller than its last digit.
Memory: the adapter's A, and of B and of the result the rows of the block. Knows nothing about names, types or files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantize.adapter import Update
from quantize.checkpoint import TensorRows

TILE = 1 << 16  # elements that are summed up at a time: they stay in a processor's cache


class MergedRows:
    """The rows of one mapped tensor with its update, in float32."""

    def __init__(self, base: TensorRows, update: Update) -> None:
        self._base = base
        self._scale = np.float32(update.scale)
        self._a = update.a.map().float32(slice(None))
        self._b = update.b.map()

    def float32(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Those rows as a fresh C-ordered float32 array (rows, width). A value that is not finite stays one."""
        merged = self._base.float32(rows)
        b = self._b.float32(rows)
        step = max(1, TILE // self._a.shape[1])
        with np.errstate(all="ignore"):  # the packer refuses what is not finite
            for first in range(0, len(b), step):
                change = product(b[first : first + step], self._a)
                change *= self._scale
                merged[first : first + step] += change
        return merged


def product(b: NDArray[np.float32], a: NDArray[np.float32]) -> NDArray[np.float32]:
    """B @ A by fused multiply-adds: b of shape (rows, rank), a of shape (rank, width).

    The product of two float32 is exact in float64, so a sum there that is rounded to float32 is the fused one, but for
    one in about 2**29 that is rounded twice.
    """
    total = np.zeros((len(b), a.shape[1]), np.float32)
    wide, left, right = np.empty(total.shape), b.astype(np.float64), a.astype(np.float64)
    for k in range(len(a)):
        np.multiply(left[:, k, None], right[k], out=wide)
        wide += total
        total[...] = wide
    return total
