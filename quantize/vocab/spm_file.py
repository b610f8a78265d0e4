"""tokenizer.model, the file of SentencePiece: its pieces, and how it handles spaces.

The file is a protocol buffer (sentencepiece_model.proto): field 1 repeats the pieces (1 text, 2 score, 3 type), field 3
is the normalizer (2 compiled table of replacements, 3 add_dummy_prefix, 4 remove_extra_whitespaces). The wire format is
read here, with every length checked. Knows nothing about what a model family adds to the vocabulary.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantize.errors import VocabularyError
from quantize.vocab.normalizers import from_sentencepiece

MAX_BYTES = 100_000_000
Value = int | bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece: its text, its score, and its type, numbered as in `TokenType`."""

    text: bytes
    score: float
    type: int


@dataclass(frozen=True, slots=True)
class SentencePieceModel:
    """The pieces by id. add_dummy_prefix: a space is put before a text; normalizer: as in `Vocabulary`."""

    pieces: tuple[Piece, ...]
    add_dummy_prefix: bool
    normalizer: str | None


def read_model(path: Path) -> SentencePieceModel:
    """Read a tokenizer.model. Raises VocabularyError where it is missing, truncated or something else."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise VocabularyError(f"{path} has {path.stat().st_size} bytes, expected at most {MAX_BYTES}")
        data = path.read_bytes()
    except OSError as problem:
        raise VocabularyError(f"cannot read {path}: {problem.strerror or problem}") from problem
    try:
        pieces, prefix, charsmap, collapses = [], True, b"", True
        for number, value in _fields(data):
            if number == 1 and isinstance(value, bytes):
                pieces.append(_piece(value))
            elif number == 3 and isinstance(value, bytes):
                normalizer = dict(_fields(value))
                prefix = bool(normalizer.get(3, 1))
                charsmap, collapses = _bytes(normalizer.get(2, b"")), bool(normalizer.get(4, 1))
        if not pieces:
            raise ValueError("it holds no pieces")
    except (ValueError, struct.error) as problem:
        raise VocabularyError(f"{path} is not a SentencePiece model: {problem}") from problem
    return SentencePieceModel(tuple(pieces), prefix, from_sentencepiece(charsmap, collapses))


def _piece(data: bytes) -> Piece:
    fields = dict(_fields(data))
    score = _bytes(fields.get(2, bytes(4)))
    kind = fields.get(3, 1)
    if not isinstance(kind, int) or not 1 <= kind <= 6:
        raise ValueError(f"a piece has the unknown type {kind!r}")
    return Piece(_bytes(fields.get(1, b"")), struct.unpack("<f", score)[0], kind)


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a field holds a number, expected text")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """The fields of one protocol buffer message: field number, and value as an integer or raw bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if key & 7 == 2:
            length, at = _varint(data, at)
        elif key & 7 in (1, 5):
            length = 8 if key & 7 == 1 else 4
        else:
            raise ValueError(f"a field has the unknown kind {key & 7}")
        if at + length > len(data):
            raise ValueError("it ends within a field")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it ends within a number")
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise ValueError("a number is too long")
