"""The qwen3 family, dense: qwen2 without biases, with a norm on each head of q and k.

Knows nothing about files or vocabularies.
"""

from __future__ import annotations

from quantize.architectures.blueprint import Blueprint, Shape, Target, decoder_fields, ends, same
from quantize.architectures.rope import rope_fields
from quantize.config import Config
from quantize.errors import ConfigError

CLASSES = ("Qwen3ForCausalLM",)
MODEL_TYPES = ("qwen3",)


def blueprint(config: Config) -> Blueprint:
    """The GGUF of a qwen3 configuration. Raises ConfigError for a missing or contradictory field."""
    if config.flag("attention_bias", default=False):
        raise ConfigError(f"{config.origin}: qwen3 with 'attention_bias' true is not supported")
    shape = Shape.of(config)
    before, after = ends(shape)
    blocks = [target for i in range(shape.layers) for target in _block(shape, i)]
    return Blueprint(
        "qwen3",
        (*decoder_fields("qwen3", config, shape), *rope_fields("qwen3", config)),
        (*before, *blocks, *after),
        shape.vocabulary,
    )


def _block(shape: Shape, i: int) -> list[Target]:
    block, layer = f"blk.{i}.", f"model.layers.{i}."
    hidden, q, kv = shape.hidden, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    attention, mlp = layer + "self_attn.", layer + "mlp."
    return [
        same(block + "attn_norm.weight", layer + "input_layernorm.weight", (hidden,)),
        same(block + "attn_q.weight", attention + "q_proj.weight", (q, hidden)),
        same(block + "attn_q_norm.weight", attention + "q_norm.weight", (shape.head_dim,)),
        same(block + "attn_k.weight", attention + "k_proj.weight", (kv, hidden)),
        same(block + "attn_k_norm.weight", attention + "k_norm.weight", (shape.head_dim,)),
        same(block + "attn_v.weight", attention + "v_proj.weight", (kv, hidden)),
        same(block + "attn_output.weight", attention + "o_proj.weight", (hidden, q)),
        same(block + "ffn_norm.weight", layer + "post_attention_layernorm.weight", (hidden,)),
        same(block + "ffn_gate.weight", mlp + "gate_proj.weight", (shape.feed_forward, hidden)),
        same(block + "ffn_up.weight", mlp + "up_proj.weight", (shape.feed_forward, hidden)),
        same(block + "ffn_down.weight", mlp + "down_proj.weight", (hidden, shape.feed_forward)),
    ]
