"""Which tokens a JSON schema allows next, by Outlines' index over a model's vocabulary.

Knows: the regular expression of a schema, and which tokens can continue a text of it.
Does not know: models, prompts, verdicts, or anything of a token but its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import outlines_core  # type: ignore[import-untyped]
from numpy.typing import NDArray

from edge_judge.errors import GrammarError


def schema_expression(schema: str) -> str:
    """The regular expression that Outlines makes of a JSON schema, for JSON without spaces and line breaks.

    Raises GrammarError for text that is not JSON, not a schema, or that Outlines cannot turn into an expression.
    """
    # Imported here: it takes 0.2 s, and only grammars with a schema need it.
    from outlines.types import JsonSchema
    from outlines.types.dsl import to_regex

    try:
        return to_regex(JsonSchema(schema, whitespace_pattern=""))
    except Exception as error:  # the validator, the parser and Outlines share no narrower class
        reason = (str(error).splitlines() or [""])[0]
        raise GrammarError(f"Outlines cannot turn the schema into a regular expression: {reason}") from error


# Outlines' index stops at the first match: after `1` it would not continue to the `10` of `1|10`, or into the second
# byte of a character after a complete text. An expression that ends in $ matches only at the end of the text. Such an
# expression must not be the whole one if it can be empty, for lack of a single first state: so a byte precedes it.
_FIRST = b"\x00"
_FRAME = r"\x00(?:{})$"
_NEVER = b"\xff"  # in no UTF-8 text, so never legal; a token left out would make the mask too short for the last ids


class Index:
    """Which tokens can continue any text of an expression's language.

    pieces: the bytes of each token by its id; b"" for a control token, which is never legal.
    end: the token that ends a text, legal after a complete one; len(pieces) if the vocabulary has none.
    Raises GrammarError if Outlines rejects the expression, or if the vocabulary has a dead end: an incomplete text
    that no token continues. So a guide always has a legal token.
    """

    def __init__(self, expression: str, pieces: Sequence[bytes], end: int) -> None:
        self.size, self.end = len(pieces), end
        self.first = max(self.size, end + 1)  # an id outside the vocabulary, for the byte before the text
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
    """Keeps one text inside the language of an index, token by token."""

    def __init__(self, index: Index) -> None:
        self._size, self._end = index.size, index.end
        self._core = outlines_core.Guide(index.core)
        self._core.advance(index.first, return_tokens=False)
        self._mask = np.zeros(index.first // 32 + 1, np.int32)  # one bit a token, of the length that Outlines expects

    @property
    def finished(self) -> bool:
        """Whether the text is complete; it may still continue."""
        return bool(self._core.is_finished())

    def allows(self, token: int) -> bool:
        return self.finished if token == self._end else bool(self._core.accepts_tokens([token]))

    def accept(self, token: int) -> None:
        """Append a token; the end token adds nothing. Raises GrammarError for a token that is not allowed."""
        if not self.allows(token):
            raise GrammarError(f"the grammar does not allow the token {token} here")
        if token != self._end:
            self._core.advance(token, return_tokens=False)

    def allowed(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (vocabulary,), minus infinity where a token is not allowed; a new array."""
        self._core.write_mask_into(self._mask.ctypes.data, self._mask.size, self._mask.itemsize)
        legal = np.unpackbits(self._mask.view(np.uint8), count=self._size, bitorder="little").view(np.bool_)
        return np.where(legal, logits, np.float32(-np.inf))


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
