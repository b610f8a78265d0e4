"""A checkpoint folder and a scheme -> one verified GGUF file, or nothing.

Puts the other modules together. The file is written under a temporary name beside the target, synced, read
back, and only then takes its name; an error or an interrupt leaves nothing behind. Knows nothing about
judging, and prints nothing.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from quantize import architectures, checkpoint, config, container, imatrix, pack, schemes, verify
from quantize.architectures.blueprint import Blueprint, Field, Target
from quantize.checkpoint import Checkpoint, Tensor
from quantize.container import Placed
from quantize.digest import combined, sha256
from quantize.errors import CheckpointError, PackError
from quantize.imatrix import Imatrix
from quantize.metadata import Provenance, general_fields, imatrix_fields
from quantize.vocab import Vocabulary, read_vocabulary

SLACK_BYTES = 64 << 20
MEMORY_BYTES = 256 << 20
__all__ = ["Built", "Counter", "Progress", "Provenance", "quantize"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is: `stage` is hash, fetch or pack; bytes are those of the GGUF's tensors."""

    stage: str
    tensor: str
    tensors_done: int
    tensors: int
    bytes_done: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Built:
    """A finished GGUF: where it is, its hash (hex) and size in bytes, its scheme, the ggml type of each tensor."""

    path: Path
    sha256: str
    bytes: int
    scheme: str
    tensors: tuple[tuple[str, str], ...]


def quantize(
    folder: Path,
    scheme: str,
    out: Path,
    *,
    name: str,
    provenance: Provenance | None = None,
    progress: Callable[[Progress], None] | None = None,
    threads: int | None = None,
    importance: Path | None = None,
) -> Built:
    """Build `out` from the checkpoint in `folder`, weighted by an importance matrix file where one is given.

    The same input gives the same bytes. Raises a QuantizeError that names what is wrong; then, and on an
    interrupt, `out` is what it was before.
    """
    blueprint = architectures.blueprint(config.read(folder))
    weighting = imatrix.read(importance) if importance is not None else None
    planned = plan(blueprint, scheme, weighting)
    vocabulary = read_vocabulary(folder, blueprint.vocabulary)
    weights = checkpoint.open_folder(folder)
    check_sources(blueprint, weights.tensors, folder, blueprint.targets)
    origin = provenance or Provenance()
    if origin.sha256 is None:
        origin = _with_hash(origin, weights, progress)
    keys = fields(name, blueprint, planned, origin, weighting, vocabulary)
    with published(out) as temporary:
        check_room(out.parent, schemes.planned_bytes(blueprint, planned))
        header = start(temporary, blueprint, planned, keys)
        todo = jobs(blueprint, weights.tensors, header, weighting, blueprint.targets)
        pack.write_tensors(todo, temporary, threads=threads, done=Counter(header, progress))
        sync_file(temporary)
        verified = verify.verify(temporary, header, tuple(field.key for field in keys))
    return Built(out, verified.sha256, verified.bytes, planned.scheme, planned.types)


def plan(blueprint: Blueprint, scheme: str, weighting: Imatrix | None) -> schemes.Plan:
    """The type of every tensor; raises ImatrixNeeded where the scheme needs importances that are not there."""
    planned = schemes.plan(blueprint, scheme, with_imatrix=weighting is not None)
    if weighting is None:
        schemes.require_imatrix(planned)
    else:
        schemes.require_weights(planned, weighting.columns)
    return planned


def fields(
    name: str,
    blueprint: Blueprint,
    planned: schemes.Plan,
    origin: Provenance,
    weighting: Imatrix | None,
    vocabulary: Vocabulary,
) -> tuple[Field, ...]:
    """Every key of the GGUF, in the order they are written."""
    general = general_fields(name, blueprint, planned, origin)
    return (*general, *imatrix_fields(weighting), *blueprint.fields, *vocabulary.fields())


def start(path: Path, blueprint: Blueprint, planned: schemes.Plan, keys: tuple[Field, ...]) -> tuple[Placed, ...]:
    """Write the header of the GGUF and make room for its tensors; tells where each belongs."""
    shapes = {target.name: target.shape for target in blueprint.targets}
    tensors = [(name, shapes[name], kind) for name, kind in planned.types]
    return container.write_header(path, blueprint.architecture, keys, tensors)


def check_sources(blueprint: Blueprint, tensors: Mapping[str, Tensor], where: Path, targets: Sequence[Target]) -> None:
    """Check that a folder, or one shard, holds what these targets need, and nothing the GGUF has no place for.

    A tensor that nobody asks for is no detail: the model would run without it, and be wrong. Raises
    CheckpointError naming the tensor.
    """
    for target in targets:
        if target.constant is None:
            checkpoint.pick(tensors, target.source, target.source_shape, where)
    used = {target.source for target in blueprint.targets}
    if not any(target.name == "output.weight" for target in blueprint.targets):
        used.add("lm_head.weight")  # a tied head is a copy of the embedding
    left = [name for name in tensors if name not in used and not _ignored(name, blueprint)]
    if left:
        more = f" (nor have {len(left) - 1} others)" if len(left) > 1 else ""
        raise CheckpointError(
            f"tensor {left[0]!r} in {tensors[left[0]].path} has no place in a GGUF "
            f"of architecture {blueprint.architecture}{more}",
            "does config.json belong to these weights?",
        )


def jobs(
    blueprint: Blueprint,
    tensors: Mapping[str, Tensor],
    header: tuple[Placed, ...],
    weighting: Imatrix | None,
    targets: Sequence[Target],
) -> list[pack.Job]:
    """What is to be written for these targets, in file order."""
    wanted = {target.name for target in targets}
    return [
        pack.Job(
            target,
            None if target.constant is not None else tensors[target.source],
            place,
            None if weighting is None else weighting.of(target.name, target.shape[-1]),
        )
        for target, place in zip(blueprint.targets, header, strict=True)
        if target.name in wanted
    ]


class Counter:
    """Counts what is written and tells whoever wants to know."""

    def __init__(self, header: tuple[Placed, ...], progress: Callable[[Progress], None] | None) -> None:
        self._sizes = {placed.name: placed.bytes for placed in header}
        self._total, self._progress = sum(self._sizes.values()), progress
        self._bytes = self._tensors = 0

    def __call__(self, job: pack.Job) -> None:
        """One more tensor is written."""
        self.skip([job.target])
        self.stage("pack", job.target.name)

    def skip(self, targets: Sequence[Target]) -> None:
        """These were written before."""
        self._bytes += sum(self._sizes[target.name] for target in targets)
        self._tensors += len(targets)

    def stage(self, stage: str, what: str) -> None:
        """Tell what is done now, and how far the whole is."""
        if self._progress is not None:
            self._progress(Progress(stage, what, self._tensors, len(self._sizes), self._bytes, self._total))


def check_room(folder: Path, need: int) -> None:
    """Refuse before the first byte what would fail in the middle: too little disk (bytes needed) or memory."""
    import psutil

    need += SLACK_BYTES
    free = shutil.disk_usage(folder).free
    if free < need:
        raise PackError(
            f"{folder} has {free / 1e9:.1f} GB free, this build needs {need / 1e9:.1f} GB",
            "free some space, take a smaller scheme, or build on another disk with --out",
        )
    available = psutil.virtual_memory().available
    if available < MEMORY_BYTES:
        raise PackError(
            f"{available / 1e9:.1f} GB of memory are available, a build needs {MEMORY_BYTES / 1e9:.1f} GB",
            "close other programs",
        )


def unwritable(folder: Path, problem: OSError) -> PackError:
    """The error for an output folder that cannot be written to."""
    return PackError(f"cannot write in {folder}: {problem.strerror or problem}", "is there room on the disk?")


def sync_file(path: Path) -> None:
    """Make what was written to a file last through a power cut."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _ignored(name: str, blueprint: Blueprint) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in blueprint.ignored)


def _with_hash(origin: Provenance, weights: Checkpoint, progress: Callable[[Progress], None] | None) -> Provenance:
    total, before = sum(path.stat().st_size for path in weights.files), 0
    hashes = []
    for path in weights.files:
        if progress is not None:
            progress(Progress("hash", path.name, 0, len(weights.tensors), before, total))
        hashes.append((path.name, sha256(path)))
        before += path.stat().st_size
    return replace(origin, sha256=combined(hashes))


@contextmanager
def published(out: Path) -> Iterator[Path]:
    """A temporary file beside `out` that takes its name when the block succeeds, and vanishes when it does not."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part")
    except OSError as problem:
        raise unwritable(out.parent, problem) from problem
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, out)
    except BaseException as problem:
        Path(name).unlink(missing_ok=True)
        if isinstance(problem, OSError):
            raise unwritable(out.parent, problem) from problem
        raise
    sync_folder(out.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets a folder be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
