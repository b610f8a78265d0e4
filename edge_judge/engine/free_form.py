"""A model that writes what it likes, greedily, until it ends its turn or reaches its limit.

Knows: one text under way. Does not know: prompts, nor what the text is for.
"""

from __future__ import annotations

from typing import Any

from edge_judge.engine.evaluator import NextTokens
from edge_judge.engine.llama import Logits
from edge_judge.engine.model import Model
from edge_judge.inference import Written


class FreeFormWriter:
    """Writes the likeliest token, again and again, until the model ends its turn or `limit` tokens are written."""

    def __init__(self, model: Model, limit: int) -> None:
        self._model, self._limit = model, limit
        self._written: list[int] = []

    @property
    def text(self) -> str:
        return self._model.text(self._written)

    @property
    def result(self) -> Written[Any]:
        return Written(self.text)

    def next(self, logits: Logits) -> NextTokens | None:
        token = int(logits.argmax())
        if self._model.ends(token) or len(self._written) == self._limit:
            return None
        self._written.append(token)
        return NextTokens((token,))
