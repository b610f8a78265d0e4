"""The chatglm family: ChatGLM2 and 3. q, k and v stay fused, as do gate and up; only names change.

Half of each head is rotated. Fields have names of their own.
Knows nothing about files or vocabularies.
"""

from __future__ import annotations

from quantize.architectures.blueprint import MAX_LAYERS, MAX_VOCABULARY, MAX_WIDTH, Blueprint, Field, Target, same
from quantize.config import Config
from quantize.errors import ConfigError

CLASSES = ("ChatGLMModel", "ChatGLMForConditionalGeneration")
MODEL_TYPES = ("chatglm",)
ROPE_BASE = 10000.0


def blueprint(config: Config) -> Blueprint:
    """The GGUF of a chatglm configuration. Raises ConfigError for a missing or contradictory field."""
    _refuse_variants(config)
    hidden, layers = config.integer("hidden_size", at_most=MAX_WIDTH), config.integer("num_layers")
    heads, head_dim = config.integer("num_attention_heads"), config.integer("kv_channels")
    groups = config.integer("multi_query_group_num", default=heads) if _grouped(config) else heads
    feed_forward = config.integer("ffn_hidden_size", at_most=MAX_WIDTH)
    vocabulary = config.integer("padded_vocab_size", at_most=MAX_VOCABULARY)
    if layers > MAX_LAYERS or heads * head_dim != hidden or heads % groups or head_dim % 4:
        raise ConfigError(
            f"{config.origin}: {layers} layers, {heads} heads of {head_dim}, {groups} groups and hidden_size "
            f"{hidden} do not belong to one chatglm model"
        )
    values: tuple[tuple[str, str, int | float], ...] = (
        ("block_count", "uint32", layers),
        ("context_length", "uint32", config.integer("seq_length")),
        ("embedding_length", "uint32", hidden),
        ("feed_forward_length", "uint32", feed_forward),
        ("attention.head_count", "uint32", heads),
        ("attention.head_count_kv", "uint32", groups),
        ("attention.layer_norm_rms_epsilon", "float32", config.number("layernorm_epsilon")),
        ("vocab_size", "uint32", vocabulary),
        ("rope.dimension_count", "uint32", head_dim // 2),
        ("rope.freq_base", "float32", ROPE_BASE * config.number("rope_ratio", default=1.0)),
    )
    qkv, bias = (heads + 2 * groups) * head_dim, config.flag("add_qkv_bias", default=False)
    blocks = [target for i in range(layers) for target in _block(i, hidden, qkv, feed_forward, bias)]
    return Blueprint(
        "chatglm",
        tuple(Field(f"chatglm.{key}", kind, value) for key, kind, value in values),
        _tensors(blocks, vocabulary, hidden),
        vocabulary,
        ignored=("*.rotary_pos_emb.inv_freq",),
    )


def _tensors(blocks: list[Target], vocabulary: int, hidden: int) -> tuple[Target, ...]:
    """All tensors: the blocks between the embedding and the head."""
    return (
        same("token_embd.weight", "transformer.embedding.word_embeddings.weight", (vocabulary, hidden)),
        *blocks,
        same("output_norm.weight", "transformer.encoder.final_layernorm.weight", (hidden,)),
        same("output.weight", "transformer.output_layer.weight", (vocabulary, hidden)),
    )


def _grouped(config: Config) -> bool:
    return config.flag("multi_query_attention", default=False)


def _refuse_variants(config: Config) -> None:
    """Raise ConfigError for a variant that llama.cpp's chatglm graph does not compute: it would give wrong results."""
    for name, expected in (
        ("rmsnorm", True),
        ("post_layer_norm", True),
        ("add_bias_linear", False),
        ("apply_residual_connection_post_layernorm", False),
        ("tie_word_embeddings", False),
    ):
        if config.flag(name, default=expected) is not expected:
            raise ConfigError(f"{config.origin}: chatglm with {name!r} {not expected} is not supported")


def _block(i: int, hidden: int, qkv: int, feed_forward: int, bias: bool) -> list[Target]:
    block, layer = f"blk.{i}.", f"transformer.encoder.layers.{i}."
    fused = layer + "self_attention.query_key_value."
    targets = [
        same(block + "attn_norm.weight", layer + "input_layernorm.weight", (hidden,)),
        same(block + "attn_qkv.weight", fused + "weight", (qkv, hidden)),
        same(block + "attn_output.weight", layer + "self_attention.dense.weight", (hidden, hidden)),
        same(block + "ffn_norm.weight", layer + "post_attention_layernorm.weight", (hidden,)),
        same(block + "ffn_up.weight", layer + "mlp.dense_h_to_4h.weight", (2 * feed_forward, hidden)),
        same(block + "ffn_down.weight", layer + "mlp.dense_4h_to_h.weight", (hidden, feed_forward)),
    ]
    if bias:
        targets.insert(2, same(block + "attn_qkv.bias", fused + "bias", (qkv,)))
    return targets
