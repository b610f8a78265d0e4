"""Estimates of the memory that a key-value cache and the work in it take, before they are made.

Knows: the bytes of a cell. Does not know: what is evaluated.
"""

from __future__ import annotations

from edge_judge.engine.llama import LoadedModel
from edge_judge.records import Cache

CELL_BLOCK = 256  # llama.cpp rounds the cells of a cache up to a multiple of this
OVERHEAD = 8_000_000  # bytes: llama.cpp's graph, threads and batch, and what Python adds; 4 to 8 MB were measured
_BYTES: dict[Cache, float] = {"f16": 2.0, "q8_0": 34 / 32}  # of a number; q8_0 has blocks of 32 with a scale


def rounded_up(cells: int) -> int:
    """The cells of the cache that llama.cpp makes for this many."""
    return -(-cells // CELL_BLOCK) * CELL_BLOCK


def cell_bytes(model: LoadedModel, cache: Cache) -> int:
    """Bytes of one token in the key-value cache: the keys and values of every layer."""
    arch, sizes = model.metadata("general.architecture") or "", model.attention
    usual = sizes.width // sizes.heads
    widths = [int(model.metadata(f"{arch}.attention.{name}_length") or usual) for name in ("key", "value")]
    return bytes_of_cell(sizes.layers * sizes.key_value_heads * sum(widths), cache)


def bytes_of_cell(numbers: int, cache: Cache) -> int:
    """Bytes of one token in the cache, from how many numbers it is."""
    return int(numbers * _BYTES[cache])


def work_bytes(model: LoadedModel, micro: int, cells: int, outputs: int) -> int:
    """About the bytes of llama.cpp's compute buffer and of the logits that are read.

    The compute buffer holds either the activations of `micro` tokens with their mask over `cells`, or the logits of
    `outputs` tokens. This is an estimate: llama.cpp logs the true sizes when it makes the context.
    """
    logits = outputs * model.vocabulary
    return _work(logits, micro, model.attention.width, cells)


def work_on_device(vocabulary: int, micro: int, width: int, cells: int, sequences: int) -> int:
    """The same for a device, of a model that is known by its shape alone."""
    return _work(sequences * vocabulary, micro, width, cells)


def _work(logits: int, micro: int, width: int, cells: int) -> int:
    return 4 * (logits + max(logits, micro * (16 * width + cells)))
