"""SentencePiece vocabularies -> GGUF vocabulary of model llama.

From a tokenizer.model, or from a tokenizer.json that was made from one: there the scores are gone, and the
order of the merges stands in for them. Tokens that a checkpoint adds outside that file get a score below all
others, because llama.cpp merges pieces of ordinary text into any token whose text fits. Knows nothing about
special roles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quantize.errors import ConfigError, VocabularyError, shown
from quantize.json_file import optional_object
from quantize.vocab.bytelevel import looks_special
from quantize.vocab.records import SpecialTokens, TokenType, Vocabulary
from quantize.vocab.spm_file import SentencePieceModel
from quantize.vocab.tokenizer_json import merge_parts, read_tokenizer

BLANK = "\u2581"
BYTE = re.compile("<0x[0-9A-F]{2}>")
CHATGLM_SPECIALS = (
    "[MASK]", "[gMASK]", "[sMASK]", "sop", "eop",
    "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Added:
    """A token that a checkpoint adds to its vocabulary, or puts in the place of one."""

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
) -> Vocabulary:
    """The vocabulary of a tokenizer.model; ids up to `rows` that nothing uses are marked unused."""
    if len(model.pieces) > rows:
        raise VocabularyError(f"{origin} has {len(model.pieces)} pieces, the model's embedding has {rows} rows")
    tokens: list[bytes] = [piece.text for piece in model.pieces]
    types = [_piece_type(piece.text, piece.type) for piece in model.pieces]
    scores = [piece.score for piece in model.pieces]
    for i, kind in enumerate(types):
        if kind == TokenType.USER_DEFINED:  # llama.cpp looks for these before it marks blanks
            tokens[i] = tokens[i].replace(BLANK.encode(), b" ")
    prefix = model.add_dummy_prefix
    draft = Vocabulary("llama", pre, tuple(tokens), tuple(types), special, (), tuple(scores), prefix, model.normalizer)
    return _filled(draft, added, rows, origin)


def from_tokenizer_json(
    document: Mapping[str, Any], added: tuple[Added, ...], rows: int, origin: str, special: SpecialTokens
) -> Vocabulary:
    """The vocabulary of a tokenizer.json made from a SentencePiece model: BPE that falls back to bytes.

    Raises VocabularyError where blanks are treated in another way than SentencePiece treats them.
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
    prefix = _dummy_prefix(document, origin)
    draft = Vocabulary("llama", "default", tuple(tokens), tuple(types), special, (), tuple(scores), prefix)
    return _filled(draft, added, rows, origin)


def added_tokens(folder: Path, rows: int) -> tuple[Added, ...]:
    """The tokens that added_tokens.json, tokenizer_config.json and tokenizer.json add; the later file wins."""
    found: dict[int, Added] = {}
    for text, i in optional_object(folder / "added_tokens.json", ConfigError).items():
        _note(found, i, text, False, rows, folder / "added_tokens.json")
    settings = folder / "tokenizer_config.json"
    decoder = optional_object(settings, ConfigError).get("added_tokens_decoder") or {}
    if not isinstance(decoder, dict):
        raise VocabularyError(f"{settings}: 'added_tokens_decoder' is {shown(decoder)}, expected an object")
    for key, entry in decoder.items():
        if not isinstance(entry, dict) or not key.isdecimal() or len(key) > 10:
            raise VocabularyError(f"{settings}: added token {shown(key)} is malformed")
        _note(found, int(key), entry.get("content"), bool(entry.get("special")), rows, settings)
    path = folder / "tokenizer.json"
    for entry in read_tokenizer(path).get("added_tokens") or []:
        _note(found, entry["id"], entry["content"], bool(entry.get("special")), rows, path)
    return tuple(found[i] for i in sorted(found))


def chatglm_added(pieces: int, rows: int, origin: str) -> tuple[Added, ...]:
    """The nine special tokens that ChatGLM3's tokenizer puts behind its pieces, in its order."""
    if pieces + len(CHATGLM_SPECIALS) > rows:
        raise VocabularyError(f"{origin} has {pieces} pieces and ChatGLM adds 9, the model's embedding has {rows} rows")
    return tuple(Added(pieces + i, text, True) for i, text in enumerate(CHATGLM_SPECIALS))


def _filled(draft: Vocabulary, added: tuple[Added, ...], rows: int, origin: str) -> Vocabulary:
    """The vocabulary with as many tokens as the model has rows, and the added ones in their places."""
    gap = range(len(draft.tokens), rows)
    lowest = min(draft.scores, default=0.0) - 1.0
    tokens = [*draft.tokens, *(f"[PAD{i}]".encode() for i in gap)]
    types = [*draft.types, *(TokenType.UNUSED for _ in gap)]
    scores = [*draft.scores, *(lowest for _ in gap)]
    for token in added:
        same = tokens[token.id] == token.text.encode()
        text = token.text if token.control else token.text.replace(BLANK, " ")
        tokens[token.id] = text.encode()
        if not (same and types[token.id] == TokenType.UNKNOWN):  # what stands for the unknown keeps that part
            types[token.id] = TokenType.CONTROL if token.control else TokenType.USER_DEFINED
        scores[token.id] = lowest
    return replace(draft, tokens=tuple(tokens), types=tuple(types), scores=tuple(scores)).check(rows, origin)


def _piece_type(text: bytes, kind: int) -> int:
    return TokenType.UNUSED if text.startswith(b"[UNUSED") else kind


def _text_type(text: str, unknown: object) -> int:
    if text == unknown:
        return TokenType.UNKNOWN
    return TokenType.BYTE if BYTE.fullmatch(text) else TokenType.NORMAL


def _dummy_prefix(document: Mapping[str, Any], origin: str) -> bool:
    """Whether a text gets a blank in front, from the normalizer or the pre-tokenizer that imitates SentencePiece."""
    steps = _steps(document.get("normalizer"), "normalizers")
    cutter = document.get("pre_tokenizer")
    kinds = [step.get("type") for step in steps]
    if isinstance(cutter, dict) and cutter.get("type") == "Metaspace" and not steps:
        if cutter.get("replacement", BLANK) == BLANK and not cutter.get("split", True):
            scheme: object = cutter.get("prepend_scheme", "always")
            return scheme != "never"
    elif cutter is None and kinds in (["Prepend", "Replace"], ["Replace"]):
        replaced = steps[-1]
        if replaced.get("content") == BLANK and replaced.get("pattern") == {"String": " "}:
            return len(kinds) == 2
    raise VocabularyError(f"{origin} treats blanks in another way than SentencePiece does", "use a ready GGUF")


def _steps(section: object, inner: str) -> list[Mapping[str, Any]]:
    """The objects of a section: its parts where it is a sequence. Any other value stands for a step of no kind."""
    if not isinstance(section, dict):
        return []
    steps = section.get(inner) or [] if section.get("type") == "Sequence" else [section]
    return [step if isinstance(step, dict) else {} for step in steps] if isinstance(steps, list) else [{}]


def _note(found: dict[int, Added], i: object, text: object, special: bool, rows: int, path: Path) -> None:
    if type(i) is not int or i < 0 or not isinstance(text, str):
        raise VocabularyError(f"{path}: added token {shown(text)} with id {shown(i)} is malformed")
    if i >= rows:
        raise VocabularyError(
            f"{path}: token {shown(text)} has id {shown(i)}, the model's embedding has only {rows} rows"
        )
    found[i] = Added(i, text, special or looks_special(text))
