"""SentencePiece vocabularies -> GGUF vocabulary of model llama.

From a tokenizer.model, or from a tokenizer.json that was made from one: that has no scores, so the order of its
merges replaces them. Tokens that a checkpoint adds outside that file get a score below all others, because llama.cpp
merges pieces of ordinary text into any token whose text fits. Knows nothing about special roles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quantize.errors import ConfigError, VocabularyError, short_repr
from quantize.json_file import optional_object
from quantize.vocab import normalizers
from quantize.vocab.bytelevel import looks_special
from quantize.vocab.records import SpecialTokens, TokenType, Vocabulary
from quantize.vocab.spm_file import SentencePieceModel
from quantize.vocab.tokenizer_json import merge_parts, read_tokenizer

SPACE = "\u2581"
BYTE = re.compile("<0x[0-9A-F]{2}>")
CHATGLM_SPECIALS = (
    "[MASK]", "[gMASK]", "[sMASK]", "sop", "eop",
    "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Added:
    """A token that a checkpoint adds to its vocabulary, or puts in place of another."""

    id: int
    text: str
    control: bool


def from_model(
    model: SentencePieceModel,
    added: tuple[Added, ...],
    rows: int,
    origin: str,
    special: SpecialTokens,
    pre: str,
    first_space_only: bool = False,
) -> Vocabulary:
    """The vocabulary of a tokenizer.model, padded to `rows` with unused tokens. first_space_only: as in `Vocabulary`.
    Raises VocabularyError where it has more pieces.
    """
    if len(model.pieces) > rows:
        raise VocabularyError(f"{origin} has {len(model.pieces)} pieces, the model's embedding has {rows} rows")
    tokens: list[bytes] = [piece.text for piece in model.pieces]
    types = [_piece_type(piece.text, piece.type) for piece in model.pieces]
    scores = [piece.score for piece in model.pieces]
    for i, kind in enumerate(types):
        if kind == TokenType.USER_DEFINED:  # llama.cpp matches these before it replaces spaces
            tokens[i] = tokens[i].replace(SPACE.encode(), b" ")
    draft = Vocabulary(
        "llama", pre, tuple(tokens), tuple(types), special, (), tuple(scores),
        model.add_dummy_prefix, model.normalizer, first_space_only,
    )  # fmt: skip
    return _padded(draft, added, rows, origin)


def from_tokenizer_json(
    document: Mapping[str, Any], added: tuple[Added, ...], rows: int, origin: str, special: SpecialTokens
) -> Vocabulary:
    """The vocabulary of a tokenizer.json made from a SentencePiece model: BPE that falls back to bytes.

    Raises VocabularyError where spaces are not handled as SentencePiece does.
    """
    model = document["model"]
    vocab, merges = model.get("vocab"), model.get("merges") or []
    if not isinstance(vocab, dict) or sorted(vocab.values()) != list(range(len(vocab))):
        raise VocabularyError(f"{origin}: the ids of its vocabulary are not 0, 1, 2 ...")
    texts = sorted(vocab, key=lambda text: vocab[text])
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault("".join(merge_parts(merge, origin)), rank)
    unknown = model.get("unk_token")
    types = [_text_type(text, unknown) for text in texts]
    scores = [-float(ranks.get(text, len(merges))) for text in texts]
    tokens = [text.encode() for text in texts]
    scheme, normalizer = _spaces(document, origin)
    draft = Vocabulary(
        "llama", "default", tuple(tokens), tuple(types), special, (), tuple(scores),
        add_space_prefix=scheme != "never", normalizer=normalizer, first_space_only=scheme == "first",
    )  # fmt: skip
    return _padded(draft, added, rows, origin)


def first_space_only(settings: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether a space is put before a text only at its beginning, not after a special token as well: by
    tokenizer.json, and without one by the setting `legacy` of tokenizer_config.json.
    """
    splitter = document.get("pre_tokenizer")
    if isinstance(splitter, dict) and splitter.get("type") == "Metaspace":
        return splitter.get("prepend_scheme") == "first"
    return not document and settings.get("legacy") is False


def added_tokens(folder: Path, rows: int) -> tuple[Added, ...]:
    """The tokens that added_tokens.json, tokenizer_config.json and tokenizer.json add; a later file wins."""
    added: dict[int, Added] = {}
    for text, i in optional_object(folder / "added_tokens.json", ConfigError).items():
        _put(added, i, text, False, rows, folder / "added_tokens.json")
    settings = folder / "tokenizer_config.json"
    decoder = optional_object(settings, ConfigError).get("added_tokens_decoder") or {}
    if not isinstance(decoder, dict):
        raise VocabularyError(f"{settings}: 'added_tokens_decoder' is {short_repr(decoder)}, expected an object")
    for key, entry in decoder.items():
        if not isinstance(entry, dict) or not key.isdecimal() or len(key) > 10:
            raise VocabularyError(f"{settings}: added token {short_repr(key)} is malformed")
        _put(added, int(key), entry.get("content"), bool(entry.get("special")), rows, settings)
    path = folder / "tokenizer.json"
    for entry in read_tokenizer(path).get("added_tokens") or []:
        _put(added, entry["id"], entry["content"], bool(entry.get("special")), rows, path)
    return tuple(token for _, token in sorted(added.items()))


def chatglm_added(pieces: int, rows: int, origin: str) -> tuple[Added, ...]:
    """The nine special tokens that ChatGLM3's tokenizer appends to its pieces, in its order, and the names that
    llama.cpp gives to the first two: no text of a conversation spells them.
    """
    if pieces + len(CHATGLM_SPECIALS) > rows:
        raise VocabularyError(f"{origin} has {pieces} pieces and ChatGLM adds 9, the model's embedding has {rows} rows")
    named = ((1, "<bos>"), (2, "<eos>"), *enumerate(CHATGLM_SPECIALS, pieces))
    return tuple(Added(i, text, True) for i, text in named)


def _padded(draft: Vocabulary, added: tuple[Added, ...], rows: int, origin: str) -> Vocabulary:
    """The vocabulary padded to `rows` tokens, with the added ones in their places."""
    gap = range(len(draft.tokens), rows)
    lowest = min(draft.scores, default=0.0) - 1.0
    tokens = [*draft.tokens, *(f"[PAD{i}]".encode() for i in gap)]
    types = [*draft.types, *(TokenType.UNUSED for _ in gap)]
    scores = [*draft.scores, *(lowest for _ in gap)]
    for token in added:
        same = tokens[token.id] == token.text.encode()
        text = token.text if token.control else token.text.replace(SPACE, " ")
        tokens[token.id] = text.encode()
        if not (same and types[token.id] == TokenType.UNKNOWN):  # the unknown token keeps its type
            types[token.id] = TokenType.CONTROL if token.control else TokenType.USER_DEFINED
        scores[token.id] = lowest
    return replace(draft, tokens=tuple(tokens), types=tuple(types), scores=tuple(scores)).check(rows, origin)


def _piece_type(text: bytes, kind: int) -> int:
    return TokenType.UNUSED if text.startswith(b"[UNUSED") else kind


def _text_type(text: str, unknown: object) -> int:
    if text == unknown:
        return TokenType.UNKNOWN
    return TokenType.BYTE if BYTE.fullmatch(text) else TokenType.NORMAL


def _spaces(document: Mapping[str, Any], origin: str) -> tuple[str, str | None]:
    """How a space is put before a text (always, first, never), by the normalizer or pre-tokenizer that imitates
    SentencePiece, and what else the normalizer does, as in `Vocabulary`.
    """
    steps = normalizers.steps(document.get("normalizer"))
    splitter = document.get("pre_tokenizer")
    if isinstance(splitter, dict) and splitter.get("type") == "Metaspace":
        if splitter.get("replacement", SPACE) == SPACE and not splitter.get("split", True):
            return str(splitter.get("prepend_scheme", "always")), normalizers.from_steps(steps, origin)
    elif splitter is None and steps and steps[-1].get("type") == "Replace":
        *before, last = steps
        prefix = bool(before) and before[-1].get("type") == "Prepend"
        kept = before[:-1] if prefix else before
        if last.get("content") == SPACE and last.get("pattern") == {"String": " "}:
            return "always" if prefix else "never", normalizers.from_steps(kept, origin)
    raise VocabularyError(f"{origin} does not handle spaces as SentencePiece does", "use a ready GGUF")


def _put(added: dict[int, Added], i: object, text: object, special: bool, rows: int, path: Path) -> None:
    if type(i) is not int or i < 0 or not isinstance(text, str):
        raise VocabularyError(f"{path}: added token {short_repr(text)} with id {short_repr(i)} is malformed")
    if i >= rows:
        raise VocabularyError(
            f"{path}: token {short_repr(text)} has id {short_repr(i)}, the model's embedding has only {rows} rows"
        )
    added[i] = Added(i, text, special or looks_special(text))
