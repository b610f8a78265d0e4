"""A model named by a user becomes a verified GGUF file, recorded where it lies in the models folder.

Knows: which source a model's name means, and the record of what was built. Does not know: how a file is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edge_judge.errors import ModelError, UsageError
from edge_judge.records import BuildProgress, ProgressListener
from edge_judge.version import __version__
from edge_judge.workflows.model_files import SHIPPED, built_schemes, checkpoint_source, models_folder
from edge_judge.workflows.options import QuantizeSettings
from quantize import build, lock, ready, schemes
from quantize.build import BuildOptions, Built
from quantize.lock import BuiltFile, LockedModel
from quantize.metadata import Provenance
from quantize.progress import Progress
from quantize.source import FolderSource, Hub, HubSource, Source, describe

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
    if out is not None and out.exists() and not out.is_file():  # a rename would put the file in a device's place
        raise UsageError(f"{out}: no ordinary file, so it will not be replaced", "--out takes the name of a file")
    options = BuildOptions(out=out, imatrix=settings.imatrix, keep_source=settings.keep_source)
    if settings.gguf_file is not None:
        built = _take_ready(model, settings.gguf_file, options)
    elif scheme is None:
        raise UsageError("no scheme is named", f"say for example: edge-judge quantize {model} q4_k_m")
    else:
        built = _build(model, schemes.canonical(scheme), options, listener)
    return QuantizedModel(built.model, built.scheme, out or models_folder() / built.file, built.sha256, built.bytes)


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
            f"edge-judge quantize {model.name} {scheme} --imatrix FILE builds it",
        )
    return _build_folder(SHIPPED[model.local], model.name, scheme, BuildOptions(), model.license)


def build_callback(listener: ProgressListener) -> Callable[[Progress], None]:
    """Passes on to a listener how far a build is."""

    def tell(now: Progress) -> None:
        listener.build(BuildProgress(now.stage, now.tensors_done, now.tensors, now.bytes_done, now.bytes))

    return tell


def _build(model: str, scheme: str, options: BuildOptions, listener: ProgressListener) -> BuiltFile:
    options = replace(options, progress=build_callback(listener))
    with listener.task(f"{model} {scheme}"):
        if Path(model).is_dir():
            return _build_folder(Path(model), Path(model).resolve().name, scheme, options)
        models = lock.read()
        if model.count("/") == 1 and model not in {locked.name for locked in models.models}:
            return _build_from_hub(describe(Hub(), model), scheme, options)
        locked = models.model(model)
        if locked.local is not None:
            return _build_folder(SHIPPED[locked.local], model, scheme, options, locked.license)
        return _build_from_hub(locked, scheme, options)


def _build_folder(folder: Path, name: str, scheme: str, options: BuildOptions, license: str | None = None) -> BuiltFile:
    built = _build_from(FolderSource(folder, name, Provenance(license=license)), scheme, options)
    return _record(name, built, checkpoint_source(name, folder), options)


def _build_from_hub(model: LockedModel, scheme: str, options: BuildOptions) -> BuiltFile:
    built = _build_from(HubSource(Hub(), model), scheme, options)
    return _record(model.name, built, f"{model.repo}@{model.commit}", options)


def _build_from(source: Source, scheme: str, options: BuildOptions) -> Built:
    target = _target(source.name, scheme, options)
    return build.quantize(source, scheme, replace(options, out=target, tool=TOOL))


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
