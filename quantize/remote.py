"""A published model and a scheme -> one verified GGUF, with no more of the model on disk than one shard.

The shards come one after another; each is checked, quantized to its place in the output, and dropped. A journal
beside the unfinished output notes what is done, so an interrupted build goes on at the next shard.
Knows nothing about judging, and prints nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from quantize import architectures, build, checkpoint, config, container, digest, imatrix, pack, schemes, verify
from quantize.architectures.blueprint import Blueprint
from quantize.build import Built, Progress
from quantize.config import Config
from quantize.errors import CheckpointError, LockError, PackError, SourceError, SourceInterrupted
from quantize.imatrix import Imatrix
from quantize.lock import LockedModel, replace_text
from quantize.metadata import Provenance
from quantize.source import Hub, RemoteFile
from quantize.vocab import read_vocabulary

SMALL_FILES = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", *checkpoint.INDEXES,
)  # fmt: skip
_UNFINISHED = "unfinished.gguf"


@dataclass(frozen=True, slots=True)
class Options:
    """How to build: who builds, whether fetched weights are kept, an importance matrix, threads, who is told."""

    tool: str | None = None
    keep_source: bool = False
    importance: Path | None = None
    threads: int | None = None
    progress: Callable[[Progress], None] | None = None


@dataclass(frozen=True, slots=True)
class _Shard:
    file: RemoteFile
    sources: frozenset[str]  # the checkpoint's tensors that the index puts there


@dataclass(frozen=True, slots=True)
class _Work:
    """One build: what is to be written, from where, and what was decided about it."""

    model: LockedModel
    blueprint: Blueprint
    planned: schemes.Plan
    shards: tuple[_Shard, ...]
    header: tuple[container.Placed, ...]
    keys: tuple[str, ...]
    weighting: Imatrix | None
    folder: Path

    @property
    def partial(self) -> Path:
        return self.folder / _UNFINISHED


def quantize(hub: Hub, model: LockedModel, scheme: str, out: Path, options: Options | None = None) -> Built:
    """Build `out` from a published model. The same input gives the same bytes as building from its folder.

    Raises a QuantizeError that names what is wrong; then nothing is left, except after SourceInterrupted or an
    interrupt: then the finished part waits beside `out`, and the same call goes on from it.
    """
    options = options or Options()
    schemes.canonical(scheme)
    if model.repo is None or model.commit is None:
        raise SourceError(f"{model.name} is not published; give its checkpoint folder")
    if model.config:  # refuse what cannot work before anything is fetched
        architectures.blueprint(Config(model.config, f"models.lock, {model.name}"))
    with _workshop(out) as folder:
        listing = hub.listing(model.repo, model.commit, model.acceptance)
        work = _prepare(hub, model, scheme, listing, folder, out, options)
        _write_shards(hub, work, options)
        verified = verify.verify(work.partial, work.header, work.keys)
        os.replace(work.partial, out)
        build.sync_folder(out.parent)
    return Built(out, verified.sha256, verified.bytes, work.planned.scheme, work.planned.types)


def describe(hub: Hub, repo: str, revision: str = "main") -> LockedModel:
    """A model that is not in models.lock, pinned to the commit its revision has now; its weights are not fetched."""
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


def _prepare(
    hub: Hub,
    model: LockedModel,
    scheme: str,
    listing: Mapping[str, RemoteFile],
    folder: Path,
    out: Path,
    options: Options,
) -> _Work:
    source = folder / "source"
    _fetch_small(hub, model, listing, source, "config.json")
    settings = config.read(source)
    _check_lock(model, settings)
    blueprint = architectures.blueprint(settings)
    weighting = imatrix.read(options.importance) if options.importance else None
    planned = build.plan(blueprint, scheme, weighting)
    _fetch_small(hub, model, listing, source, *SMALL_FILES)
    shards = _shards(model, listing, source, blueprint)
    largest = max((shard.file.bytes or 0 for shard in shards), default=0)
    build.check_room(out.parent, schemes.planned_bytes(blueprint, planned) + largest - _occupied(folder))
    vocabulary = read_vocabulary(source, blueprint.vocabulary)
    hashes = [(s.file.name, s.file.sha256) for s in shards if s.file.sha256 is not None]
    origin = Provenance(
        model.repo, model.commit, model.license or None,
        digest.combined(hashes) if len(hashes) == len(shards) else None,
        options.tool, hub.prompt(model.prompt) if model.prompt else None,
    )  # fmt: skip
    fields = build.fields(model.name, blueprint, planned, origin, weighting, vocabulary)
    header = build.start(folder / "new.gguf", blueprint, planned, fields)
    work = _Work(model, blueprint, planned, shards, header, tuple(f.key for f in fields), weighting, folder)
    _take_up(work)
    return work


def _occupied(folder: Path) -> int:
    """The disk space that an earlier, unfinished build already takes: it is not needed twice."""
    unfinished = folder / _UNFINISHED
    return getattr(unfinished.stat(), "st_blocks", 0) * 512 if unfinished.exists() else 0


def _fetch_small(hub: Hub, model: LockedModel, listing: Mapping[str, RemoteFile], source: Path, *names: str) -> None:
    """The small files that are there, copied together so that they can be read as a checkpoint folder."""
    source.mkdir(exist_ok=True)
    for name in names:
        if name in listing and not (source / name).exists():
            found = hub.fetch(str(model.repo), str(model.commit), listing[name], source, acceptance=model.acceptance)
            if found.path != source / name:
                shutil.copyfile(found.path, source / name)


def _check_lock(model: LockedModel, settings: Config) -> None:
    for key, expected in model.config.items():
        if settings.fields.get(key, expected) != expected:
            raise LockError(
                f"config.json of {model.repo} says {key} = {settings.fields[key]!r}, models.lock {expected!r}",
                "the model was changed; `edge-judge lock --check` tells more",
            )


def _shards(
    model: LockedModel, listing: Mapping[str, RemoteFile], source: Path, blueprint: Blueprint
) -> tuple[_Shard, ...]:
    """The weight files in order, each with the hash that the lock or the hub expects of it."""
    sources = {target.source for target in blueprint.targets if target.constant is None}
    placement: dict[str, str] = {}
    for index, single in zip(checkpoint.INDEXES, checkpoint.SINGLES, strict=True):
        if (source / index).exists():
            placement = checkpoint.read_index(source / index)
            break
        if single in listing:
            placement = dict.fromkeys(sources, single)
            break
    lost = sorted(sources - set(placement)) if placement else []
    missing = sorted(set(placement.values()) - set(listing))
    if not placement or lost or missing:
        what = f"tensor {lost[0]!r}" if lost else f"file {missing[0]!r}" if missing else "any weight file"
        raise CheckpointError(f"{model.repo} at {model.commit} lacks {what}")
    names = sorted(set(placement.values()))
    held = {name: frozenset(t for t, file in placement.items() if file == name) for name in names}
    return tuple(_Shard(_expected(model, listing[name]), held[name]) for name in names)


def _expected(model: LockedModel, file: RemoteFile) -> RemoteFile:
    locked = next((f.sha256 for f in model.files if f.name == file.name), None)
    if locked and file.sha256 and locked != file.sha256:
        raise LockError(f"the hub has {file.name} of {model.repo} with sha256 {file.sha256}, models.lock pins {locked}")
    return replace(file, sha256=locked or file.sha256)


def _write_shards(hub: Hub, work: _Work, options: Options) -> None:
    done = _journal(work)
    count = build.Counter(work.header, options.progress)
    constants = [t for t in work.blueprint.targets if t.constant is not None]
    pack.write_tensors(
        build.jobs(work.blueprint, {}, work.header, work.weighting, constants), work.partial, threads=options.threads
    )
    for shard in work.shards:
        targets = [t for t in work.blueprint.targets if t.constant is None and t.source in shard.sources]
        if shard.file.name in done:
            count.skip(targets)
            continue
        count.stage("fetch", shard.file.name)
        fetched = hub.fetch(
            str(work.model.repo), str(work.model.commit), shard.file, work.folder / "source",
            keep=options.keep_source, acceptance=work.model.acceptance,
        )  # fmt: skip
        tensors = {tensor.name: tensor for tensor in checkpoint.open_file(fetched.path)}
        build.check_sources(work.blueprint, tensors, fetched.path, targets)
        jobs = build.jobs(work.blueprint, tensors, work.header, work.weighting, targets)
        pack.write_tensors(jobs, work.partial, threads=options.threads, done=count)
        build.sync_file(work.partial)
        done.append(shard.file.name)
        _note(work, done)
        fetched.drop()


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """A folder beside `out` for what is unfinished; it stays only where the same build can go on later."""
    from filelock import FileLock, Timeout

    folder = out.parent / f".{out.name}.building"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise build.unwritable(out.parent, problem) from problem
    try:
        with FileLock(str(folder / "guard"), timeout=0):
            try:
                yield folder
            except SourceInterrupted:
                raise
            except Exception as problem:
                shutil.rmtree(folder, ignore_errors=True)
                if isinstance(problem, OSError):
                    raise build.unwritable(out.parent, problem) from problem
                raise
            shutil.rmtree(folder, ignore_errors=True)
    except Timeout as problem:
        raise PackError(f"{out.name} is being built by another process") from problem


def _identity(work: _Work) -> str:
    """What the finished part depends on: the whole header, and the hash of every shard."""
    with (work.folder / "new.gguf").open("rb") as stream:
        seen = hashlib.sha256(stream.read(min(t.offset for t in work.header)))
    for shard in work.shards:
        seen.update(f"{shard.file.name} {shard.file.sha256}\n".encode())
    return seen.hexdigest()


def _take_up(work: _Work) -> None:
    """Go on with an unfinished file of the very same build, or begin anew."""
    try:
        journal = json.loads((work.folder / "journal.json").read_text("utf-8"))
        same = journal["identity"] == _identity(work)
        same = same and work.partial.stat().st_size == (work.folder / "new.gguf").stat().st_size
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if same:
        (work.folder / "new.gguf").unlink()
        return
    identity = _identity(work)
    (work.folder / "journal.json").unlink(missing_ok=True)
    os.replace(work.folder / "new.gguf", work.partial)
    replace_text(work.folder / "journal.json", json.dumps({"identity": identity, "done": []}))


def _journal(work: _Work) -> list[str]:
    return list(json.loads((work.folder / "journal.json").read_text("utf-8"))["done"])


def _note(work: _Work, done: list[str]) -> None:
    journal = json.loads((work.folder / "journal.json").read_text("utf-8"))
    replace_text(work.folder / "journal.json", json.dumps(journal | {"done": done}))
