"""Which tokens a JSON schema admits next, by Outlines' index over a model's vocabulary.

Knows: the regular expression of a schema, and which tokens may go on a text of it.
Does not know: models, prompts, verdicts, nor what a token is beyond its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_judge.errors import GrammarError


def schema_expression(schema: str) -> str:
    """The regular expression that Outlines makes of a JSON schema, for JSON without spaces and line breaks.

    Raises GrammarError for what is no JSON, no schema, or has no expression in Outlines.
    """
    from outlines.types import JsonSchema
    from outlines.types.dsl import to_regex

    try:
        return to_regex(JsonSchema(schema, whitespace_pattern=""))
    except Exception as error:  # a validator's, a parser's and Outlines' own have no narrower class in common
        reason = (str(error).splitlines() or [""])[0]
        raise GrammarError(f"Outlines makes no expression of the schema: {reason}") from error


# Outlines' index holds a search to its first match, so that after `1` it would not go on to the `10` of `1|10`, nor
# into the second byte of a character after a whole text. An expression that ends in $ has no match but the last one.
# One that can be empty may then not be the whole, for want of a single first state: so a byte stands before it.
_FIRST = b"\x00"
_FRAME = r"\x00(?:{})$"
_NEVER = b"\xff"  # in no UTF-8 text, hence never legal; left out, an id would make the mask too short for the last ones


class Index:
    """Which tokens can go on any text of an expression's language, so that it stays one.

    pieces: the bytes of each token by its id; b"" for one that is no text (a control token), which is never legal.
    end: the token that ends a text, legal where it is a whole one; len(pieces) if the vocabulary has none.
    Raises GrammarError if Outlines does not take the expression, or if the vocabulary leads into a dead end: a text
    that no token goes on and that is not a whole one. So a guide always has a legal token.
    """

    def __init__(self, expression: str, pieces: Sequence[bytes], end: int) -> None:
        import outlines_core  # type: ignore[import-untyped]

        self.size, self.end = len(pieces), end
        self.first = max(self.size, end + 1)  # a token that no vocabulary has, for the byte before the text
        tokens = {_FIRST: [self.first]}
        for token, piece in enumerate(pieces):
            if token != end:
                tokens.setdefault(piece or _NEVER, []).append(token)
        framed = _FRAME.format(expression)
        try:
            self.core = outlines_core.Index(framed, outlines_core.Vocabulary(end, tokens))
        except ValueError as error:
            raise GrammarError(f"Outlines: {str(error).replace(framed, _shortened(expression))}") from error

    def guide(self) -> Guide:
        """A guide at the beginning of a text."""
        return Guide(self)


class Guide:
    """One text under way, held to an index token by token."""

    def __init__(self, index: Index) -> None:
        import outlines_core

        self._size, self._end = index.size, index.end
        self._core = outlines_core.Guide(index.core)
        self._core.advance(index.first, return_tokens=False)
        self._mask = np.zeros(index.first // 32 + 1, np.int32)  # one bit a token, as long as Outlines wants it

    @property
    def finished(self) -> bool:
        """Whether the text so far is a whole one; it may still go on."""
        return bool(self._core.is_finished())

    def allows(self, token: int) -> bool:
        return self.finished if token == self._end else bool(self._core.accepts_tokens([token]))

    def accept(self, token: int) -> None:
        """Go on with a token; the end token adds nothing. Raises GrammarError for one that is not allowed."""
        if not self.allows(token):
            raise GrammarError(f"the grammar does not allow the token {token} here")
        if token != self._end:
            self._core.advance(token, return_tokens=False)

    def allowed(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (vocabulary,), minus infinity where a token is not allowed; a new array."""
        return np.where(self._legal(), logits, np.float32(-np.inf))

    def _legal(self) -> NDArray[np.bool_]:
        """Whether each token is allowed."""
        self._core.write_mask_into(self._mask.ctypes.data, self._mask.size, self._mask.itemsize)
        return np.unpackbits(self._mask.view(np.uint8), count=self._size, bitorder="little").view(np.bool_)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
