"""Where GGUF files built on this machine lie, or were added, and which of them are still as they were recorded.

What was built lies in one folder (EDGE_JUDGE_MODELS, or the user's data folder) beside a models.lock that has the
hashes of both.
Knows: that folder, and the checkpoints that come with the package. Does not know: how a file is built, who asks for it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from edge_judge import pocket
from edge_judge.records import split_files
from edge_judge.workflows.options import POCKET
from quantize import config, digest, lock
from quantize.config import Config
from quantize.lock import BuiltFile, LockedModel

SHIPPED = {POCKET: pocket.CHECKPOINT}


def models_folder() -> Path:
    """Where built GGUF files lie."""
    named = os.environ.get("EDGE_JUDGE_MODELS")
    if named:
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("edge-judge") / "models"


def find_built(model: str, scheme: str) -> BuiltFile | None:
    """The record of a built file that is still there as it was recorded."""
    record = lock.read_built(models_folder()).find_built(model, scheme)
    if record is None:
        return None
    paths = recorded_paths(record)
    if not all(path.exists() for path in paths) or sum(path.stat().st_size for path in paths) != record.bytes:
        return None
    shipped = SHIPPED.get(model)
    if shipped is not None and record.source != checkpoint_source(model, shipped):
        return None  # built from other weights than those that ship now
    return record


def recorded_paths(record: BuiltFile) -> tuple[Path, ...]:
    """The files of a record, several where a model is split. They need not be there."""
    return split_files(models_folder() / record.file)


def is_added(record: BuiltFile) -> bool:
    """Whether the file comes from elsewhere and lies where its user has it."""
    return Path(record.file).is_absolute()


def recorded_scheme(model: str, scheme: str) -> str:
    """The scheme as the record or llama.cpp calls it: a file from elsewhere may have one that no other has. Raises
    UnknownSchemeError, with the nearest names, for any other.
    """
    from quantize import schemes  # it loads numpy, which completion of names does without

    return scheme if scheme in built_schemes(model) else schemes.canonical(scheme)


def built_schemes(model: str) -> list[str]:
    """The schemes of a model that were built or added here, in the order of the record."""
    return [record.scheme for record in lock.read_built(models_folder()).built if record.model == model]


def checkpoint_source(name: str, folder: Path) -> str:
    """What a local checkpoint is: a hash over its configuration, tokenizer and weights."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".json", ".safetensors", ".bin", ".model", ".jinja"}:
            whole.update(path.name.encode() + b"\0" + bytes.fromhex(digest.sha256(path)))
    return f"{name}:{whole.hexdigest()[:16]}"


def model_config(model: LockedModel) -> Config:
    """What decides a model's shape, from models.lock or from the checkpoint that ships."""
    if model.local is not None:
        return config.read(SHIPPED[model.local])
    return config.Config({**model.config, "architectures": [model.model_class]}, f"models.lock: {model.name}")
