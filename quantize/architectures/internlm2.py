"""The internlm2 family: llama's arithmetic, with q, k and v fused group by group and other names.

The fused matrix holds, for every key-value head, its query heads, then its key, then its value. Taking it
apart is an order of rows; q and k are then interleaved as for llama. Knows nothing about files or
vocabularies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    """Which rows of the fused matrix are q, k and v, in the order llama.cpp wants them."""
    import numpy as np

    each = shape.heads // shape.kv_heads
    rows = np.arange((shape.heads + 2 * shape.kv_heads) * shape.head_dim, dtype=np.int64)
    groups = rows.reshape(shape.kv_heads, each + 2, shape.head_dim)
    q, k, v = groups[:, :each].reshape(-1), groups[:, each].reshape(-1), groups[:, each + 1].reshape(-1)
    return {
        "attn_q": q[interleaved_heads(shape.heads, shape.head_dim)],
        "attn_k": k[interleaved_heads(shape.kv_heads, shape.head_dim)],
        "attn_v": v,
    }


def _block(shape: Shape, order: dict[str, NDArray[np.int64]], i: int) -> list[Target]:
    here, there = f"blk.{i}.", f"model.layers.{i}."
    fused = (sum(len(rows) for rows in order.values()), shape.hidden)
    wide, narrow = (shape.feed_forward, shape.hidden), (shape.hidden, shape.feed_forward)
    return [
        same(here + "attn_norm.weight", there + "attention_norm.weight", (shape.hidden,)),
        *(picked(f"{here}{name}.weight", there + "attention.wqkv.weight", fused, rows) for name, rows in order.items()),
        same(
            here + "attn_output.weight",
            there + "attention.wo.weight",
            (shape.hidden, shape.heads * shape.head_dim),
        ),
        same(here + "ffn_norm.weight", there + "ffn_norm.weight", (shape.hidden,)),
        same(here + "ffn_gate.weight", there + "feed_forward.w1.weight", wide),
        same(here + "ffn_up.weight", there + "feed_forward.w3.weight", wide),
        same(here + "ffn_down.weight", there + "feed_forward.w2.weight", narrow),
    ]
