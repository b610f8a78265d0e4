"""How much memory a key-value cache and the work in it will take, estimated before they are made.

Knows: what a cell of a cache weighs. Does not know: what is evaluated in it.
"""

from __future__ import annotations

from edge_judge.engine.model import Model
from edge_judge.records import Cache

CELL_BLOCK = 256  # llama.cpp rounds a cache's cells up to so many
OVERHEAD = 8_000_000  # bytes: llama.cpp's graph, threads and batch, and what Python adds; 4 to 8 MB were measured
_BYTES: dict[Cache, float] = {"f16": 2.0, "q8_0": 34 / 32}  # of a number; q8_0 has blocks of 32 with a scale


def rounded_up(cells: int) -> int:
    """So many cells in whole blocks, as llama.cpp makes them."""
    return -(-cells // CELL_BLOCK) * CELL_BLOCK


def cell_bytes(model: Model, cache: Cache) -> int:
    """Bytes of one token in the key-value cache: keys and values of every layer."""
    arch, sizes = model.metadata("general.architecture") or "", model.attention
    usual = sizes.width // sizes.heads
    widths = [int(model.metadata(f"{arch}.attention.{part}_length") or usual) for part in ("key", "value")]
    return int(sizes.layers * sizes.key_value_heads * sum(widths) * _BYTES[cache])


def work_bytes(model: Model, micro: int, cells: int, outputs: int) -> int:
    """About what llama.cpp computes in: activations of `micro` tokens and which of `cells` they attend to, or the
    logits of `outputs`, in one and the same place; and these logits once more, to be read.

    Only a first guess, before a context is made: llama.cpp then logs the true sizes.
    """
    logits = outputs * model.vocabulary
    return 4 * (logits + max(logits, micro * (16 * model.attention.width + cells)))
