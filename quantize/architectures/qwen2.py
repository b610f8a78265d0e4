"""The qwen2 family: Qwen1.5, Qwen2 and Qwen2.5, dense.

llama.cpp rotates halves for this family, as the checkpoint does: no row moves. q, k and v have biases.
Knows nothing about files or vocabularies.
"""

from __future__ import annotations

from quantize.architectures.blueprint import Blueprint, Shape, Target, decoder_fields, ends, same
from quantize.architectures.rope import rope_fields
from quantize.config import Config
from quantize.errors import ConfigError

CLASSES = ("Qwen2ForCausalLM",)
MODEL_TYPES = ("qwen2",)


def blueprint(config: Config) -> Blueprint:
    """The GGUF of a qwen2 configuration. Raises ConfigError for a missing or contradictory field."""
    shape = Shape.of(config)
    if shape.head_dim * shape.heads != shape.hidden:
        raise ConfigError(f"{config.origin}: qwen2 needs head_dim * num_attention_heads = hidden_size")
    before, after = ends(shape)
    blocks = [target for i in range(shape.layers) for target in _block(shape, i)]
    return Blueprint(
        "qwen2",
        (*decoder_fields("qwen2", config, shape), *rope_fields("qwen2", config)),
        (*before, *blocks, *after),
        shape.vocabulary,
    )


def _block(shape: Shape, i: int) -> list[Target]:
    block, layer = f"blk.{i}.", f"model.layers.{i}."
    hidden, kv = shape.hidden, shape.kv_heads * shape.head_dim
    attention, mlp = layer + "self_attn.", layer + "mlp."
    return [
        same(block + "attn_norm.weight", layer + "input_layernorm.weight", (hidden,)),
        same(block + "attn_q.weight", attention + "q_proj.weight", (hidden, hidden)),
        same(block + "attn_q.bias", attention + "q_proj.bias", (hidden,)),
        same(block + "attn_k.weight", attention + "k_proj.weight", (kv, hidden)),
        same(block + "attn_k.bias", attention + "k_proj.bias", (kv,)),
        same(block + "attn_v.weight", attention + "v_proj.weight", (kv, hidden)),
        same(block + "attn_v.bias", attention + "v_proj.bias", (kv,)),
        same(block + "attn_output.weight", attention + "o_proj.weight", (hidden, hidden)),
        same(block + "ffn_norm.weight", layer + "post_attention_layernorm.weight", (hidden,)),
        same(block + "ffn_gate.weight", mlp + "gate_proj.weight", (shape.feed_forward, hidden)),
        same(block + "ffn_up.weight", mlp + "up_proj.weight", (shape.feed_forward, hidden)),
        same(block + "ffn_down.weight", mlp + "down_proj.weight", (hidden, shape.feed_forward)),
    ]
