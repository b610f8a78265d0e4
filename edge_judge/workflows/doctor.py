"""What this machine has and lacks for judging: system, llama.cpp, folders, built files, benchmarks, endpoints.

Nothing is changed and nothing is sent, but for asking the endpoints that are named for their list of models.
Knows: where everything lies, who is asked. Does not know: what a figure means, how findings are shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from edge_judge.benchmarks.source import data_folder
from edge_judge.errors import EdgeJudgeError
from edge_judge.records import Diagnosis, Finding, ProgressListener
from edge_judge.version import __version__
from edge_judge.workflows.data import verify_benchmarks
from edge_judge.workflows.examining import machine, places
from edge_judge.workflows.examining.diagnosis import on_llama, on_machine, on_place
from edge_judge.workflows.examining.probe import Failure, backend_apart
from edge_judge.workflows.model_files import models_folder
from edge_judge.workflows.options import RESULTS
from quantize import digest, lock
from quantize.errors import LockError

if TYPE_CHECKING:
    from edge_judge.engine.endpoint import Endpoint

SHOWN = ("llama-cpp-python", "numpy", "pandas", "scipy", "huggingface-hub", "tokenizers")
EXTRAS = {  # a package of each extra, and what it is for
    "train": "torch",
    "cluster": "distributed",
    "parquet": "pyarrow",
    "chart": "vl-convert-python",
}


def doctor(
    engines: Sequence[str] = (),
    results: Path | str = RESULTS,
    data: Path | str | None = None,
    listener: ProgressListener = ProgressListener(),
    *,
    full: bool = False,
) -> Diagnosis:
    """Look at this machine. engines: addresses of endpoints to ask; full: hash every file that was built here, instead
    of comparing sizes.
    """
    here, backend = machine.look(), backend_apart()
    endpoints = [] if isinstance(backend, Failure) else [_endpoint(url) for url in engines]
    activity = machine.watch()
    findings = [
        *on_machine(here, activity),
        *on_llama(here, backend),
        *_on_places(Path(results), None if data is None else Path(data)),
        *_on_built(full),
        *_on_benchmarks(None if data is None else Path(data)),
        *map(_on_endpoint, endpoints),
    ]
    usable = None if isinstance(backend, Failure) else backend
    return Diagnosis(here, activity, usable, _versions(), _extras(), tuple(findings))


def _on_places(results: Path, data: Path | None) -> Iterator[Finding]:
    from platformdirs import user_cache_path

    folders = {
        "results": (results, "--results names another folder"),
        "models": (models_folder(), "EDGE_JUDGE_MODELS names another folder"),
        "data": (data_folder(data), "--data or EDGE_JUDGE_DATA names another folder"),
        "cache": (user_cache_path("edge-judge"), "XDG_CACHE_HOME names another one on Linux"),
    }
    for name, (folder, elsewhere) in folders.items():
        yield on_place(name, places.look_at(folder), elsewhere, str(folder))


def _on_built(full: bool) -> Iterator[Finding]:
    """The files built here against their record: by their sizes, or by their hashes."""
    try:
        lock.read()
        records = lock.read_built(models_folder()).built
    except LockError as error:
        remedy = error.hint or "install the package again, or move the record of built files away"
        yield Finding("models.lock", "problem", "it cannot be read", remedy, str(error))
        return
    wrong = []
    for record in records:
        path = models_folder() / record.file
        with suppress(OSError):
            if path.stat().st_size == record.bytes and not (full and digest.sha256(path) != record.sha256):
                continue
        wrong.append(f"{record.model} {record.scheme}")
    how = "hashes" if full else "sizes"
    if wrong:
        detail = f"{len(wrong)} of {len(records)} are missing or changed"
        yield Finding("built files", "problem", detail, "edge-judge quantize builds one again", ", ".join(wrong))
    else:
        detail = f"{len(records)}, all as recorded ({how} compared)" if records else "none yet"
        yield Finding("built files", "ok", detail)


def _on_benchmarks(data: Path | None) -> Iterator[Finding]:
    try:
        checks = verify_benchmarks(data=data)
    except EdgeJudgeError as error:
        yield Finding("benchmarks", "problem", "a file cannot be read", error.hint or "", str(error))
        return
    changed = [check.name for check in checks if check.state == "changed"]
    here = sum(check.state in ("ok", "unpinned") for check in checks)
    if changed:
        detail = f"changed since published: {', '.join(changed)}"
        yield Finding("benchmarks", "problem", detail, f"edge-judge data pull {changed[0]} replaces it")
    else:
        yield Finding("benchmarks", "ok", f"{here} of {len(checks)} here, as published")


def _endpoint(url: str) -> Endpoint:
    """An endpoint that is given up soon. Raises UsageError for what is no address."""
    from edge_judge.engine.endpoint import KEY, Address, Endpoint, Patience  # which loads llama.cpp

    patience = Patience(attempts=1, unmet=1, timeout=15.0, connect=5.0)
    return Endpoint(Address.of(url), os.environ.get(KEY) or None, patience)


def _on_endpoint(endpoint: Endpoint) -> Finding:
    from edge_judge.engine.server import served_models

    host = endpoint.address.host
    try:
        served = served_models(endpoint)
    except EdgeJudgeError as error:
        detail = str(error).replace(host, "it").removeprefix("it: ").removeprefix("it ")
        return Finding("endpoint", "problem", detail, error.hint or "", host)
    if not served:
        remedy = "the address ends in /v1 at most servers; eval then needs --model"
        return Finding("endpoint", "warning", "answers, has no list of models", remedy, host)
    number = f"{len(served)} model{'' if len(served) == 1 else 's'}"
    return Finding("endpoint", "ok", f"answers, serves {number}", private=host)


def _versions() -> dict[str, str]:
    found = {"edge-judge": __version__}
    for name in SHOWN:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _extras() -> tuple[str, ...]:
    return tuple(extra for extra, package in EXTRAS.items() if _is_installed(package))


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
