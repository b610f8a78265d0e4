"""The known models: parameters, size by scheme, what fits this machine, what is built here.

Knows: models.lock and the record of built files. Does not know: how a model is built or judges.
"""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from edge_judge.engine.devices import backend, by_layer
from edge_judge.engine.footprint import bytes_of_cell, work_on_device
from edge_judge.engine.placing import CELLS, layers_in
from edge_judge.records import Backend, Batching
from edge_judge.workflows.model_files import built_schemes, is_added, model_config, models_folder
from quantize import architectures, lock, schemes
from quantize.architectures.blueprint import Blueprint
from quantize.lock import BuiltFile, LockedModel

SHOWN = ("f16", "q8_0", "q4_k_m", "q2_k")
SPARE = 1.5e9  # bytes beside the weights: cache, buffers, Python, and something for everyone else


@dataclass(frozen=True, slots=True)
class KnownModel:
    """bytes: of the tensors, by scheme; fits: the widest scheme this machine's memory holds; built: the schemes of
    which there is a file here; layers: of the model, the output counted as one; gpu_layers: how many of them fit on
    the GPU in question, by scheme, None if there is none in question.
    """

    name: str
    parameters: int
    licence: str
    repo: str | None
    bytes: dict[str, int]
    fits: str | None
    built: list[str]
    layers: int
    gpu_layers: dict[str, int] | None = None


def models(gpu_memory: int | None = None) -> list[KnownModel]:
    """Every model of models.lock, in its order. gpu_memory: bytes of a GPU, for `gpu_layers`."""
    memory = machine_memory()
    return [_known_model(model, memory, gpu_memory) for model in lock.read().models]


def added_files() -> list[BuiltFile]:
    """Files of models that models.lock does not know: added from elsewhere, or built from a checkpoint of one's own."""
    known = {model.name for model in lock.read().models}
    records = lock.read_built(models_folder()).built
    return [record for record in records if is_added(record) or record.model not in known]


def usable() -> Backend:
    """What llama.cpp can use here."""
    return backend()


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return int(psutil.virtual_memory().total)


def _known_model(model: LockedModel, memory: int, gpu_memory: int | None) -> KnownModel:
    """A model with its sizes, from its shape alone."""
    blueprint = architectures.blueprint(model_config(model))
    plans = {scheme: schemes.plan(blueprint, scheme) for scheme in SHOWN}
    sizes = {scheme: schemes.planned_bytes(blueprint, plan) for scheme, plan in plans.items()}
    fitting = None
    if gpu_memory is not None:
        fitting = {scheme: _layers_in(gpu_memory, blueprint, plan) for scheme, plan in plans.items()}
    fits = next((scheme for scheme in SHOWN if sizes[scheme] + SPARE <= memory), None)
    parameters = model.parameters or blueprint.parameters
    built = sorted(built_schemes(model.name))
    layers = _fields(blueprint)["block_count"] + 1
    return KnownModel(model.name, parameters, model.license, model.repo, sizes, fits, built, layers, fitting)


def _layers_in(memory: int, blueprint: Blueprint, plan: schemes.Plan) -> int:
    """About how many layers fit on a GPU with so much memory, beside a cache of f16."""
    fields, batching = _fields(blueprint), Batching()
    width, heads = fields["embedding_length"], fields["attention.head_count"]
    head = fields.get("attention.key_length", width // heads)
    numbers = 2 * fields["block_count"] * fields.get("attention.head_count_kv", heads) * head
    work = work_on_device(blueprint.vocabulary, batching.micro, width, CELLS, batching.members + 1)
    sizes = by_layer(schemes.planned_tensors(blueprint, plan))
    return layers_in(memory, sizes, bytes_of_cell(numbers, "f16"), work)


def _fields(blueprint: Blueprint) -> dict[str, int]:
    """The whole numbers of a shape, by their GGUF keys without the architecture's name."""
    fields = blueprint.fields
    return {field.key.partition(".")[2]: field.value for field in fields if isinstance(field.value, int)}
