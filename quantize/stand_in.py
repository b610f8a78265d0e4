"""A stand-in for a model: a GGUF of its true shape and types with random weights, to measure a machine without it.

A few blocks of random numbers are packed for each ggml type, and every tensor is filled with blocks drawn from them.
The file is as large as the model and runs as fast, and its outputs are finite but meaningless. Knows shapes, types and
vocabularies; knows nothing about checkpoints, or about what is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import numpy.random  # here, before anything is written: compiled modules lose an interrupt while they are imported
from numpy.typing import NDArray
from tokenizers.pre_tokenizers import ByteLevel

from quantize import architectures, container, pack, schemes
from quantize.architectures.blueprint import Blueprint, Field, Target
from quantize.atomic import written_atomically
from quantize.build import write_header
from quantize.config import Config
from quantize.container import Placed
from quantize.disk import check_disk, writing
from quantize.errors import VocabularyError
from quantize.metadata import Provenance, general_fields
from quantize.progress import Counter, ProgressCallback
from quantize.vocab import SpecialTokens, TokenType, Vocabulary

MARK = "edge_judge.stand_in"  # the metadata key that marks such a file
BLOCK = 256  # numbers; a multiple of every ggml type's block size
POOL = 512  # blocks that are packed for each type
PIECE = 4 << 20  # bytes that are written at once
SCALE = 0.02  # as models are initialised: logits of about one
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
_OPEN, _CLOSE = b"<|im_start|>", b"<|im_end|>"


def write(
    config: Config,
    scheme: str,
    out: Path,
    *,
    name: str = "stand-in",
    vocabulary: Path | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Path:
    """Write `out`: the model that a configuration describes, in a scheme, with random weights.

    vocabulary: a GGUF file whose tokenizer is copied; None for single bytes and synthetic tokens. The same arguments
    give the same bytes. Raises ConfigError or SchemeError where there is no such model, VocabularyError where the
    vocabulary is larger than the model's, PackError where the disk has no room; then, and on an interrupt, `out` is
    unchanged.
    """
    blueprint = architectures.blueprint(config)
    planned = _plan(blueprint, scheme)
    rows = blueprint.vocabulary
    tokens = synthetic_vocabulary(rows) if vocabulary is None else _copied_vocabulary(vocabulary, rows)
    general = general_fields(name, blueprint, planned, Provenance())
    keys = (*general, Field(MARK, "bool", True), *blueprint.fields, *tokens)
    with writing(out), written_atomically(out) as temporary:
        hint = "free some space, take a smaller scheme, or write to another disk"
        check_disk(out.parent, schemes.planned_bytes(blueprint, planned), "random weights of this shape need", hint)
        placed = write_header(temporary, blueprint, planned, keys)
        with temporary.open("r+b") as stream:
            _fill(stream, blueprint, placed, _Pools(seed), Counter(placed, progress))
    return out


def _plan(blueprint: Blueprint, scheme: str) -> schemes.Plan:
    """The type of every tensor, planned as with importances where the scheme needs them: random weights have none."""
    planned = schemes.plan(blueprint, scheme)
    return schemes.plan(blueprint, scheme, with_imatrix=True) if planned.needs_imatrix else planned


# ---- weights ----------------------------------------------------------------------------------------------


class _Pools:
    """Packed random numbers for each ggml type, drawn block by block."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._packed: dict[str, NDArray[np.uint8]] = {}

    def pieces(self, kind: str, count: int) -> Iterator[memoryview]:
        """`count` bytes of numbers of a type, in pieces of about PIECE bytes."""
        if kind not in self._packed:
            self._packed[kind] = self._pack(kind)
        pool = self._packed[kind]
        while count:
            drawn = self._random.integers(len(pool), size=-(-min(count, PIECE) // pool.shape[1]))
            piece = pool[drawn].reshape(-1)[:count]
            yield piece.data
            count -= len(piece)

    def _pack(self, kind: str) -> NDArray[np.uint8]:
        drawn = self._random.standard_normal((POOL, BLOCK), np.float32) * np.float32(SCALE)
        uniform = np.ones(BLOCK, np.float32)  # importances: some types cannot be packed without
        return pack.quantize_rows(drawn, kind, uniform).reshape(POOL, -1)


def _fill(stream: IO[bytes], blueprint: Blueprint, placed: tuple[Placed, ...], pools: _Pools, counter: Counter) -> None:
    for target, place in zip(blueprint.targets, placed, strict=True):
        stream.seek(place.offset)
        for piece in _values(target, place, pools):
            stream.write(piece)
        counter.written(target)


def _values(target: Target, place: Placed, pools: _Pools) -> Iterator[memoryview]:
    """The bytes of one tensor. A norm is all ones, so that activations keep their scale."""
    fixed = np.ones(target.shape, np.float32) if target.name.endswith("_norm.weight") else target.constant
    if fixed is None:
        yield from pools.pieces(place.ggml_type, place.bytes)
    else:
        yield pack.quantize_rows(fixed.reshape(1, -1), place.ggml_type, name=target.name).reshape(-1).data


# ---- vocabulary -------------------------------------------------------------------------------------------


def synthetic_vocabulary(rows: int) -> tuple[Field, ...]:
    """The fields of a vocabulary of `rows` tokens: every byte, ChatML's two, and words no text contains."""
    real = [*(symbol.encode() for symbol in sorted(ByteLevel.alphabet())), _OPEN, _CLOSE]
    if rows < len(real):
        raise VocabularyError(f"a vocabulary of {rows} tokens cannot hold every byte, expected at least {len(real)}")
    types = [int(TokenType.NORMAL)] * (len(real) - 2) + [int(TokenType.CONTROL)] * 2
    words = [f"word{i}".encode() for i in range(rows - len(real))]
    vocabulary = Vocabulary(
        model="gpt2",
        pre="gpt-2",
        tokens=(*real, *words),
        types=(*types, *[int(TokenType.NORMAL)] * len(words)),
        special=SpecialTokens((("eos", real.index(_CLOSE)),), False, None, CHATML),
        merges=("w o",),  # llama.cpp refuses a byte-level vocabulary without merges
    )
    return vocabulary.check(rows, "a synthetic vocabulary").fields()


def _copied_vocabulary(path: Path, rows: int) -> tuple[Field, ...]:
    """The tokenizer of a GGUF file, padded with unused tokens."""
    fields = {field.key: field for field in container.read_fields(path, "tokenizer.") if field.value != ()}
    tokens = fields.get("tokenizer.ggml.tokens")
    if tokens is None or not isinstance(tokens.value, tuple):
        raise VocabularyError(f"{path} has no vocabulary", "expected a GGUF file with tokenizer.ggml.tokens")
    for key, kind in (("tokens", "string"), ("token_type", "int32"), ("scores", "float32")):
        if (field := fields.get(f"tokenizer.ggml.{key}")) is not None and field.kind != kind:
            raise VocabularyError(f"{path}: tokenizer.ggml.{key} is of type {field.kind}, expected {kind}")
    count = len(tokens.value)
    if count > rows:
        raise VocabularyError(f"{path} has {count} tokens, a model of this shape has only {rows}")
    padding: dict[str, tuple[bytes | int | float, ...]] = {
        "tokens": tuple(f"[PAD{i}]".encode() for i in range(count, rows)),
        "token_type": (int(TokenType.UNUSED),) * (rows - count),
        "scores": (-1e9,) * (rows - count),
    }
    for key, values in padding.items():
        if (field := fields.get(f"tokenizer.ggml.{key}")) is not None and isinstance(field.value, tuple):
            fields[field.key] = replace(field, value=(*field.value, *values))
    fields.setdefault("tokenizer.chat_template", Field("tokenizer.chat_template", "string", CHATML))
    return tuple(fields.values())
