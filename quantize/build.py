"""A checkpoint folder and a scheme -> one verified GGUF file, or nothing.

Puts the other modules together. The file is written under a temporary name beside the target, synced, read
back, and only then takes its name; an error or an interrupt leaves nothing behind. Knows nothing about
judging, and prints nothing.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from quantize import architectures, checkpoint, config, container, imatrix, pack, schemes, verify
from quantize.architectures.blueprint import Blueprint, Field
from quantize.checkpoint import Checkpoint
from quantize.errors import CheckpointError, PackError
from quantize.imatrix import Imatrix
from quantize.vocab import read_vocabulary

QUANTIZATION_VERSION = 2  # of ggml's block formats, GGML_QNT_VERSION


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a checkpoint comes from, for the GGUF's metadata. What is None is left out.

    `sha256` stands for all weight files (see `weights_sha256`); without it, it is computed. `tool` is the
    name and version of the program that builds, `prompt` the prompt the model was trained to judge with.
    """

    repo: str | None = None
    commit: str | None = None
    license: str | None = None
    sha256: str | None = None
    tool: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is: `stage` is hash, pack or verify; bytes are those of the GGUF's tensors."""

    stage: str
    tensor: str
    tensors_done: int
    tensors: int
    bytes_done: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Built:
    """A finished GGUF: where it is, its hash (hex) and size in bytes, its scheme, the ggml type of each
    tensor.
    """

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

    The same input gives the same bytes.

    Raises a QuantizeError that names what is wrong; then, and on an interrupt, `out` is what it was before.
    """
    settings = config.read(folder)
    blueprint = architectures.blueprint(settings)
    weighting = imatrix.read(importance) if importance is not None else None
    planned = schemes.plan(blueprint, scheme, with_imatrix=weighting is not None)
    if weighting is None:
        schemes.require_imatrix(planned)
    else:
        schemes.require_weights(planned, weighting.columns)
    vocabulary = read_vocabulary(folder, blueprint.vocabulary)
    weights = checkpoint.open_folder(folder)
    check_sources(blueprint, weights)
    origin = provenance or Provenance()
    if origin.sha256 is None:
        origin = _with_hash(origin, weights, progress)
    general = general_fields(name, blueprint, planned, origin)
    fields = (*general, *imatrix_fields(weighting), *blueprint.fields, *vocabulary.fields())
    with _published(out) as temporary:
        shapes = {target.name: target.shape for target in blueprint.targets}
        tensors = [(tensor, shapes[tensor], kind) for tensor, kind in planned.types]
        placed = container.write_header(temporary, blueprint.architecture, fields, tensors)
        jobs = _jobs(blueprint, weights, placed, weighting)
        _pack(jobs, temporary, progress, threads)
        verified = verify.verify(temporary, placed, tuple(field.key for field in fields))
    return Built(out, verified.sha256, verified.bytes, planned.scheme, planned.types)


def general_fields(
    name: str, blueprint: Blueprint, planned: schemes.Plan, origin: Provenance
) -> tuple[Field, ...]:
    """The GGUF's general.* keys a llama.cpp user expects, and ours under edge_judge.*; no time, no path."""
    from gguf import size_label

    count = blueprint.parameters
    url = f"https://huggingface.co/{origin.repo}" if origin.repo else None
    texts = (
        ("general.type", "model"),
        ("general.name", name),
        ("general.size_label", size_label(count, count, 0, 0)),
        ("general.license", origin.license),
        ("general.source.url", url and origin.commit and f"{url}/tree/{origin.commit}"),
        ("general.source.repo_url", url),
        ("edge_judge.scheme", planned.scheme),
        ("edge_judge.source.repo", origin.repo),
        ("edge_judge.source.commit", origin.commit),
        ("edge_judge.source.sha256", origin.sha256),
        ("edge_judge.tool", origin.tool),
        ("edge_judge.prompt", origin.prompt),
    )
    return (
        *(Field(key, "string", text) for key, text in texts if text),
        Field("general.file_type", "uint32", planned.file_type),
        Field("general.quantization_version", "uint32", QUANTIZATION_VERSION),
    )


def imatrix_fields(weighting: Imatrix | None) -> tuple[Field, ...]:
    """What llama-quantize notes about an importance matrix, and its hash; its name, but not where it lay."""
    if weighting is None:
        return ()
    return (
        Field("quantize.imatrix.file", "string", weighting.path.name),
        Field("quantize.imatrix.entries_count", "uint32", len(weighting.columns)),
        Field("quantize.imatrix.chunks_count", "uint32", weighting.chunks),
        Field("edge_judge.imatrix.sha256", "string", verify.sha256(weighting.path)),
    )


def weights_sha256(hashes: Iterable[tuple[str, str]]) -> str:
    """One sha256 for several weight files: that of the lines "hash  name", sorted by name, as sha256sum
    prints them.
    """
    lines = [f"{digest}  {name}\n" for name, digest in sorted(hashes)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_sources(blueprint: Blueprint, weights: Checkpoint) -> None:
    """Raise CheckpointError where a tensor is missing or misshapen, or where one is left that the GGUF cannot
    hold.

    A tensor that nobody asks for is no detail: the model would run without it, and be wrong.
    """
    used = set()
    for target in blueprint.targets:
        if target.constant is None:
            weights.tensor(target.source, target.source_shape)
            used.add(target.source)
    tied = {"lm_head.weight"} if not any(t.name == "output.weight" for t in blueprint.targets) else set()
    left = [n for n in weights.tensors if n not in used | tied and not _ignored(n, blueprint)]
    if left:
        raise CheckpointError(
            f"tensor {left[0]!r} in {weights.tensors[left[0]].path} has no place in a GGUF "
            f"of architecture {blueprint.architecture}"
            + (f" (nor have {len(left) - 1} others)" if len(left) > 1 else ""),
            "does config.json belong to these weights?",
        )


def _ignored(name: str, blueprint: Blueprint) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in blueprint.ignored)


def _jobs(
    blueprint: Blueprint, weights: Checkpoint, placed: tuple[container.Placed, ...], weighting: Imatrix | None
) -> list[pack.Job]:
    return [
        pack.Job(
            target,
            None if target.constant is not None else weights.tensors[target.source],
            place,
            None if weighting is None else weighting.of(target.name, target.shape[-1]),
        )
        for target, place in zip(blueprint.targets, placed, strict=True)
    ]


def _pack(
    jobs: list[pack.Job], out: Path, progress: Callable[[Progress], None] | None, threads: int | None
) -> None:
    total, done, tensors = sum(job.placed.bytes for job in jobs), 0, 0

    def count(job: pack.Job) -> None:
        nonlocal done, tensors
        done, tensors = done + job.placed.bytes, tensors + 1
        if progress is not None:
            progress(Progress("pack", job.target.name, tensors, len(jobs), done, total))

    pack.write_tensors(jobs, out, threads=threads, done=count)
    with out.open("rb+") as stream:
        os.fsync(stream.fileno())


def _with_hash(
    origin: Provenance, weights: Checkpoint, progress: Callable[[Progress], None] | None
) -> Provenance:
    total, before = sum(path.stat().st_size for path in weights.files), 0
    hashes = []
    for path in weights.files:
        if progress is not None:
            progress(Progress("hash", path.name, 0, len(weights.tensors), before, total))
        hashes.append((path.name, verify.sha256(path)))
        before += path.stat().st_size
    return replace(origin, sha256=weights_sha256(hashes))


@contextmanager
def _published(out: Path) -> Iterator[Path]:
    """A temporary file beside `out` that takes its name when the block succeeds, and vanishes when it does
    not.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part")
    except OSError as problem:
        raise PackError(f"cannot write in {out.parent}: {problem.strerror or problem}") from problem
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(out.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets a folder be synced."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
