"""Judging on several machines: the coordinator's engine, and a worker's process.

Knows: options, the models folder. Does not know: how work is divided, how machines talk.
"""

from __future__ import annotations

import os
import socket
from contextlib import AbstractContextManager, closing, nullcontext
from functools import cache
from pathlib import Path

from edge_judge import quantities
from edge_judge.engine import Engine
from edge_judge.engine.cluster import pool
from edge_judge.engine.cluster.bench import Bench
from edge_judge.engine.cluster.engine import ClusterEngine, Known, shares_json
from edge_judge.engine.cluster.proof import Wanted
from edge_judge.engine.shared_folder import SharedFolderEngine
from edge_judge.errors import ModelError, UsageError
from edge_judge.quantities import counted
from edge_judge.records import Judge, Limits, ProgressListener, split_files
from edge_judge.runs.folder import RunFolder, noted
from edge_judge.workflows.build import quantize
from edge_judge.workflows.judges import find_judge
from edge_judge.workflows.options import ClusterOptions, JudgeOptions, WorkerSettings
from quantize import digest

ALONE = "--tls-ca, --tls-cert, --tls-key and --insecure do nothing without --cluster"
MACHINES = "machines"  # in run.json: what each machine did


def cluster_engine(
    judge: Judge, options: ClusterOptions, limits: Limits, listener: ProgressListener, threads: int | None = None
) -> Engine | None:
    """The engine of a cluster, or of a shared folder; None where this machine judges alone."""
    if options.shared_folder is not None:
        if options != ClusterOptions(shared_folder=options.shared_folder):
            raise UsageError(
                "--shared-folder does not go with --cluster or TLS", "leave them out: it needs no scheduler"
            )
        return SharedFolderEngine(judge, options.shared_folder, socket.gethostname(), threads=threads, limits=limits)
    if options.cluster is None:
        if options != ClusterOptions():
            raise UsageError(ALONE, "add --cluster tcp://HOST:PORT, the address to listen on")
        return None
    return ClusterEngine(judge, pool.DaskPool(_address(options)), limits, listener)


class Machines:
    """The machines that judge, one judge after another. Close it when no more is to be judged."""

    def __init__(self, options: ClusterOptions, limits: Limits, listener: ProgressListener) -> None:
        if options.shared_folder is not None:
            raise UsageError("--shared-folder works with eval alone", "use --cluster to judge on several machines")
        self._pool = pool.DaskPool(_address(options))
        self._limits, self._listener = limits, listener
        self._known = Known()

    def engine(self, judge: Judge) -> ClusterEngine:
        """For a judge whose file is on this machine."""
        return ClusterEngine(judge, self._pool, self._limits, self._listener, self._known)

    def close(self) -> None:
        self._pool.close()


def machines(
    options: ClusterOptions, limits: Limits, listener: ProgressListener
) -> AbstractContextManager[Machines | None]:
    """The machines for as long as they are needed; None where this one judges alone."""
    if options == ClusterOptions():
        return nullcontext()
    if options.cluster is None and options.shared_folder is None:
        raise UsageError(ALONE, "add --cluster tcp://HOST:PORT, the address to listen on")
    return closing(Machines(options, limits, listener))


def note_machines(folder: RunFolder, engine: Engine) -> None:
    """Note in a run's folder what each machine did for it, with what it did before."""
    if isinstance(engine, ClusterEngine) and engine.machines:
        before, done = noted(folder.path, MACHINES) or {}, shares_json(engine.machines)
        for name in before.keys() & done.keys():
            done[name] = {figure: before[name].get(figure, 0) + value for figure, value in done[name].items()}
        folder.add(MACHINES, {**before, **done})
        engine.machines.clear()


def worker(
    cluster: ClusterOptions,
    settings: WorkerSettings = WorkerSettings(),
    limits: Limits = Limits(),
    listener: ProgressListener = ProgressListener(),
) -> None:
    """Judge for the coordinators at an address, one after another, until interrupted."""
    address = _address(cluster)
    address.check()  # before anything is said
    name = settings.name or socket.gethostname()
    bench = Bench(name, Finder(settings, listener).find, threads=settings.threads, limits=limits, note=listener.note)
    may = "downloads and builds" if settings.build else "does not download"
    listener.note(f"{name}: {counted(os.cpu_count() or 1, 'core')}; {may} a judge that is not here")
    try:
        pool.serve(address, bench, listener.note)
    finally:
        bench.close()


class Finder:
    """Finds the file of a judge on this machine, by its hash."""

    def __init__(self, settings: WorkerSettings, listener: ProgressListener) -> None:
        self._settings, self._listener = settings, listener
        self._sha256 = cache(lambda path, size, changed: digest.of_files(split_files(path)))

    def find(self, wanted: Wanted) -> tuple[Path, str]:
        """The file, and its hash as computed. Raises ModelError if it is not here and may not, or cannot, be made."""
        for path in self._settings.ggufs:
            if _size(path) == wanted.bytes and self._hash(path) == wanted.sha256:
                return path, wanted.sha256
        path = self._built(wanted)
        return path, self._hash(path)

    def _built(self, wanted: Wanted) -> Path:
        options = JudgeOptions(model=wanted.model, scheme=wanted.scheme)
        command = f"edge-judge quantize {wanted.model} {wanted.scheme}"
        try:
            judge = find_judge(options)  # builds what comes with the package
        except (ModelError, UsageError) as error:
            if not self._settings.build:
                raise ModelError(
                    f"{wanted.model} {wanted.scheme} ({quantities.size(wanted.bytes)}) is not on this machine",
                    f"there: {command}, or edge-judge worker --gguf FILE, or --build",
                ) from error
            self._listener.note(f"building {wanted.model} {wanted.scheme}")
            return quantize(wanted.model, wanted.scheme, listener=self._listener).path
        assert judge.gguf is not None
        return judge.gguf

    def _hash(self, path: Path) -> str:
        """Computed again only where the file has changed."""
        return self._sha256(path, _size(path), path.stat().st_mtime_ns)


def _size(path: Path) -> int:
    return sum(part.stat().st_size for part in split_files(path))


def _address(options: ClusterOptions) -> pool.Address:
    return pool.Address(
        options.cluster or "", options.tls_ca, options.tls_cert, options.tls_key, insecure=options.insecure
    )
