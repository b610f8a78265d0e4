"""The internlm2 family: llama's arithmetic, with q, k and v fused group by group and other names.

The fused matrix holds, for every key-value head, its query heads, then its key, then its value. Rows are picked from
it; those of q and k are then interleaved as for llama. Knows nothing about files or vocabularies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantize.architectures.blueprint import (
    Blueprint,
    Shape,
    Target,
    decoder_fields,
    interleaved_heads,
    picked,
    same,
)
from quantize.architectures.rope import rope_fields
from quantize.config import Config
from quantize.errors import ConfigError

CLASSES = ("InternLM2ForCausalLM",)
MODEL_TYPES = ("internlm2",)


def blueprint(config: Config) -> Blueprint:
    """The GGUF of an internlm2 configuration. Raises ConfigError for a missing or contradictory field."""
    if config.flag("bias", default=False):
        raise ConfigError(f"{config.origin}: internlm2 with 'bias' true is not supported")
    shape = Shape.of(config)
    embedding = (shape.vocabulary, shape.hidden)
    order = unfused(shape)
    blocks = [target for i in range(shape.layers) for target in _block(shape, order, i)]
    norm = same("output_norm.weight", "model.norm.weight", (shape.hidden,))
    head = () if shape.tied else (same("output.weight", "output.weight", embedding),)
    return Blueprint(
        "internlm2",
        (*decoder_fields("internlm2", config, shape), *rope_fields("internlm2", config)),
        (same("token_embd.weight", "model.tok_embeddings.weight", embedding), *blocks, norm, *head),
        shape.vocabulary,
    )


def unfused(shape: Shape) -> dict[str, NDArray[np.int64]]:
    """The rows of the fused matrix that are q, k and v, in llama.cpp's order, by GGUF name."""
    queries = shape.heads // shape.kv_heads
    rows = np.arange((shape.heads + 2 * shape.kv_heads) * shape.head_dim, dtype=np.int64)
    groups = rows.reshape(shape.kv_heads, queries + 2, shape.head_dim)
    q, k, v = groups[:, :queries].reshape(-1), groups[:, queries].reshape(-1), groups[:, queries + 1].reshape(-1)
    return {
        "attn_q": q[interleaved_heads(shape.heads, shape.head_dim)],
        "attn_k": k[interleaved_heads(shape.kv_heads, shape.head_dim)],
        "attn_v": v,
    }


def _block(shape: Shape, order: dict[str, NDArray[np.int64]], i: int) -> list[Target]:
    block, layer = f"blk.{i}.", f"model.layers.{i}."
    fused = (sum(len(rows) for rows in order.values()), shape.hidden)
    wide, narrow = (shape.feed_forward, shape.hidden), (shape.hidden, shape.feed_forward)
    attention = layer + "attention."
    return [
        same(block + "attn_norm.weight", layer + "attention_norm.weight", (shape.hidden,)),
        *(picked(f"{block}{name}.weight", attention + "wqkv.weight", fused, rows) for name, rows in order.items()),
        same(block + "attn_output.weight", attention + "wo.weight", (shape.hidden, shape.heads * shape.head_dim)),
        same(block + "ffn_norm.weight", layer + "ffn_norm.weight", (shape.hidden,)),
        same(block + "ffn_gate.weight", layer + "feed_forward.w1.weight", wide),
        same(block + "ffn_up.weight", layer + "feed_forward.w3.weight", wide),
        same(block + "ffn_down.weight", layer + "feed_forward.w2.weight", narrow),
    ]
