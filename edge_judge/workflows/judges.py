"""Which judge is meant by a model and a scheme, by a file, or by an endpoint.

Knows: built files, files of one's own, chat templates, where an endpoint's key is. Does not know: how a judge is asked,
how a file is built.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_judge.engine import chat
from edge_judge.errors import ModelError, UsageError, nearest
from edge_judge.records import Judge, Limits, Placement
from edge_judge.workflows.build import build_shipped
from edge_judge.workflows.known_files import state_of
from edge_judge.workflows.model_files import (
    SHIPPED,
    built_schemes,
    find_built,
    is_added,
    models_folder,
    recorded_scheme,
)
from edge_judge.workflows.options import POCKET, JudgeOptions
from edge_judge.workflows.own_files import judge_of_file, named_scheme
from edge_judge.workflows.registry import require_whole
from quantize import lock
from quantize.lock import BuiltFile, LockedModel

if TYPE_CHECKING:
    from edge_judge.engine.remote import RemoteEngine

UNKNOWN = "unknown"  # the scheme of an endpoint's weights, unless --scheme says it


def find_engine(options: JudgeOptions, limits: Limits = Limits()) -> RemoteEngine | None:
    """The engine for an endpoint; None for a judge that runs here. Nothing is asked yet.

    Raises UsageError for options that mean a file or this machine.
    """
    if options.engine is None:
        if options.price is not None:
            raise UsageError("--price does nothing without --engine", "a judge that runs here costs nothing")
        return None
    local = {
        "--gguf": options.gguf,
        "--threads": options.threads,
        "--chat-template": options.chat_template,
        "--adapter": options.adapters or None,
        "--max-memory": limits.memory,
        "--cache": limits.cache != Limits().cache or None,
        "--polite": limits.polite or None,
        "--gpu-layers": limits.placement.gpu_layers != Placement().gpu_layers or None,
        "--device": limits.placement.devices or None,
        "--gpu-memory": limits.placement.gpu_memory,
        "--split": limits.placement.split != Placement().split or None,
        "--cache-on": limits.placement.cache_on != Placement().cache_on or None,
    }
    for name, value in local.items():
        if value is not None:
            raise UsageError(f"{name} does nothing with --engine: the server decides this", f"leave {name} out")
    from edge_judge.engine.endpoint import KEY, Address, Endpoint  # with asyncio, which takes 8 MB
    from edge_judge.engine.remote import RemoteEngine

    address = Address.of(options.engine)
    return RemoteEngine(Endpoint(address, os.environ.get(KEY) or None), options.model)


def find_judge(options: JudgeOptions, engine: RemoteEngine | None = None) -> Judge:
    """The judge that is meant. A model that comes with the package is built when it is first asked for.

    engine: that of `find_engine`. Raises ModelError where any other model is not built or added here, or a file cannot
    judge, or an endpoint does not answer.
    """
    if engine is not None:
        return _judge_of_endpoint(engine, options.scheme)
    if options.gguf is not None:
        own = judge_of_file(options.gguf, options.model, options.scheme)
        return with_chat_template(own, options.chat_template)
    model = options.model or POCKET
    return with_chat_template(_built_judge(model, options.scheme), options.chat_template or chat_template_of(model))


def with_chat_template(judge: Judge, template: str | None) -> Judge:
    """The judge with a chat template of that name or file; its own where none is named."""
    return judge if not template else replace(judge, chat=chat.named(template))


def _judge_of_endpoint(engine: RemoteEngine, scheme: str | None) -> Judge:
    """What is not known of its weights stays unknown. The names of many models have a slash, which no folder has."""
    name = engine.server.name.removesuffix(".gguf")
    model = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:100] or "model"
    return Judge(model, named_scheme(scheme or UNKNOWN), None, None, engine.endpoint.address.base)


def _built_judge(model: str, scheme: str | None) -> Judge:
    """The judge that was built or added here under a name."""
    name = recorded_scheme(model, scheme or _only_scheme(model))
    entry = lock.read_built(models_folder()).find_built(model, name)
    if entry is not None and is_added(entry):
        require_whole(entry)
    record = _whole(find_built(model, name)) or build_shipped(_known(model, name), name)
    return Judge(model, name, models_folder() / record.file, record.sha256, record.source or model)


def _whole(record: BuiltFile | None) -> BuiltFile | None:
    """The record of a built file that is what it was; None where the package builds it again. It is hashed before its
    first use, and again after it may have changed. Raises ModelError for any other that has changed.
    """
    if record is None or state_of(record) == "ok":
        return record
    if record.model in SHIPPED:
        return None
    raise ModelError(
        f"{models_folder() / record.file}: this file has changed since it was built as {record.model} {record.scheme}",
        f"remove it; then edge-judge quantize {record.model} {record.scheme} builds it again",
    )


def _only_scheme(model: str) -> str:
    """The scheme that is meant where none is named: the only one of a model that nothing can be built of, else f16."""
    built = built_schemes(model)
    return built[0] if len(built) == 1 and model not in _locked() else "f16"


def _known(model: str, scheme: str) -> LockedModel:
    """The entry of models.lock. Raises ModelError where only other schemes of a model are here, UsageError where there
    is no such model.
    """
    locked = _locked()
    if model in locked:
        return locked[model]
    if built := built_schemes(model):
        raise ModelError(f"{model} {scheme} is not on this machine", f"--scheme names one that is: {', '.join(built)}")
    added = [record.model for record in lock.read_built(models_folder()).built]
    raise UsageError(f"unknown model '{model}'", nearest(model, dict.fromkeys([*locked, *added]), "models"))


def _locked() -> dict[str, LockedModel]:
    return {entry.name: entry for entry in lock.read().models}


def chat_template_of(model: str) -> str | None:
    """The name of the chat template that a known model is asked with instead of its own; None for its own."""
    return next((entry.chat for entry in lock.read().models if entry.name == model), None)
