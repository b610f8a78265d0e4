"""Which tokens a GBNF grammar admits next, asked of llama.cpp's own grammar engine.

Knows: one text under way. Does not know: what the text is for, nor how the grammar's file is laid out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_judge.engine.llama import GrammarSampler, Logits, candidate_array
from edge_judge.engine.model import Model


@lru_cache(maxsize=1)
def _candidates(vocabulary: int) -> NDArray[np.void]:
    """Room for all tokens, shared by all guides: it is filled anew at each use, and takes megabytes."""
    return candidate_array(vocabulary)


class Guide(Protocol):
    """Holds one text to a language, token by token."""

    def allows(self, token: int) -> bool: ...

    def accept(self, token: int) -> None:
        """Go on with a token that is allowed."""

    def allowed(self, logits: Logits) -> Logits:
        """The logits (vocabulary,), minus infinity where a token is not allowed; a new array."""


class GrammarGuide:
    """A text held to a rule of a GBNF grammar by llama.cpp. Raises GrammarError if llama.cpp does not take it."""

    def __init__(self, model: Model, grammar: str, start: str) -> None:
        self._sampler = GrammarSampler(model.loaded, grammar, start)
        self._candidates = _candidates(model.vocabulary)

    def allows(self, token: int) -> bool:
        return self._sampler.allows(token)

    def accept(self, token: int) -> None:
        self._sampler.accept(token)

    def allowed(self, logits: Logits) -> Logits:
        self._candidates["id"] = np.arange(len(logits))
        self._candidates["logit"] = logits
        self._sampler.mask(self._candidates)
        masked = np.full(len(logits), -np.inf, np.float32)
        masked[self._candidates["id"]] = self._candidates["logit"]
        return masked
