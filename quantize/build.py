"""A checkpoint and a scheme -> one verified GGUF file, or nothing.

Combines the other modules. Shard after shard is fetched where needed, checked, quantized into the output, and deleted
if it was fetched. The file is written in a build folder beside the output, read back, and only then renamed. An
interrupted build from a hub resumes at the next shard.
Knows: every other module here. Does not know: who calls it. Prints nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from quantize import architectures, build_folder, checkpoint, container, digest, imatrix, pack, schemes, verify
from quantize.architectures.blueprint import Blueprint, Field, Target
from quantize.atomic import publish, sync_file
from quantize.build_folder import BuildFolder
from quantize.checkpoint import Tensor
from quantize.container import Placed
from quantize.disk import check_disk, check_memory
from quantize.errors import SchemeError
from quantize.imatrix import Imatrix
from quantize.metadata import general_fields, imatrix_fields
from quantize.progress import Counter, Progress, ProgressCallback
from quantize.source import Fetched, FolderSource, HubSource, Shard, Source, check_tensors
from quantize.vocab import read_vocabulary

__all__ = ["BuildOptions", "Built", "FolderSource", "HubSource", "Progress", "quantize"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How to build.

    out: the GGUF file; None for NAME-SCHEME.gguf in the current folder. imatrix: an importance matrix.
    keep_source: leave fetched weights in the hub's cache. tool: name and version of the building program, for the
    GGUF's metadata. threads: None for one per core.
    """

    out: Path | None = None
    imatrix: Path | None = None
    keep_source: bool = False
    tool: str | None = None
    threads: int | None = None
    progress: ProgressCallback | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A finished GGUF: sha256 in hex, size in bytes, name and ggml type of each tensor."""

    path: Path
    sha256: str
    bytes: int
    scheme: str
    tensors: tuple[tuple[str, str], ...]


def quantize(source: Source, scheme: str, options: BuildOptions | None = None) -> Built:
    """Build a GGUF file. The same checkpoint gives the same bytes from any source.

    Raises a QuantizeError; then, and on an interrupt, the output file is unchanged. Called again, an interrupted build
    from a hub resumes.
    """
    options = options or BuildOptions()
    scheme = schemes.canonical(scheme)
    if schemes.label(scheme) and options.imatrix is None:
        plain = schemes.base(scheme)
        raise SchemeError(f"nothing makes {scheme} differ from {plain}", f"give it --imatrix FILE, or build {plain}")
    source.check()
    out = options.out or Path(f"{source.name}-{scheme}.gguf")
    with build_folder.opened(out, resumable=source.resumable) as folder:
        build = _prepare(source, scheme, out.parent, folder, options)
        build.write()
        verified = verify.verify(folder.unfinished, build.header, build.keys)
        publish(folder.unfinished, out)
    return Built(out, verified.sha256, verified.bytes, build.planned.scheme, build.planned.types)


@dataclass(frozen=True, slots=True)
class Build:
    """One build, planned: the source, the header as written, and everything in between."""

    source: Source
    blueprint: Blueprint
    planned: schemes.Plan
    weighting: Imatrix | None
    shards: tuple[Shard, ...]
    header: tuple[Placed, ...]
    keys: tuple[str, ...]
    folder: BuildFolder
    options: BuildOptions

    def write(self) -> None:
        """Write every tensor that is not written yet, shard by shard."""
        identity = self._identity()
        finished = self.folder.resume(identity)
        counter = Counter(self.header, self.options.progress)
        self._pack({}, [target for target in self.blueprint.targets if target.constant is not None], counter)
        for shard in self.shards:
            targets = [t for t in self.blueprint.targets if t.constant is None and t.source in shard.tensors]
            if shard.name in finished:
                counter.skip(targets)
                continue
            fetched = self._write_shard(shard, targets, counter)
            finished.append(shard.name)
            self.folder.record(identity, finished)
            fetched.drop()

    def _write_shard(self, shard: Shard, targets: list[Target], counter: Counter) -> Fetched:
        if shard.bytes_to_fetch != 0:
            counter.stage("fetch", shard.name)
        fetched = self.source.fetch(shard, self.folder.source, keep=self.options.keep_source)
        tensors = {tensor.name: tensor for tensor in checkpoint.open_file(fetched.path)}
        check_tensors(self.blueprint, tensors, fetched.path, targets)
        self._pack(tensors, targets, counter)
        sync_file(self.folder.unfinished)
        return fetched

    def _pack(self, tensors: dict[str, Tensor], targets: list[Target], counter: Counter) -> None:
        places = {placed.name: placed for placed in self.header}
        jobs = [
            pack.Job(
                target,
                None if target.constant is not None else tensors[target.source],
                places[target.name],
                None if self.weighting is None else self.weighting.of(target.name, target.shape[-1]),
            )
            for target in targets
        ]
        pack.write_tensors(
            jobs, self.folder.unfinished, threads=self.options.threads, done=lambda job: counter.written(job.target)
        )

    def _identity(self) -> str:
        """A hash of what the finished part depends on: the whole header, and the hash of every shard."""
        with self.folder.empty.open("rb") as stream:
            hasher = hashlib.sha256(stream.read(min(placed.offset for placed in self.header)))
        for shard in self.shards:
            hasher.update(f"{shard.name} {shard.sha256}\n".encode())
        return hasher.hexdigest()


def _prepare(source: Source, scheme: str, out_folder: Path, folder: BuildFolder, options: BuildOptions) -> Build:
    """Plan everything and write the header, before the first shard."""
    blueprint = architectures.blueprint(source.config(folder.source))
    weighting = imatrix.read(options.imatrix) if options.imatrix is not None else None
    planned = _plan(blueprint, scheme, weighting)
    vocabulary = read_vocabulary(source.small_files(folder.source), blueprint.vocabulary)
    shards = source.shards(folder.source, blueprint, options.progress)
    largest = max(shard.bytes_to_fetch or 0 for shard in shards)
    _check_room(out_folder, schemes.planned_bytes(blueprint, planned) + largest - folder.occupied())
    hashes = [(shard.name, shard.sha256) for shard in shards if shard.sha256 is not None]
    origin = replace(source.provenance(), sha256=digest.combined(hashes) if len(hashes) == len(shards) else None)
    keys = (
        *general_fields(source.name, blueprint, planned, origin, options.tool),
        *imatrix_fields(weighting),
        *blueprint.fields,
        *vocabulary.fields(),
    )
    header = write_header(folder.empty, blueprint, planned, keys)
    names = tuple(field.key for field in keys)
    return Build(source, blueprint, planned, weighting, shards, header, names, folder, options)


def _plan(blueprint: Blueprint, scheme: str, weighting: Imatrix | None) -> schemes.Plan:
    """The type of every tensor. Raises ImatrixNeededError where the scheme needs importances that are missing."""
    planned = schemes.plan(blueprint, scheme, with_imatrix=weighting is not None)
    if weighting is None:
        schemes.require_imatrix(planned)
    else:
        schemes.require_weights(planned, weighting.columns)
    return planned


def _check_room(folder: Path, need: int) -> None:
    hint = "free some space, take a smaller scheme, or build on another disk with --out"
    check_disk(folder, need, "this build needs", hint)
    check_memory()


def write_header(
    path: Path, blueprint: Blueprint, planned: schemes.Plan, keys: tuple[Field, ...]
) -> tuple[Placed, ...]:
    """Write the header of the GGUF and a hole for its tensors. Returns the place of each."""
    shapes = {target.name: target.shape for target in blueprint.targets}
    tensors = [(name, shapes[name], kind) for name, kind in planned.types]
    return container.write_header(path, blueprint.architecture, keys, tensors)
