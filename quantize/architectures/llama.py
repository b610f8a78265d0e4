"""The llama family: Llama 1 to 3, Mistral, DeepSeek LLM, Nanbeige2, and any other model that declares its classes.

llama.cpp rotates neighbouring rows of q and k for this family, a checkpoint rotates halves: their rows are
reordered. Every other tensor only gets another name.
Knows nothing about files or vocabularies.
"""

from __future__ import annotations

from quantize.architectures.blueprint import (
    Blueprint,
    Shape,
    Target,
    decoder_fields,
    ends,
    interleaved_heads,
    picked,
    same,
)  # fmt: skip
from quantize.architectures.rope import llama3_factors, rope_fields
from quantize.config import Config
from quantize.errors import UnsupportedArchitectureError

CLASSES = ("LlamaForCausalLM", "LLaMAForCausalLM", "MistralForCausalLM", "NanbeigeForCausalLM")
MODEL_TYPES = ("llama", "mistral", "nanbeige")


def blueprint(config: Config) -> Blueprint:
    """The GGUF of a llama-family configuration. Raises ConfigError for a missing or contradictory field."""
    if config.integer("num_loops", default=1) > 1:
        raise UnsupportedArchitectureError(f"{config.origin}: a model that loops over its layers is not plain llama")
    shape = Shape.of(config)
    before, after = ends(shape)
    blocks = [target for i in range(shape.layers) for target in _block(config, shape, i)]
    return Blueprint(
        "llama",
        (*decoder_fields("llama", config, shape), *rope_fields("llama", config)),
        (*llama3_factors(config, shape.head_dim), *before, *blocks, *after),
        shape.vocabulary,
    )


def _block(config: Config, shape: Shape, i: int) -> list[Target]:
    block, layer = f"blk.{i}.", f"model.layers.{i}."
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    attention, mlp = layer + "self_attn.", layer + "mlp."
    q_rows = interleaved_heads(shape.heads, shape.head_dim)
    k_rows = interleaved_heads(shape.kv_heads, shape.head_dim)
    targets = [
        same(block + "attn_norm.weight", layer + "input_layernorm.weight", (shape.hidden,)),
        picked(block + "attn_q.weight", attention + "q_proj.weight", (q, shape.hidden), q_rows),
        picked(block + "attn_k.weight", attention + "k_proj.weight", (kv, shape.hidden), k_rows),
        same(block + "attn_v.weight", attention + "v_proj.weight", (kv, shape.hidden)),
        same(block + "attn_output.weight", attention + "o_proj.weight", (shape.hidden, q)),
        same(block + "ffn_norm.weight", layer + "post_attention_layernorm.weight", (shape.hidden,)),
        same(block + "ffn_gate.weight", mlp + "gate_proj.weight", (shape.feed_forward, shape.hidden)),
        same(block + "ffn_up.weight", mlp + "up_proj.weight", (shape.feed_forward, shape.hidden)),
        same(block + "ffn_down.weight", mlp + "down_proj.weight", (shape.hidden, shape.feed_forward)),
    ]
    if config.flag("attention_bias", default=False):
        targets += [
            picked(block + "attn_q.bias", attention + "q_proj.bias", (q,), q_rows),
            picked(block + "attn_k.bias", attention + "k_proj.bias", (kv,), k_rows),
            same(block + "attn_v.bias", attention + "v_proj.bias", (kv,)),
            same(block + "attn_output.bias", attention + "o_proj.bias", (shape.hidden,)),
        ]
    if config.flag("mlp_bias", default=False):
        targets += [
            same(block + "ffn_gate.bias", mlp + "gate_proj.bias", (shape.feed_forward,)),
            same(block + "ffn_up.bias", mlp + "up_proj.bias", (shape.feed_forward,)),
            same(block + "ffn_down.bias", mlp + "down_proj.bias", (shape.hidden,)),
        ]
    return targets
