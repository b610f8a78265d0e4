"""Which scheme would fit the memory that a command may take, where the one that was asked for does not.

Knows: schemes and their bytes. Does not know: how work is made to fit (engine/fitting.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edge_judge.cli import terminal
from edge_judge.cli.models import settings
from edge_judge.errors import MemoryLimitError

if TYPE_CHECKING:
    from edge_judge.records import Judge
    from quantize.architectures.blueprint import Blueprint

SCHEMES = ("f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k")  # widest first
SURE = 0.98  # a scheme that is named should fit then, though the process is never twice of the same size


@contextmanager
def fitting(judge: Judge, *, known: bool) -> Iterator[None]:
    """Where a judge is too large for the memory it may take, the hint names the scheme that would fit.

    known: whether it may be one of models.lock; for any other file sizes are told by the proportions of one that is.
    """
    try:
        yield
    except MemoryLimitError as error:
        error.hint = f"{_advice(error, judge, known)}allow more with --max-memory"
        raise


def _advice(error: MemoryLimitError, judge: Judge, known: bool) -> str:
    from quantize import schemes

    beside, blueprint = error.needed - error.weights, _blueprint(judge.model, known, error.weights)
    own = judge.scheme if judge.scheme in schemes.SCHEMES else _said_scheme(judge)
    if own is None:
        return "a smaller scheme may fit; or "
    share = error.weights / schemes.file_bytes(blueprint, own)  # 1 for the model itself, but for what is not tensors
    for scheme in SCHEMES:
        total = int(share * schemes.file_bytes(blueprint, scheme)) + beside
        if total <= SURE * error.allowed and total < error.needed:
            fits = "would fit, with about" if error.loaded else "may fit: with it that is"
            return f"{scheme} {fits} {terminal.size(total)} in all; or "
    return "no scheme of this model would fit; "


def _blueprint(model: str, known: bool, weights: int) -> Blueprint:
    """The model's shape; of an unknown one the shape of the known model that is nearest in size."""
    from quantize import architectures, lock

    models = lock.read().models
    own = next((one for one in models if known and one.name == model), None)
    if own is not None:
        return architectures.blueprint(settings(own))
    shapes = [architectures.blueprint(settings(one)) for one in models]
    return min(shapes, key=lambda shape: abs(2 * shape.parameters - weights))


def _said_scheme(judge: Judge) -> str | None:
    """The scheme that the file says it has."""
    from edge_judge.engine import Model
    from quantize import schemes

    if judge.gguf is None:
        return None
    with Model(judge.gguf, vocab_only=True) as model:
        said = model.metadata("general.file_type")
    return next((name for name, number in schemes.SCHEMES.items() if str(number) == said), None)
