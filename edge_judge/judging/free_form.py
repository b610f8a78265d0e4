"""A judge that writes what it likes, greedily, until it ends by itself or reaches its bound.

Knows: one text under way. Does not know: pairs, orders, prompts, verdicts.
"""

from __future__ import annotations

from edge_judge.engine.evaluator import Logits, NextTokens
from edge_judge.engine.model import Model


class FreeFormWriter:
    """An author who writes what it likes until it ends by itself, or has written `limit` tokens."""

    def __init__(self, model: Model, limit: int) -> None:
        self._model, self._limit = model, limit
        self._written: list[int] = []

    @property
    def text(self) -> str:
        return self._model.text(self._written)

    def next(self, logits: Logits) -> NextTokens | None:
        token = int(logits.argmax())
        if self._model.ends(token) or len(self._written) == self._limit:
            return None
        self._written.append(token)
        return NextTokens((token,))
