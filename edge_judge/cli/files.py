"""Which GGUF is meant by a model and a scheme, and where built files lie.

Files built on this machine lie in one folder (EDGE_JUDGE_MODELS, or the user's data folder) beside a models.lock
that has their hashes. A model that ships with the package is built when it is first asked for.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_judge import __version__
from edge_judge.errors import ModelError, UsageError
from edge_judge.records import Judge
from quantize import digest

if TYPE_CHECKING:
    from quantize.build import Built, Progress
    from quantize.lock import BuiltFile, LockedModel

TOOL = f"edge-judge {__version__}"
SHIPPED = {"pocket": Path(__file__).parent.parent / "pocket" / "checkpoint"}


def models_folder() -> Path:
    """Where built GGUF files lie."""
    named = os.environ.get("EDGE_JUDGE_MODELS")
    if named:
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("edge-judge") / "models"


def judge_for(model: str, scheme: str | None, gguf: Path | None, chat: str | None = None) -> Judge:
    """The judge that the options name; chat: a chat template's name or file. Raises ModelError when it is not built
    here.
    """
    judge = _judge_for(model, scheme, gguf)
    named = chat or (_chat_of(model) if gguf is None else None)
    return judge if named is None else replace(judge, chat=_template(named))


def _template(name: str) -> str:
    from edge_judge.engine.chat import named

    return named(name)


def _chat_of(model: str) -> str | None:
    from quantize import lock

    return next((known.chat for known in lock.read().models if known.name == model), None)


def _judge_for(model: str, scheme: str | None, gguf: Path | None) -> Judge:
    if gguf is not None:
        called = scheme or "gguf"
        if not re.fullmatch(r"\w[\w.-]*", called):  # it becomes a folder's name under results/
            raise UsageError(f"--scheme '{called}' cannot name a folder", "letters, digits and . _ - only, like q4_k_m")
        return Judge(gguf.stem.strip(".") or "gguf", called, gguf, digest.sha256(gguf), str(gguf.name))
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
    if shipped is not None and known.source != checkpoint_source(model, shipped):
        return None  # built from other weights than those that ship now
    return known


def build_shipped(model: LockedModel, scheme: str) -> BuiltFile:
    """Build a model whose checkpoint ships with the package; any other must have been built before."""
    if model.local is None:
        raise ModelError(
            f"{model.name} {scheme} is not built on this machine",
            f"edge-judge quantize {model.name} {scheme} builds it; {_built_names(model.name)}",
        )
    return build_folder(SHIPPED[model.local], model.name, scheme, Options(license=model.license))


@dataclass(frozen=True, slots=True)
class Options:
    """How to build. out: somewhere else than the models folder; then the file is not recorded."""

    license: str | None = None
    out: Path | None = None
    imatrix: Path | None = None
    keep_source: bool = False
    progress: Callable[[Progress], None] | None = None


def build_folder(folder: Path, name: str, scheme: str, options: Options) -> BuiltFile:
    """Quantize the checkpoint in a folder."""
    from quantize import build

    origin = build.Provenance(license=options.license, tool=TOOL)
    target = _target(name, scheme, options)
    built = build.quantize(
        folder, scheme, target, name=name, provenance=origin, progress=options.progress, importance=options.imatrix
    )
    return _record(name, built, checkpoint_source(name, folder), options)


def build_published(model: LockedModel, scheme: str, options: Options) -> BuiltFile:
    """Quantize a model from the Hub, one shard at a time."""
    from quantize import remote
    from quantize.source import Hub

    how = remote.Options(TOOL, options.keep_source, options.imatrix, progress=options.progress)
    built = remote.quantize(Hub(), model, scheme, _target(model.name, scheme, options), how)
    return _record(model.name, built, f"{model.repo}@{model.commit}", options)


def take_ready(repo: str, name: str, options: Options) -> BuiltFile:
    """Take a ready-made GGUF of a Hub repository, pinned to its commit and hashed."""
    from quantize import ready
    from quantize.source import Hub

    model = repo.rpartition("/")[2].lower()
    built, commit = ready.fetch(Hub(), repo, name, options.out or models_folder() / model / Path(name).name)
    return _record(model, built, f"{repo}@{commit}", options)


def _target(name: str, scheme: str, options: Options) -> Path:
    from quantize import lock

    if options.out is None:
        lock.read_built(models_folder())  # refuses a broken record before the work, not after it
    target = options.out or models_folder() / name / f"{name}-{scheme}.gguf"
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _record(name: str, built: Built, source: str, options: Options) -> BuiltFile:
    from quantize import lock

    record = lock.BuiltFile(name, built.scheme, str(built.path), built.sha256, built.bytes, source)
    if options.out is None:
        record = replace(record, file=built.path.relative_to(models_folder()).as_posix())
        lock.record_built(models_folder(), record)
    return record


def checkpoint_source(name: str, folder: Path) -> str:
    """What a local checkpoint is: a hash over its configuration, tokenizer and weights."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".json", ".safetensors", ".bin", ".model", ".jinja"}:
            whole.update(path.name.encode() + b"\0" + bytes.fromhex(digest.sha256(path)))
    return f"{name}:{whole.hexdigest()[:16]}"


def _built_names(model: str) -> str:
    from quantize import lock

    built = [record.scheme for record in lock.read_built(models_folder()).built if record.model == model]
    return f"built here: {', '.join(sorted(built))}" if built else "none of its schemes is built here"
