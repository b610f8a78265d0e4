"""A vocabulary in llama.cpp's terms, and the GGUF fields that express it.

Knows nothing about tokenizer files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from quantize.architectures.blueprint import Field
from quantize.errors import VocabularyError


class TokenType(IntEnum):
    """The types of a token in a GGUF (gguf specification, tokenizer.ggml.token_type)."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids by role (bos, eos, eot, eom, unk, sep, pad, cls, mask), which of them are put around a text, and the chat
    template.
    """

    ids: tuple[tuple[str, int], ...]
    add_bos: bool | None
    add_eos: bool | None
    chat_template: str | None

    def with_role(self, role: str, i: int) -> SpecialTokens:
        """A copy in which the role has that id."""
        return replace(self, ids=tuple((dict(self.ids) | {role: i}).items()))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every token by id. model: gpt2 (byte-level BPE, with merges) or llama (SentencePiece, with scores).

    normalizer: what the original tokenizer does to a text first and llama.cpp does not, as normalizers.py records it;
    None for nothing. first_space_only: SentencePiece's space stands at the beginning of a prompt only, where llama.cpp
    also puts one after each control token.
    """

    model: str
    pre: str
    tokens: tuple[bytes, ...]
    types: tuple[int, ...]
    special: SpecialTokens
    merges: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    add_space_prefix: bool | None = None
    normalizer: str | None = None
    first_space_only: bool = False

    def check(self, rows: int, origin: str) -> Vocabulary:
        """Raise VocabularyError where llama.cpp would refuse or abort: the number of tokens is not `rows`, two tokens
        have the same text, or a special id is no token.
        """
        if len(self.tokens) != rows:
            raise VocabularyError(f"{origin} gives {len(self.tokens)} tokens, the model's embedding has {rows} rows")
        ids: dict[bytes, int] = {}
        for i, token in enumerate(self.tokens):
            if token in ids:
                raise VocabularyError(f"{origin}: tokens {ids[token]} and {i} have the same text {token!r}")
            ids[token] = i
        for role, i in self.special.ids:
            if not 0 <= i < rows:
                raise VocabularyError(f"{origin}: the {role} token has id {i}, expected one from 0 to {rows - 1}")
        return self

    def fields(self) -> tuple[Field, ...]:
        """The GGUF fields, in file order."""
        fields = [
            Field("tokenizer.ggml.model", "string", self.model),
            Field("tokenizer.ggml.pre", "string", self.pre),
            Field("tokenizer.ggml.tokens", "string", self.tokens),
            Field("tokenizer.ggml.token_type", "int32", self.types),
        ]
        if self.merges:
            fields.append(Field("tokenizer.ggml.merges", "string", self.merges))
        if self.scores:
            fields.append(Field("tokenizer.ggml.scores", "float32", self.scores))
        fields += [Field(f"tokenizer.ggml.{_ROLE_KEYS[role]}_token_id", "uint32", i) for role, i in self.special.ids]
        for key, flag in (
            ("add_bos_token", self.special.add_bos),
            ("add_eos_token", self.special.add_eos),
            ("add_space_prefix", self.add_space_prefix),
        ):
            if flag is not None:
                fields.append(Field(f"tokenizer.ggml.{key}", "bool", flag))
        if self.special.chat_template:
            fields.append(Field("tokenizer.chat_template", "string", self.special.chat_template))
        if self.normalizer:
            fields.append(Field("edge_judge.tokenizer.normalizer", "string", self.normalizer))
        if self.first_space_only:
            fields.append(Field("edge_judge.tokenizer.first_space_only", "bool", True))
        return tuple(fields)


# two roles have longer names in a GGUF than in tokenizer files
_ROLE_KEYS = {role: role for role in ("bos", "eos", "eot", "eom", "cls", "mask")} | {
    "unk": "unknown", "sep": "seperator", "pad": "padding",
}  # fmt: skip
