"""Free writing: greedy, until the model ends its turn or reaches a limit.

Knows: one text. Does not know: prompts, or what the text is for.
"""

from __future__ import annotations

from typing import Any

from edge_judge.engine.evaluator import NextTokens
from edge_judge.engine.llama import Logits
from edge_judge.engine.model import Model
from edge_judge.inference import Written


class FreeFormWriter:
    """Writes the likeliest token each time, until the model ends its turn or `limit` tokens are written."""

    def __init__(self, model: Model, limit: int) -> None:
        self._model, self._limit = model, limit
        self._written: list[int] = []

    @property
    def result(self) -> Written[Any]:
        return Written(self._model.text(self._written))

    def next(self, logits: Logits) -> NextTokens | None:
        token = int(logits.argmax())
        if self._model.ends(token) or len(self._written) == self._limit:
            return None
        self._written.append(token)
        return NextTokens((token,))
