"""Prompts: a user message in a model's chat format, as tokens.

A prompt is control tokens with ordinary text between them. Only the chat template's own words become control tokens.
The ordinary text between two of them is tokenized as one string, the template's words and the caller's together,
because a tokenizer merges across their border.
Knows: which of the template's words are tokens. Does not know: weights, pairs, what a message says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from edge_judge.engine.chat import ChatFormat
from edge_judge.engine.llama import LoadedModel
from edge_judge.engine.tokenizer import TAIL, Tokenizer
from edge_judge.inference import Tokens

_SPACE = " \t\n\v\f\r"  # what llama.cpp strips beside a control token


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a chat format puts around a content.

    head, tail: tokens up to the control token before the content, and from the one after it; before, after: the
    ordinary text between these and the content; end: the ordinary text after the last control token; begins: whether
    the prompt begins with `before`.
    """

    head: Tokens
    before: str
    after: str
    tail: Tokens
    end: str
    begins: bool
    strips_left: bool
    strips_right: bool


class ChatPrompts:
    """Makes the prompts of a loaded GGUF in a chat format. adds_bos: whether a prompt begins with the token `bos` even
    if the format does not write it.
    """

    def __init__(self, loaded: LoadedModel, tokenizer: Tokenizer, chat: ChatFormat, *, adds_bos: bool) -> None:
        self._loaded, self._tokenizer, self._chat, self._adds_bos = loaded, tokenizer, chat, adds_bos

    def prompt(self, content: str) -> Tokens:
        """A user message. Nothing in `content` can become a control token."""
        frame = self._frame
        return frame.head + self._tokenizer.ordinary(self._framed(content), begins=frame.begins) + frame.tail

    def end(self, content: str) -> str:
        """The end of a prompt's ordinary text; empty if the prompt ends with a control token."""
        return (self._frame.end if self._frame.tail else self._framed(content))[-TAIL:]

    @property
    def lead(self) -> str:
        """The white space that a judge writes before its first word."""
        return self._chat.lead

    def _framed(self, content: str) -> str:
        """The content with the ordinary text around it."""
        text = self._frame.before + self._chat.trimmed(content) + self._frame.after
        text = text.lstrip(_SPACE) if self._frame.strips_left else text
        return text.rstrip(_SPACE) if self._frame.strips_right else text

    @cached_property
    def _frame(self) -> _Frame:
        left, right = self._parts(self._chat.before), self._parts(self._chat.after)
        before = left.pop() if left and isinstance(left[-1], str) else ""
        after = right.pop(0) if right and isinstance(right[0], str) else ""
        end = right[-1] if right and isinstance(right[-1], str) else ""
        head, tail = self._tokens(left), self._tokens(right)
        if self._adds_bos and head[:1] != (self._loaded.bos,):
            head = (self._loaded.bos, *head)
        strips_left = bool(left) and left[-1] in self._loaded.strips_after
        strips_right = bool(right) and right[0] in self._loaded.strips_before
        return _Frame(head, str(before), str(after), tail, end, not left, strips_left, strips_right)

    def _parts(self, text: str) -> list[str | int]:
        """A text of the template as control tokens and the ordinary text between them."""
        parts: list[str | int] = [text]
        for symbol, token in self._template_tokens:  # the longest first, as llama.cpp does
            parts = [piece for part in parts for piece in _with_token(part, symbol, token)]
        return [part for part in self._stripped(parts) if part != ""]

    def _stripped(self, parts: Sequence[str | int]) -> Iterator[str | int]:
        """The parts without the white space that the control tokens beside it take away."""
        after, before = set(self._loaded.strips_after), set(self._loaded.strips_before)
        for part, left, right in zip(parts, [None, *parts], [*parts[1:], None], strict=False):
            if isinstance(part, str):
                part = part.lstrip(_SPACE) if left in after else part
                part = part.rstrip(_SPACE) if right in before else part
            yield part

    @cached_property
    def _template_tokens(self) -> list[tuple[str, int]]:
        """The control tokens and markers that the template names, with their texts."""
        loaded, words = self._loaded, self._chat.before + self._chat.after
        symbols = {loaded.symbol(token): token for token in self._tokenizer.control}
        markers = {loaded.symbol(token): token for token in loaded.user_defined}
        symbols |= {symbol: token for symbol, token in markers.items() if symbol in self._tokenizer.markers}
        named = [(symbol, token) for symbol, token in symbols.items() if symbol and symbol in words]
        return sorted(named, key=lambda one: len(one[0].encode()), reverse=True)

    def _tokens(self, parts: Iterable[str | int]) -> Tokens:
        return sum((self._tokenizer.ordinary(part) if isinstance(part, str) else (part,) for part in parts), ())


def _with_token(part: str | int, symbol: str, token: int) -> Sequence[str | int]:
    """A part with a token in place of each occurrence of its text."""
    if not isinstance(part, str) or symbol not in part:
        return [part]
    pieces: list[str | int] = []
    for text in part.split(symbol):
        pieces += [text, token]
    return [piece for piece in pieces[:-1] if piece != ""]
