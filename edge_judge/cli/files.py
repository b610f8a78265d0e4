"""Which GGUF is meant by a model and a scheme, and where built files lie.

Files built on this machine lie in one folder (EDGE_JUDGE_MODELS, or the user's data folder) beside a models.lock
that has their hashes. A model that ships with the package is built when it is first asked for.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_judge import __version__
from edge_judge.errors import ModelError
from edge_judge.records import Judge

if TYPE_CHECKING:
    from quantize.lock import BuiltFile, LockedModel

SHIPPED = {"pocket": Path(__file__).parent.parent / "pocket" / "checkpoint"}


def models_folder() -> Path:
    """Where built GGUF files lie."""
    named = os.environ.get("EDGE_JUDGE_MODELS")
    if named:
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("edge-judge") / "models"


def judge_for(model: str, scheme: str | None, gguf: Path | None) -> Judge:
    """The judge that the options name. Raises ModelError when it is not built here."""
    if gguf is not None:
        return Judge(gguf.stem, scheme or "gguf", gguf, sha256(gguf), str(gguf.name))
    from quantize import lock, schemes

    wanted = schemes.canonical(scheme or "f16")
    known = find_built(model, wanted)
    if known is None:
        known = build_shipped(lock.read().model(model), wanted)
    return Judge(model, wanted, models_folder() / known.file, known.sha256, known.source or model)


def find_built(model: str, scheme: str) -> BuiltFile | None:
    """The record of a built file that is still there as it was recorded."""
    from quantize import lock

    known = lock.read_built(models_folder()).find_built(model, scheme)
    if known is None:
        return None
    path = models_folder() / known.file
    if not path.exists() or path.stat().st_size != known.bytes:
        return None
    shipped = SHIPPED.get(model)
    if shipped is not None and known.source != checkpoint_source(shipped):
        return None  # built from other weights than those that ship now
    return known


def build_shipped(model: LockedModel, scheme: str) -> BuiltFile:
    """Build a model whose checkpoint ships with the package; any other must have been built before."""
    if model.local is None:
        raise ModelError(
            f"{model.name} {scheme} is not built on this machine",
            f"edge-judge quantize {model.name} {scheme} builds it; {_built_names(model.name)}",
        )
    return build(SHIPPED[model.local], model.name, scheme, model.license)


def build(folder: Path, name: str, scheme: str, license: str | None, out: Path | None = None) -> BuiltFile:
    """Quantize a checkpoint folder and record the file, unless `out` puts it elsewhere."""
    from quantize import build as builder
    from quantize import lock

    target = out or models_folder() / name / f"{name}-{scheme}.gguf"
    target.parent.mkdir(parents=True, exist_ok=True)
    source = checkpoint_source(folder)
    provenance = builder.Provenance(license=license, tool=f"edge-judge {__version__}", sha256=None)
    built = builder.quantize(folder, scheme, target, name=name, provenance=provenance)
    record = lock.BuiltFile(name, built.scheme, str(target), built.sha256, built.bytes, source)
    if out is None:
        record = replace(record, file=str(target.relative_to(models_folder())))
        lock.record_built(models_folder(), record)
    return record


def checkpoint_source(folder: Path) -> str:
    """What a local checkpoint is: a hash over its configuration, tokenizer and weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".json", ".safetensors", ".bin", ".model", ".jinja"}:
            digest.update(path.name.encode() + b"\0" + bytes.fromhex(sha256(path)))
    return f"{folder.name}:{digest.hexdigest()[:16]}"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _built_names(model: str) -> str:
    from quantize import lock

    built = [record.scheme for record in lock.read_built(models_folder()).built if record.model == model]
    return f"built here: {', '.join(sorted(built))}" if built else "none of its schemes is built here"
