"""Which scheme would fit the memory that a run may take, where the one that was asked for does not.

Knows: schemes and their bytes. Does not know: how work is made to fit (engine/fitting.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge_judge.engine import Model
from edge_judge.errors import MemoryLimitError
from edge_judge.records import Judge
from edge_judge.report.formatting import size
from edge_judge.workflows.model_files import model_config
from quantize import architectures, lock, schemes
from quantize.architectures.blueprint import Blueprint

SCHEMES = ("f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k")  # widest first
SURE = 0.98  # of the memory allowed: two processes are never of exactly the same size


@contextmanager
def advising(judge: Judge, *, in_lock: bool) -> Iterator[None]:
    """Where a judge is too large for the memory it may take, the hint names the scheme that would fit.

    in_lock: whether it may be one of models.lock; for any other file sizes follow the proportions of one that is.
    """
    try:
        yield
    except MemoryLimitError as error:
        error.hint = f"{_advice(error, judge, in_lock)}allow more with --max-memory"
        raise


def _advice(error: MemoryLimitError, judge: Judge, in_lock: bool) -> str:
    other, blueprint = error.needed - error.weights, _blueprint(judge.model, in_lock, error.weights)
    named = schemes.base(judge.scheme)
    own = named if named in schemes.SCHEMES else _recorded_scheme(judge)
    if own is None:
        return "a smaller scheme may fit; or "
    share = error.weights / schemes.file_bytes(blueprint, own)  # 1 for the model itself, but for what is not tensors
    for scheme in SCHEMES:
        total = int(share * schemes.file_bytes(blueprint, scheme)) + other
        if total <= SURE * error.allowed and total < error.needed:
            fits = "would fit, with about" if error.loaded else "may fit, with"
            return f"{scheme} {fits} {size(total)} in all; or "
    return "no scheme of this model would fit; "


def _blueprint(model: str, in_lock: bool, weights: int) -> Blueprint:
    """The model's shape; of an unknown one the shape of the known model that is nearest in size."""
    models = lock.read().models
    own = next((entry for entry in models if in_lock and entry.name == model), None)
    if own is not None:
        return architectures.blueprint(model_config(own))
    shapes = [architectures.blueprint(model_config(entry)) for entry in models]
    return min(shapes, key=lambda shape: abs(2 * shape.parameters - weights))


def _recorded_scheme(judge: Judge) -> str | None:
    """The scheme that is noted in the judge's file."""
    if judge.gguf is None:
        return None
    with Model(judge.gguf, vocab_only=True) as model:
        file_type = model.metadata("general.file_type")
    return next((name for name, number in schemes.SCHEMES.items() if str(number) == file_type), None)
