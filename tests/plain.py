"""A sequence evaluated the plain way: by itself, in a context of its own. The oracle for all that shares or batches."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import llama_cpp.llama_cpp as llama
import numpy as np

from edge_judge.engine import Model


@contextmanager
def context(model: Model) -> Iterator[object]:
    """A plain context of one sequence."""
    params = llama.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_threads, params.n_threads_batch = 2048, 2048, 1, 1
    handle = llama.llama_init_from_model(model.loaded.handle, params)
    try:
        yield handle
    finally:
        llama.llama_free(handle)


def alone(model: Model, handle: object, tokens: Sequence[int]) -> np.ndarray:
    """Logits (length of tokens, vocabulary) of a sequence evaluated by itself."""
    memory = llama.llama_get_memory(handle)
    llama.llama_memory_clear(memory, True)
    batch = llama.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for at, token in enumerate(tokens):
        batch.token[at], batch.pos[at], batch.n_seq_id[at], batch.logits[at] = token, at, 1, True
        batch.seq_id[at][0] = 0
    assert llama.llama_decode(handle, batch) == 0
    rows = [llama.llama_get_logits_ith(handle, at) for at in range(len(tokens))]
    found = np.array([np.ctypeslib.as_array(row, (model.vocabulary,)) for row in rows])
    llama.llama_batch_free(batch)
    return found


def log_softmax(logits: np.ndarray) -> np.ndarray:
    exact = logits.astype(np.float64)
    return exact - np.logaddexp.reduce(exact)


def spelled_out(
    model: Model, handle: object, begun: Sequence[int], texts: Mapping[bytes, Hashable]
) -> tuple[dict[Hashable, float], float]:
    """(p, mass) of some texts after `begun`: every token of the vocabulary that continues one of them, tried by itself
    until all texts that begin alike have the same outcome. A text that others go on from has what they leave it.
    """
    pieces = {token: model.piece(token) for token in range(model.vocabulary)}
    share: dict[Hashable, float] = dict.fromkeys(texts.values(), 0.0)

    def follow(path: tuple[int, ...], text: bytes, log: float) -> float:
        logs, counted = log_softmax(alone(model, handle, [*begun, *path])[-1]), 0.0
        for token, piece in pieces.items():
            longer = text + piece
            rivals = {outcome for other, outcome in texts.items() if other.startswith(longer)}
            if not piece or not rivals:
                continue
            chance = math.exp(log + logs[token])
            counted += chance
            if len(rivals) == 1:
                share[rivals.pop()] += chance
                continue
            deeper = follow((*path, token), longer, log + logs[token])
            if longer in texts:
                share[texts[longer]] += chance - deeper
            else:
                counted += deeper - chance
        return counted

    mass = follow((), b"", 0.0)
    return {outcome: value / mass for outcome, value in share.items()}, mass
