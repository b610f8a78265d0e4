"""How much memory a model and its cache take, said before the work begins.

Knows: what a cell of a key-value cache weighs, and what llama.cpp tells of its buffers. Does not know: what is
evaluated in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import llama_cpp.llama_cpp as llama

from edge_judge.engine.model import Model
from edge_judge.records import Cache

TYPES: dict[Cache, int] = {"f16": llama.GGML_TYPE_F16, "q8_0": llama.GGML_TYPE_Q8_0}
GRAIN = 256  # llama.cpp rounds a cache's cells up to so many
BESIDE = 8_000_000  # bytes: llama.cpp's graph, threads and batch, and what Python adds; 4 to 8 MB were measured
_BYTES: dict[Cache, float] = {"f16": 2.0, "q8_0": 34 / 32}  # of a number; q8_0 has blocks of 32 with a scale


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes. process: Python and what it has loaded, vocabulary and plan included; weights: the model; cache: keys
    and values; work: what llama.cpp computes in, and the logits that are read.
    """

    process: int
    weights: int
    cache: int
    work: int

    @property
    def total(self) -> int:
        return self.process + self.weights + self.cache + self.work


def cell_bytes(model: Model, cache: Cache) -> int:
    """Bytes of one token in the key-value cache: keys and values of every layer."""
    arch = model.metadata("general.architecture") or ""
    heads = llama.llama_model_n_head_kv(model.handle)
    usual = llama.llama_model_n_embd(model.handle) // llama.llama_model_n_head(model.handle)
    widths = [int(model.metadata(f"{arch}.attention.{part}_length") or usual) for part in ("key", "value")]
    return int(llama.llama_model_n_layer(model.handle) * heads * sum(widths) * _BYTES[cache])


def work_bytes(model: Model, micro: int, cells: int, outputs: int) -> int:
    """About what llama.cpp computes in: activations of `micro` tokens and which of `cells` they attend to, or the
    logits of `outputs`, in one and the same place; and these logits once more, to be read.

    Only a first guess, before a context is made: llama.cpp then tells the true sizes.
    """
    wide, logits = int(llama.llama_model_n_embd(model.handle)), outputs * int(model.vocabulary)
    return 4 * (logits + max(logits, micro * (16 * wide + cells)))
