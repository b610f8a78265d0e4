"""Rows of a matrix with a LoRA adapter's update added: W + scale * B @ A, a block of rows at a time.

B @ A, the product with the scale and the sum are each rounded to float32, in the order of peft's `merge_and_unload`.
With a float32 checkpoint the rows are those that peft gives, as far as two libraries multiply matrices alike to the
last bit. peft rounds the sum to the checkpoint's own type; here it stays float32 until it is packed, so that a bfloat16
checkpoint does not lose updates that are smaller than its last digit.
Memory: the adapter's A, and of B and the result the rows of the block. Knows nothing about names, types or files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantize.adapter import Update
from quantize.checkpoint import TensorRows


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
        with np.errstate(all="ignore"):  # the packer refuses what is not finite
            change: NDArray[np.float32] = self._b.float32(rows) @ self._a
            change *= self._scale
            merged += change
        return merged
