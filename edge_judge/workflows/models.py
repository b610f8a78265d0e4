"""The known models: parameters, size by scheme, what fits this machine, what is built here.

Knows: models.lock and the record of built files. Does not know: how a model is built or judges.
"""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from edge_judge.workflows.model_files import built_schemes, model_config
from quantize import architectures, lock, schemes
from quantize.lock import LockedModel

SHOWN = ("f16", "q8_0", "q4_k_m", "q2_k")
SPARE = 1.5e9  # bytes beside the weights: cache, buffers, Python, and something for everyone else


@dataclass(frozen=True, slots=True)
class KnownModel:
    """bytes: of the tensors, by scheme; fits: the widest scheme this machine's memory holds; built: the schemes of
    which there is a file here.
    """

    name: str
    parameters: int
    license: str
    repo: str | None
    bytes: dict[str, int]
    fits: str | None
    built: list[str]


def models() -> list[KnownModel]:
    """Every model of models.lock, in its order."""
    memory = machine_memory()
    return [_known_model(model, memory) for model in lock.read().models]


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return int(psutil.virtual_memory().total)


def _known_model(model: LockedModel, memory: int) -> KnownModel:
    """A model with its sizes, from its shape alone."""
    blueprint = architectures.blueprint(model_config(model))
    sizes = {scheme: schemes.file_bytes(blueprint, scheme) for scheme in SHOWN}
    fits = next((scheme for scheme in SHOWN if sizes[scheme] + SPARE <= memory), None)
    parameters = model.parameters or blueprint.parameters
    built = sorted(built_schemes(model.name))
    return KnownModel(model.name, parameters, model.license, model.repo, sizes, fits, built)
