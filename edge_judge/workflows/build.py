"""A model named by a user becomes a verified GGUF file, recorded where it lies in the models folder.

Knows: which source a model's name means, and the record of what was built. Does not know: how a file is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edge_judge.errors import ModelError, UsageError
from edge_judge.records import BuildProgress, ProgressListener
from edge_judge.version import __version__
from edge_judge.workflows.checkpoints import find_source, origin, shipped_source
from edge_judge.workflows.model_files import built_schemes, models_folder
from edge_judge.workflows.options import QuantizeSettings
from edge_judge.workflows.target import check_target
from quantize import adapter_gguf, build, lock, ready, schemes
from quantize.adapter_gguf import AdapterOptions
from quantize.build import BuildOptions, Built
from quantize.lock import BuiltFile, LockedModel
from quantize.progress import Progress
from quantize.source import FolderSource, Hub, HubSource

TOOL = f"edge-judge {__version__}"


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """A GGUF file that was made and verified. path: where it lies; sha256, bytes: of the file."""

    model: str
    scheme: str
    path: Path
    sha256: str
    bytes: int


def quantize(
    model: str,
    scheme: str | None = None,
    settings: QuantizeSettings = QuantizeSettings(),
    listener: ProgressListener = ProgressListener(),
) -> QuantizedModel:
    """Make a GGUF file of a model in a scheme, in one pass, and verify it.

    model: a name in models.lock, the folder of a checkpoint, or a repository on the Hub. scheme: None only where a
    ready-made file is taken.
    """
    out = settings.out
    check_target(out, "--out takes the name of a file")
    _check_together(settings)
    if settings.adapter is not None and settings.adapter_only:
        return _write_adapter(model, scheme, settings.adapter, out)
    options = BuildOptions(
        out=out, imatrix=settings.imatrix, adapter=settings.adapter, keep_source=settings.keep_source
    )
    if settings.gguf_file is not None:
        built = _take_ready(model, settings.gguf_file, options)
    elif scheme is None:
        raise UsageError("no scheme given", f"use for example: edge-judge quantize {model} q4_k_m")
    else:
        _require_label(model, schemes.canonical(scheme), settings)
        built = _build(model, schemes.canonical(scheme), options, listener)
    return QuantizedModel(built.model, built.scheme, out or models_folder() / built.file, built.sha256, built.bytes)


def _check_together(settings: QuantizeSettings) -> None:
    """Raise UsageError for settings that do not go together."""
    if settings.adapter is None and settings.adapter_only:
        raise UsageError("--adapter-only needs --adapter", "--adapter gives the folder of the adapter")
    if settings.adapter is not None and settings.gguf_file is not None:
        raise UsageError("--adapter does not go with --gguf-file", "an adapter is merged into a checkpoint")
    if settings.adapter_only and settings.imatrix is not None:
        raise UsageError("--imatrix does nothing with --adapter-only", "an adapter is not quantized")


def _require_label(model: str, scheme: str, settings: QuantizeSettings) -> None:
    """Raise UsageError where a model with an adapter in it would take the place of the model alone."""
    if settings.adapter is not None and settings.out is None and schemes.label(scheme) is None:
        named = f"{scheme}+{re.sub(r'[^a-z0-9_.-]+', '-', settings.adapter.resolve().name.lower()).strip('-._')[:40]}"
        raise UsageError(
            f"{model} {scheme} with an adapter is a judge of its own: the scheme needs a label",
            f"use for example: edge-judge quantize {model} {named} --adapter {settings.adapter}",
        )


def _write_adapter(model: str, scheme: str | None, folder: Path, out: Path | None) -> QuantizedModel:
    """Write an adapter as a GGUF. scheme: the type of its numbers, f32 unless it is said."""
    kind = next((kind for kind in adapter_gguf.KINDS if kind == (scheme or "f32").lower()), None)
    if kind is None:
        raise UsageError(
            f"an adapter cannot be written as {scheme}", f"--adapter-only writes {' or '.join(adapter_gguf.KINDS)}"
        )
    source = find_source(model)
    path = out or models_folder() / source.name / f"{source.name}+{folder.resolve().name}.gguf"
    path.parent.mkdir(parents=True, exist_ok=True)
    built = adapter_gguf.write(source, folder, AdapterOptions(path, kind, TOOL))
    return QuantizedModel(source.name, built.scheme, path, built.sha256, built.bytes)


def build_shipped(model: LockedModel, scheme: str) -> BuiltFile:
    """Build a model whose checkpoint ships with the package; any other must have been built before."""
    if model.local is None:
        names = built_schemes(model.name)
        built = f"built here: {', '.join(sorted(names))}" if names else "none of its schemes is built here"
        raise ModelError(
            f"{model.name} {scheme} is not built on this machine",
            f"edge-judge quantize {model.name} {scheme} builds it; {built}",
        )
    if schemes.label(scheme):
        raise ModelError(
            f"{model.name} {scheme} is not built on this machine",
            f"edge-judge quantize {model.name} {scheme} --imatrix FILE, or --adapter FOLDER, builds it",
        )
    return _build_from(shipped_source(model, model.local), scheme, BuildOptions())


def build_callback(listener: ProgressListener) -> Callable[[Progress], None]:
    """Passes on to a listener how far a build is."""

    def tell(now: Progress) -> None:
        listener.build(BuildProgress(now.stage, now.tensors_done, now.tensors, now.bytes_done, now.bytes))

    return tell


def _build(model: str, scheme: str, options: BuildOptions, listener: ProgressListener) -> BuiltFile:
    options = replace(options, progress=build_callback(listener))
    with listener.task(f"{model} {scheme}"):
        return _build_from(find_source(model), scheme, options)


def _build_from(source: FolderSource | HubSource, scheme: str, options: BuildOptions) -> BuiltFile:
    target = _target(source.name, scheme, options)
    built = build.quantize(source, scheme, replace(options, out=target, tool=TOOL))
    return _record(source.name, built, origin(source), options)


def _take_ready(repo: str, name: str, options: BuildOptions) -> BuiltFile:
    """A ready-made GGUF of a Hub repository, pinned to its commit and hashed."""
    model = repo.rpartition("/")[2].lower()
    built, commit = ready.fetch(Hub(), repo, name, options.out or models_folder() / model / Path(name).name)
    return _record(model, built, f"{repo}@{commit}", options)


def _target(name: str, scheme: str, options: BuildOptions) -> Path:
    if options.out is None:
        lock.read_built(models_folder())  # refuses a broken record before the work, not after it
    target = options.out or models_folder() / name / f"{name}-{scheme}.gguf"
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _record(name: str, built: Built, source: str, options: BuildOptions) -> BuiltFile:
    """The record of a file, kept where the file lies in the models folder."""
    record = lock.BuiltFile(name, built.scheme, str(built.path), built.sha256, built.bytes, source)
    if options.out is None:
        record = replace(record, file=built.path.relative_to(models_folder()).as_posix())
        lock.record_built(models_folder(), record)
    return record
