"""A checkpoint and a scheme -> one verified GGUF file, or nothing.

Puts the other modules together. The shards of the source come one after another; each is checked, quantized to its
place in the output, and dropped if it was fetched. The file is written in a workshop beside the target, read back,
and only then takes its name. An interrupted build from a hub goes on at the next shard.
Knows: every other module here. Does not know: who calls it; it prints nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from quantize import architectures, checkpoint, container, digest, imatrix, pack, schemes, verify, workshop
from quantize.architectures.blueprint import Blueprint, Field, Target
from quantize.atomic import publish, sync_file
from quantize.checkpoint import Tensor
from quantize.container import Placed
from quantize.disk import check_disk, check_memory
from quantize.imatrix import Imatrix
from quantize.metadata import general_fields, imatrix_fields
from quantize.progress import Counter, Progress, ProgressCallback
from quantize.source import Fetched, FolderSource, HubSource, Shard, Source, check_tensors
from quantize.vocab import read_vocabulary
from quantize.workshop import Workshop

__all__ = ["BuildOptions", "Built", "FolderSource", "HubSource", "Progress", "quantize"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How to build.

    out: the GGUF file; without it, NAME-SCHEME.gguf in the current folder. imatrix: a file of importances.
    keep_source: fetched weights stay in the hub's cache. tool: the program that builds, noted in the file.
    """

    out: Path | None = None
    imatrix: Path | None = None
    keep_source: bool = False
    tool: str | None = None
    threads: int | None = None
    progress: ProgressCallback | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A finished GGUF: where it is, its hash (hex) and size in bytes, its scheme, the ggml type of each tensor."""

    path: Path
    sha256: str
    bytes: int
    scheme: str
    tensors: tuple[tuple[str, str], ...]


def quantize(source: Source, scheme: str, options: BuildOptions | None = None) -> Built:
    """Build a GGUF file. The same checkpoint gives the same bytes, whatever source it comes from.

    Raises a QuantizeError that names what is wrong; then, and on an interrupt, the output is what it was before. A
    build from a hub that was interrupted goes on when it is called again.
    """
    options = options or BuildOptions()
    scheme = schemes.canonical(scheme)
    source.check()
    out = options.out or Path(f"{source.name}-{scheme}.gguf")
    with workshop.opened(out, resumable=source.resumable) as shop:
        build = _prepare(source, scheme, out.parent, shop, options)
        build.write()
        verified = verify.verify(shop.unfinished, build.header, build.keys)
        publish(shop.unfinished, out)
    return Built(out, verified.sha256, verified.bytes, build.planned.scheme, build.planned.types)


@dataclass(frozen=True, slots=True)
class Build:
    """One build: what is to be written, from where, and what was decided about it."""

    source: Source
    blueprint: Blueprint
    planned: schemes.Plan
    weighting: Imatrix | None
    shards: tuple[Shard, ...]
    header: tuple[Placed, ...]
    keys: tuple[str, ...]
    shop: Workshop
    options: BuildOptions

    def write(self) -> None:
        """Write every tensor that is not written yet, shard by shard."""
        identity = self._identity()
        done = self.shop.take_up(identity)
        counter = Counter(self.header, self.options.progress)
        self._pack({}, [target for target in self.blueprint.targets if target.constant is not None], counter)
        for shard in self.shards:
            targets = [t for t in self.blueprint.targets if t.constant is None and t.source in shard.tensors]
            if shard.name in done:
                counter.skip(targets)
                continue
            fetched = self._write_shard(shard, targets, counter)
            done.append(shard.name)
            self.shop.note(identity, done)
            fetched.drop()

    def _write_shard(self, shard: Shard, targets: list[Target], counter: Counter) -> Fetched:
        if shard.bytes_to_fetch != 0:
            counter.stage("fetch", shard.name)
        fetched = self.source.fetch(shard, self.shop.source, keep=self.options.keep_source)
        tensors = {tensor.name: tensor for tensor in checkpoint.open_file(fetched.path)}
        check_tensors(self.blueprint, tensors, fetched.path, targets)
        self._pack(tensors, targets, counter)
        sync_file(self.shop.unfinished)
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
            jobs, self.shop.unfinished, threads=self.options.threads, done=lambda job: counter.written(job.target)
        )

    def _identity(self) -> str:
        """What the finished part depends on: the whole header, and the hash of every shard."""
        with self.shop.fresh.open("rb") as stream:
            whole = hashlib.sha256(stream.read(min(placed.offset for placed in self.header)))
        for shard in self.shards:
            whole.update(f"{shard.name} {shard.sha256}\n".encode())
        return whole.hexdigest()


def _prepare(source: Source, scheme: str, place: Path, shop: Workshop, options: BuildOptions) -> Build:
    """Decide everything and write the header, before the first shard. place: the folder of the output."""
    blueprint = architectures.blueprint(source.config(shop.source))
    weighting = imatrix.read(options.imatrix) if options.imatrix is not None else None
    planned = _plan(blueprint, scheme, weighting)
    small = source.small_files(shop.source)
    vocabulary = read_vocabulary(small, blueprint.vocabulary)
    shards = source.shards(shop.source, blueprint, options.progress)
    largest = max(shard.bytes_to_fetch or 0 for shard in shards)
    _check_room(place, schemes.planned_bytes(blueprint, planned) + largest - shop.occupied())
    hashes = [(shard.name, shard.sha256) for shard in shards if shard.sha256 is not None]
    origin = replace(source.provenance(), sha256=digest.combined(hashes) if len(hashes) == len(shards) else None)
    keys = (
        *general_fields(source.name, blueprint, planned, origin, options.tool),
        *imatrix_fields(weighting),
        *blueprint.fields,
        *vocabulary.fields(),
    )
    header = write_header(shop.fresh, blueprint, planned, keys)
    names = tuple(field.key for field in keys)
    return Build(source, blueprint, planned, weighting, shards, header, names, shop, options)


def _plan(blueprint: Blueprint, scheme: str, weighting: Imatrix | None) -> schemes.Plan:
    """The type of every tensor. Raises ImatrixNeededError where the scheme needs importances that are not there."""
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
    """Write the header of the GGUF and make room for its tensors. Returns where each belongs."""
    shapes = {target.name: target.shape for target in blueprint.targets}
    tensors = [(name, shapes[name], kind) for name, kind in planned.types]
    return container.write_header(path, blueprint.architecture, keys, tensors)
