"""Which scheme of a known model this machine has the memory for.

Knows: sizes by scheme, the machine's memory. Does not know: how work is made to fit (engine/fitting.py).
"""

from __future__ import annotations

from edge_judge.workflows.model_files import model_config
from edge_judge.workflows.models import SPARE, machine_memory
from quantize import architectures, lock, schemes

CANDIDATES = ("f16", "q8_0", "q4_k_m", "q2_k")


def widest_fitting(model: str) -> str | None:
    """The widest scheme that leaves room to judge; None where none does, or the model is not in models.lock."""
    return next((scheme for scheme in CANDIDATES if fits(model, scheme)), None)


def fits(model: str, scheme: str) -> bool | None:
    """Whether a scheme of a model leaves room to judge; None where the model is not in models.lock."""
    needed = needed_bytes(model, scheme)
    return None if needed is None else needed <= machine_memory()


def needed_bytes(model: str, scheme: str) -> int | None:
    """Memory that judging with a scheme takes, about; None where the model is not in models.lock."""
    known = next((entry for entry in lock.read().models if entry.name == model), None)
    if known is None:
        return None
    return int(schemes.file_bytes(architectures.blueprint(model_config(known)), scheme) + SPARE)
