"""Text to tokens as a judge's own tokenizer gives them, except that no text ever becomes a control token.

Knows: the vocabulary of a loaded GGUF, its normalizer, the texts that must not become a token.
Does not know: weights, chat formats, where a text comes from.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache

from edge_judge.engine import markers
from edge_judge.engine.llama import LoadedModel
from edge_judge.engine.normalizer import Normalizer
from edge_judge.errors import ModelError
from edge_judge.inference import Tokens

TAIL = 64  # characters of a text that are looked at to continue it: tokens merge across far fewer


class Tokenizer:
    """The tokenizer of a loaded GGUF. template: the chat template's own words, whose markers no text may spell.

    first_space_only: SentencePiece's space stands at the beginning of a prompt only, not after each control token.
    """

    def __init__(
        self, loaded: LoadedModel, normalizer: Normalizer, template: str, name: str, *, first_space_only: bool = False
    ) -> None:
        self._loaded, self._normalizer, self.name = loaded, normalizer, name
        self._first_space_only = first_space_only
        self.control = frozenset(loaded.control)
        self.markers = frozenset(markers.markers(map(loaded.symbol, loaded.user_defined), template))
        self.continuation = lru_cache(maxsize=4096)(self._continuation)

    def ordinary(self, text: str, *, begins: bool = False) -> Tokens:
        """Tokens of a text after a control token, or at the beginning of a prompt. None of them is a control token."""
        text, spaced = self._normalized(text), begins or not self._first_space_only
        tokens = self._in_parts(text, self._starts, spaced)
        if stray := self.control.intersection(tokens):
            # llama.cpp's SentencePiece merges text into any token whose text fits, also into a control token.
            symbols = [*self.markers, *filter(None, map(self._loaded.symbol, stray))]
            tokens = self._in_parts(text, markers.beginnings(symbols), spaced)
        return tokens

    def inside(self, text: str) -> Tokens:
        """Tokens of a text that follows other text: SentencePiece must not put a space before it."""
        return sum(map(self._inside, markers.split_at(self._starts, self._normalized(text))), ())

    def _continuation(self, end: str, text: str) -> Tokens:
        """Tokens of a text after a prompt. end: the last ordinary text of the prompt, empty after a control token.

        If the tokenizer would merge across the end, which cannot be undone once the prompt is evaluated, these are the
        tokens of the text inside another.
        """
        whole, begun = self.ordinary(end + text), self.ordinary(end)
        return whole[len(begun) :] if whole[: len(begun)] == begun else self.inside(text)

    def single(self, text: bytes) -> int | None:
        """The token that has these bytes inside other text; None if there is none."""
        try:
            tokens = self._inside(text.decode())
        except UnicodeDecodeError:  # a part of a character
            return None
        return tokens[0] if len(tokens) == 1 and self.piece(tokens[0]) == text else None

    def piece(self, token: int) -> bytes:
        """The bytes of a token; none for a control token."""
        return self._loaded.piece(token)

    def whole(self, text: str, *, control: bool = False) -> Tokens:
        """Tokens of a text as llama.cpp alone gives them. control: whether control tokens are recognized."""
        tokens = self._loaded.tokenize(text, control=control)
        if tokens is None:
            raise ModelError(f"{self.name}: a text of {len(text.encode())} bytes could not be tokenized")
        return tokens

    def _normalized(self, text: str) -> str:
        return self._normalizer(text.encode(errors="replace").decode())  # half a surrogate pair has no UTF-8

    def _in_parts(self, text: str, starts: re.Pattern[str] | None, spaced: bool) -> Tokens:
        first, *more = markers.split_at(starts, text)
        return sum(map(self._inside, more), self.whole(first) if spaced else self._inside(first))

    def _inside(self, text: str) -> Tokens:
        if not self._loaded.sentencepiece:
            return self.whole(text)
        lead, whole = self.whole("\n"), self.whole("\n" + text)
        return whole[len(lead) :] if whole[: len(lead)] == lead else self.whole(text)

    @cached_property
    def _starts(self) -> re.Pattern[str] | None:
        return markers.beginnings(sorted(self.markers))
