"""What each family of models calls its matrices in a checkpoint, and in which it differs from the others.

Knows: names of the families that quantize/architectures also knows. Does not know: arithmetic, files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Family:
    """Names of modules; those of a layer begin with `layer`, which has the layer's number in it.

    qkv: the projections to queries, keys and values, or the one that is all three; grouped: its rows are, for every
    key-value head, that head's queries, key and value, else all queries, all keys, all values. gate_up: the two
    projections of the feed-forward layer, or the one that is both. head_norms: norms of each head of queries and keys.
    neighbours: neighbouring numbers of a head are rotated together, in its first part only; else its two halves.
    """

    embedding: str = "model.embed_tokens"
    layer: str = "model.layers.{}."
    attention_norm: str = "input_layernorm"
    qkv: tuple[str, ...] = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    grouped: bool = False
    head_norms: tuple[str, ...] = ()
    mixed: str = "self_attn.o_proj"
    feed_forward_norm: str = "post_attention_layernorm"
    gate_up: tuple[str, ...] = ("mlp.gate_proj", "mlp.up_proj")
    down: str = "mlp.down_proj"
    norm: str = "model.norm"
    head: str = "lm_head"
    neighbours: bool = False

    @property
    def matrices(self) -> tuple[str, ...]:
        """The matrices of a layer, by their names in it: what an adapter is added to."""
        return (*self.qkv, self.mixed, *self.gate_up, self.down)


LLAMA = Family()
FAMILIES = {
    "llama": LLAMA,
    "qwen2": LLAMA,
    "qwen3": replace(LLAMA, head_norms=("self_attn.q_norm", "self_attn.k_norm")),
    "internlm2": Family(
        embedding="model.tok_embeddings",
        attention_norm="attention_norm",
        qkv=("attention.wqkv",),
        grouped=True,
        mixed="attention.wo",
        feed_forward_norm="ffn_norm",
        gate_up=("feed_forward.w1", "feed_forward.w3"),
        down="feed_forward.w2",
        head="output",
    ),
    "chatglm": Family(
        embedding="transformer.embedding.word_embeddings",
        layer="transformer.encoder.layers.{}.",
        qkv=("self_attention.query_key_value",),
        mixed="self_attention.dense",
        gate_up=("mlp.dense_h_to_4h",),
        down="mlp.dense_4h_to_h",
        norm="transformer.encoder.final_layernorm",
        head="transformer.output_layer",
        neighbours=True,
    ),
}  # by llama.cpp's name of the architecture
