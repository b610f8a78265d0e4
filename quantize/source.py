"""Where a checkpoint comes from: a folder on this disk, or a repository on a hub.

Both have the same interface, so a build works the same way with either: first the configuration, then the small
files, then one shard after another. A folder has all its shards already. A hub's shards are fetched one at a time and
checked against the hash that models.lock or the hub gives.
Knows: checkpoints, models.lock, the hub. Does not know: how tensors are quantized, or what is written.
"""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from quantize import architectures, checkpoint, config
from quantize.architectures.blueprint import Blueprint, Target
from quantize.checkpoint import Tensor
from quantize.config import Config
from quantize.digest import sha256
from quantize.errors import CheckpointError, LockError, SourceError
from quantize.hub import Fetched, Hub
from quantize.hub_listing import RemoteFile
from quantize.lock import LockedModel
from quantize.metadata import Provenance
from quantize.progress import Progress, ProgressCallback

__all__ = ["Fetched", "FolderSource", "Hub", "HubSource", "RemoteFile", "Shard", "Source", "check_tensors", "describe"]
SMALL_FILES = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", *checkpoint.INDEXES,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shard:
    """One weight file, and the names of its tensors. sha256 (hex): None where neither the lock nor the hub gives it.

    bytes_to_fetch: 0 for a file that is on this disk, None where the hub does not give its size.
    """

    name: str
    sha256: str | None
    bytes_to_fetch: int | None
    tensors: frozenset[str]


class Source(Protocol):
    """Where a checkpoint comes from. Its methods may put fetched files into `folder`."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def resumable(self) -> bool:
        """Whether an interrupted build should be kept and resumed."""

    def check(self) -> None:
        """Raise a QuantizeError for a model that cannot be built, before anything is fetched."""

    def config(self, folder: Path) -> Config:
        """The model's configuration."""

    def small_files(self, folder: Path) -> Path:
        """The folder that holds every file but the weights."""

    def shards(self, folder: Path, blueprint: Blueprint, progress: ProgressCallback | None) -> tuple[Shard, ...]:
        """The weight files in order. Raises CheckpointError where they lack a tensor of the blueprint."""

    def provenance(self) -> Provenance:
        """Where the checkpoint was published."""

    def fetch(self, shard: Shard, folder: Path, *, keep: bool) -> Fetched:
        """The file of a shard, verified. keep: leave it in the hub's cache."""


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A checkpoint folder. Its files are read in place and never deleted."""

    path: Path
    name: str
    origin: Provenance = field(default_factory=Provenance)
    resumable: bool = field(default=False, init=False)

    def check(self) -> None:
        """Nothing to check before the folder is read."""

    def config(self, folder: Path) -> Config:
        """Read config.json. Raises ConfigError where it is missing or broken."""
        return config.read(self.path)

    def small_files(self, folder: Path) -> Path:
        """The checkpoint folder itself."""
        return self.path

    def shards(self, folder: Path, blueprint: Blueprint, progress: ProgressCallback | None) -> tuple[Shard, ...]:
        """The weight files, hashed; every tensor of every file is checked before anything is written."""
        weights = checkpoint.open_folder(self.path)
        check_tensors(blueprint, weights.tensors, self.path, blueprint.targets)
        sizes = {path: path.stat().st_size for path in weights.files}
        shards, hashed = [], 0
        for path, size in sizes.items():
            if progress is not None:
                progress(Progress("hash", path.name, 0, len(weights.tensors), hashed, sum(sizes.values())))
            names = frozenset(tensor.name for tensor in weights.tensors.values() if tensor.path == path)
            shards.append(Shard(path.name, _sha256(path), 0, names))
            hashed += size
        return tuple(shards)

    def provenance(self) -> Provenance:
        """The provenance that the caller gave."""
        return self.origin

    def fetch(self, shard: Shard, folder: Path, *, keep: bool) -> Fetched:
        """The file in the folder."""
        return Fetched(self.path / shard.name, temporary=False)


class HubSource:
    """A model at a pinned commit of a hub. Its shards are fetched one at a time."""

    resumable = True

    def __init__(self, hub: Hub, model: LockedModel) -> None:
        if model.repo is None or model.commit is None:
            raise SourceError(f"{model.name} is not published; give its checkpoint folder")
        self.name, self._hub, self._model = model.name, hub, model
        self._repo, self._commit = model.repo, model.commit

    @property
    def pin(self) -> str:
        """The repository at its commit."""
        return f"{self._repo}@{self._commit}"

    @cached_property
    def _listing(self) -> Mapping[str, RemoteFile]:
        return self._hub.listing(self._repo, self._commit, self._model.acceptance)

    def check(self) -> None:
        """Raise UnsupportedArchitectureError or ConfigError where models.lock already shows that a build must fail."""
        if self._model.config:
            architectures.blueprint(Config(self._model.config, f"models.lock, {self.name}"))

    def config(self, folder: Path) -> Config:
        """Fetch and read config.json. Raises LockError where it differs from models.lock."""
        self._fetch_small(folder, "config.json")
        settings = config.read(folder)
        for key, expected in self._model.config.items():
            if settings.fields.get(key, expected) != expected:
                raise LockError(
                    f"config.json of {self._repo} says {key} = {settings.fields[key]!r}, models.lock {expected!r}",
                    "the model was changed; `edge-judge lock --check` shows how",
                )
        return settings

    def small_files(self, folder: Path) -> Path:
        """Fetch the small files that the repository has, so that they can be read as a checkpoint folder."""
        self._fetch_small(folder, *SMALL_FILES)
        return folder

    def shards(self, folder: Path, blueprint: Blueprint, progress: ProgressCallback | None) -> tuple[Shard, ...]:
        """The weight files, each with the hash from models.lock or the hub. None is fetched yet."""
        sources = {target.source for target in blueprint.targets if target.constant is None}
        placement = self._placement(folder, sources)
        self._check_placement(placement, sources)
        tensors: dict[str, set[str]] = {name: set() for name in sorted(set(placement.values()))}
        for tensor, name in placement.items():
            tensors[name].add(tensor)
        return tuple(self._shard(self._listing[name], frozenset(names)) for name, names in tensors.items())

    def provenance(self) -> Provenance:
        """Repository, commit, licence, and the prompt that the model was trained to judge with."""
        prompt = self._hub.prompt(self._model.prompt) if self._model.prompt else None
        return Provenance(self._repo, self._commit, self._model.license or None, prompt=prompt)

    def fetch(self, shard: Shard, folder: Path, *, keep: bool) -> Fetched:
        """Fetch a shard and check its hash. Raises SourceError and SourceInterruptedError."""
        file = RemoteFile(shard.name, shard.bytes_to_fetch, shard.sha256)
        return self._hub.fetch(self._repo, self._commit, file, folder, keep=keep, acceptance=self._model.acceptance)

    def _fetch_small(self, folder: Path, *names: str) -> None:
        folder.mkdir(exist_ok=True)
        for name in names:
            if name in self._listing and not (folder / name).exists():
                fetched = self._hub.fetch(
                    self._repo, self._commit, self._listing[name], folder, acceptance=self._model.acceptance
                )
                if fetched.path.resolve() != (folder / name).resolve():  # huggingface_hub's are absolute
                    shutil.copyfile(fetched.path, folder / name)

    def _placement(self, folder: Path, sources: set[str]) -> dict[str, str]:
        """Tensor name to file name, by the index, or by the one weight file that the repository has."""
        for index, single in zip(checkpoint.INDEXES, checkpoint.SINGLES, strict=True):
            if (folder / index).exists():
                return checkpoint.read_index(folder / index)
            if single in self._listing:
                return dict.fromkeys(sources, single)
        return {}

    def _check_placement(self, placement: Mapping[str, str], sources: set[str]) -> None:
        """Raise CheckpointError where a tensor or a weight file is missing."""
        tensors = sorted(sources - set(placement)) if placement else []
        files = sorted(set(placement.values()) - set(self._listing))
        if not placement or tensors or files:
            what = f"tensor {tensors[0]!r}" if tensors else f"file {files[0]!r}" if files else "any weight file"
            raise CheckpointError(f"{self._repo} at {self._commit} lacks {what}")

    def _shard(self, file: RemoteFile, tensors: frozenset[str]) -> Shard:
        locked = next((pinned.sha256 for pinned in self._model.files if pinned.name == file.name), None)
        if locked and file.sha256 and locked != file.sha256:
            raise LockError(
                f"the hub has {file.name} of {self._repo} with sha256 {file.sha256}, models.lock pins {locked}"
            )
        return Shard(file.name, locked or file.sha256, file.bytes, tensors)


def describe(hub: Hub, repo: str, revision: str = "main") -> LockedModel:
    """A model that is not in models.lock, pinned to the current commit of a revision. No weights are fetched."""
    return LockedModel(
        name=repo.rpartition("/")[2].lower(),
        architecture="",
        model_class="",
        parameters=None,
        license="",
        protocol="pairwise",
        config={},
        repo=repo,
        commit=hub.commit(repo, revision),
    )


def check_tensors(blueprint: Blueprint, tensors: Mapping[str, Tensor], where: Path, targets: Sequence[Target]) -> None:
    """Check that a folder or shard holds every source tensor of `targets`, and none without a place in the GGUF.

    A model that is converted without one of its tensors runs and gives wrong results. Raises CheckpointError naming
    the tensor.
    """
    for target in targets:
        if target.constant is None:
            checkpoint.pick(tensors, target.source, target.source_shape, where)
    used = {target.source for target in blueprint.targets}
    if not any(target.name == "output.weight" for target in blueprint.targets):
        used.add("lm_head.weight")  # a tied head is a copy of the embedding
    unused = [name for name in tensors if name not in used and not _ignored(name, blueprint)]
    if unused:
        more = f" (nor have {len(unused) - 1} others)" if len(unused) > 1 else ""
        raise CheckpointError(
            f"tensor {unused[0]!r} in {tensors[unused[0]].path} has no place in a GGUF "
            f"of architecture {blueprint.architecture}{more}",
            "does config.json belong to these weights?",
        )


def _ignored(name: str, blueprint: Blueprint) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in blueprint.ignored)


def _sha256(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as problem:
        raise CheckpointError(f"cannot read {path}: {problem.strerror or problem}") from problem
