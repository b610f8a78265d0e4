"""Which tokens a GBNF grammar admits next, asked of llama.cpp's own grammar engine.

Knows: one text under way. Does not know: what the text is for, nor how the grammar's file is laid out.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Protocol

import llama_cpp.llama_cpp as llama
import numpy as np
from numpy.typing import NDArray

from edge_judge.engine.model import Model
from edge_judge.errors import GrammarError

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])  # llama_token_data


@lru_cache(maxsize=1)
def _candidates(vocabulary: int) -> NDArray[np.void]:
    """Room for all tokens, one for all guides: it is filled anew at each use, and takes megabytes."""
    return np.zeros(vocabulary, _CANDIDATE)


class Guide(Protocol):
    """Holds one text to a language, token by token."""

    def allows(self, token: int) -> bool: ...

    def accept(self, token: int) -> None:
        """Go on with a token that is allowed."""

    def allowed(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits (vocabulary,), minus infinity where a token is not allowed; a new array."""


class GrammarGuide:
    """A text held to a rule of a GBNF grammar by llama.cpp. Raises GrammarError if llama.cpp does not take it."""

    def __init__(self, model: Model, grammar: str, start: str) -> None:
        self._sampler = llama.llama_sampler_init_grammar(model.vocab, grammar.encode(), start.encode())
        if not self._sampler:
            raise GrammarError("llama.cpp does not take this grammar")
        self._one = (llama.llama_token_data * 1)()
        self._all = _candidates(model.vocabulary)

    def allows(self, token: int) -> bool:
        self._one[0] = llama.llama_token_data(token, 0.0, 0.0)
        self._apply(self._one, 1)
        return bool(self._one[0].logit > -np.inf)

    def accept(self, token: int) -> None:
        llama.llama_sampler_accept(self._sampler, token)

    def allowed(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        self._all["id"] = np.arange(len(logits))
        self._all["logit"] = logits
        self._apply(self._all.ctypes.data_as(ctypes.POINTER(llama.llama_token_data)), len(logits))
        masked = np.full(len(logits), -np.inf, np.float32)
        masked[self._all["id"]] = self._all["logit"]
        return masked

    def _apply(self, candidates: object, count: int) -> None:
        array = llama.llama_token_data_array(candidates, count, -1, False)
        llama.llama_sampler_apply(self._sampler, ctypes.byref(array))

    def __del__(self) -> None:
        if getattr(self, "_sampler", None):
            llama.llama_sampler_free(self._sampler)
