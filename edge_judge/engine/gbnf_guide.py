"""Which tokens a GBNF grammar allows next, according to llama.cpp's own grammar engine.

Knows: one text and its grammar. Does not know: what the text is for, or how a grammar file is laid out.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edge_judge.engine.llama import GrammarSampler, Logits, candidate_array
from edge_judge.engine.model import Model


class Guide(Protocol):
    """Keeps one text inside a language, token by token."""

    def allows(self, token: int) -> bool: ...

    def accept(self, token: int) -> None:
        """Append a token that is allowed."""

    def allowed(self, logits: Logits) -> Logits:
        """The logits (vocabulary,), minus infinity where a token is not allowed; a new array."""


class GrammarGuide:
    """Keeps a text inside a rule of a GBNF grammar. Raises GrammarError if llama.cpp rejects the grammar."""

    def __init__(self, model: Model, grammar: str, start: str) -> None:
        self._sampler = GrammarSampler(model.loaded, grammar, start)
        self._candidates = candidate_array(model.vocabulary)

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
