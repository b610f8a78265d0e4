"""What a model family says about a checkpoint: GGUF hyperparameters, and where each GGUF tensor comes from.

Also what families share: row orders, and the fields of an ordinary decoder.
Knows nothing about files, dtypes or quantization.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from quantize.config import Config
from quantize.errors import ConfigError

MAX_LAYERS = 512
MAX_WIDTH = 1 << 20
MAX_VOCABULARY = 1 << 24
MAX_PARAMETERS = 1 << 42  # 4 trillion, eight terabytes of bfloat16


@dataclass(frozen=True, slots=True)
class Field:
    """One GGUF key and its value. kind: a GGUF value type in lower case (uint32, float32, bool, string ...)."""

    key: str
    kind: str
    value: int | float | bool | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...] | tuple[bytes, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One tensor of the GGUF. Its row i is row rows[i] of the checkpoint's tensor `source`, or row i without `rows`.

    shape: (rows, width) or (length,). source_shape: the shape that the checkpoint's tensor must have. constant: the
    values (float32) of a target without a source, which follow from the configuration.
    """

    name: str
    shape: tuple[int, ...]
    source: str
    source_shape: tuple[int, ...]
    rows: NDArray[np.int64] | None = None
    constant: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Blueprint:
    """A model: GGUF architecture, hyperparameters, tensors in file order. vocabulary: rows of its embedding.

    ignored: name patterns of checkpoint tensors that the GGUF does not need.
    """

    architecture: str
    fields: tuple[Field, ...]
    targets: tuple[Target, ...]
    vocabulary: int
    ignored: tuple[str, ...] = field(default=("*.rotary_emb.inv_freq", "*.attention.masked_bias", "*.attention.bias"))

    @property
    def parameters(self) -> int:
        """The number of values in all tensors."""
        return sum(math.prod(target.shape) for target in self.targets)


def same(name: str, source: str, shape: tuple[int, ...]) -> Target:
    """A tensor that only gets another name."""
    return Target(name, shape, source, shape)


def picked(name: str, source: str, source_shape: tuple[int, ...], rows: NDArray[np.int64]) -> Target:
    """A tensor of some rows of a checkpoint's tensor, in the order of `rows`."""
    return Target(name, (len(rows), *source_shape[1:]), source, source_shape, rows)


@lru_cache(maxsize=4)  # a model has the same order in every block
def interleaved_heads(heads: int, head_dim: int) -> NDArray[np.int64]:
    """The order of q or k rows for llama.cpp's interleaved rotary embedding: shape (heads * head_dim,).

    A checkpoint rotates row i of a head with row i + head_dim / 2 (RoFormer's pairs, split in halves as in GPT-NeoX).
    llama.cpp's llama graph rotates neighbours, so the two halves of each head are interleaved.
    """
    halves = np.arange(heads * head_dim, dtype=np.int64).reshape(heads, 2, head_dim // 2)
    order = halves.swapaxes(1, 2).reshape(-1)
    order.setflags(write=False)
    return order


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of an ordinary decoder, checked against each other."""

    hidden: int
    feed_forward: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool

    @classmethod
    def of(cls, config: Config) -> Shape:
        """Read the usual fields. Raises ConfigError where one is missing or they contradict each other."""
        hidden = config.integer("hidden_size", at_most=MAX_WIDTH)
        heads = config.integer("num_attention_heads")
        shape = cls(
            hidden=hidden,
            feed_forward=config.integer("intermediate_size", at_most=MAX_WIDTH),
            layers=config.integer("num_hidden_layers"),
            heads=heads,
            kv_heads=config.integer("num_key_value_heads", default=heads),
            head_dim=config.integer("head_dim", default=max(hidden // heads, 1)),
            vocabulary=config.integer("vocab_size", at_most=MAX_VOCABULARY),
            tied=config.flag("tie_word_embeddings", default=False),
        )
        shape.check(config)
        return shape

    def check(self, config: Config) -> None:
        """Raise ConfigError where the sizes cannot belong to one model."""
        if self.heads % self.kv_heads:
            raise ConfigError(
                f"{config.origin}: {self.heads} heads cannot share {self.kv_heads} key-value heads evenly"
            )
        if "head_dim" not in config.fields and self.hidden % self.heads:
            raise ConfigError(f"{config.origin}: hidden_size {self.hidden} is no multiple of {self.heads} heads")
        if self.heads * self.head_dim > MAX_WIDTH:
            raise ConfigError(
                f"{config.origin}: {self.heads} heads of {self.head_dim} dimensions, expected at most {MAX_WIDTH} rows"
            )
        if self.head_dim % 2:
            raise ConfigError(f"{config.origin}: a head of {self.head_dim} dimensions cannot be rotated in pairs")
        if self.layers > MAX_LAYERS:
            raise ConfigError(f"{config.origin}: {self.layers} layers, llama.cpp takes at most {MAX_LAYERS}")


def decoder_fields(architecture: str, config: Config, shape: Shape) -> tuple[Field, ...]:
    """The hyperparameters of every decoder with rotary embedding and RMS norm."""
    key = f"{architecture}.".__add__
    fields = [
        Field(key("block_count"), "uint32", shape.layers),
        Field(key("context_length"), "uint32", config.integer("max_position_embeddings")),
        Field(key("embedding_length"), "uint32", shape.hidden),
        Field(key("feed_forward_length"), "uint32", shape.feed_forward),
        Field(key("attention.head_count"), "uint32", shape.heads),
        Field(key("attention.head_count_kv"), "uint32", shape.kv_heads),
        Field(key("attention.layer_norm_rms_epsilon"), "float32", config.number("rms_norm_eps")),
        Field(key("vocab_size"), "uint32", shape.vocabulary),
        Field(key("rope.dimension_count"), "uint32", shape.head_dim),
    ]
    if "head_dim" in config.fields:
        fields.append(Field(key("attention.key_length"), "uint32", shape.head_dim))
        fields.append(Field(key("attention.value_length"), "uint32", shape.head_dim))
    return tuple(fields)


def ends(shape: Shape, head: str = "lm_head.weight") -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """The tensors before and after the blocks: embedding; final norm, and the head unless it is tied."""
    matrix = (shape.vocabulary, shape.hidden)
    before = (same("token_embd.weight", "model.embed_tokens.weight", matrix),)
    norm = same("output_norm.weight", "model.norm.weight", (shape.hidden,))
    return before, (norm,) if shape.tied else (norm, same("output.weight", head, matrix))
