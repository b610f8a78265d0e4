"""Where models come from, and what is no longer as it was recorded: on the Hub and among the files built here.

Knows: models.lock, the Hub, the record of built files. Does not know: how either is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_judge.records import ProgressListener
from edge_judge.workflows.model_files import models_folder, recorded_paths
from quantize import digest, lock, relock
from quantize.errors import SourceInterruptedError
from quantize.source import Hub


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a known model comes from. commit: None for one that comes with the package; files: of its weights, of which
    `hashed` are pinned by a hash.
    """

    model: str
    source: str | None
    commit: str | None
    files: int
    hashed: int
    licence: str
    gated: bool


@dataclass(frozen=True, slots=True)
class LockState:
    """Whether a file is as it was recorded. file: on the Hub its name, here its scheme; wrong: what to call it where it
    is not, else None. A state `unchecked` is that of models.lock where the Hub cannot be asked; hint: what to do then.
    """

    model: str
    state: str
    file: str
    detail: str
    wrong: str | None
    hint: str | None = None


def lock_sources(listener: ProgressListener = ProgressListener()) -> list[ModelSource]:
    """Every known model's source; hashes and sizes that only the Hub knows are filled in first. A pin never moves."""
    try:
        for finding in relock.fill(Hub(), lock.shipped_path()):
            listener.note(f"{finding.model}: {finding.state} {finding.file or ''} {finding.detail}")
    except SourceInterruptedError:
        listener.note("the Hub could not be reached: this is what was recorded earlier")
    return [
        ModelSource(
            model.name,
            model.repo or model.local,
            model.commit,
            len(model.files),
            sum(file.sha256 is not None for file in model.files),
            model.license,
            model.gated,
        )
        for model in lock.read().models
    ]


def check_lock(listener: ProgressListener = ProgressListener()) -> list[LockState]:
    """The files built or added here against their record, then models.lock against the Hub. Raises nothing where the
    Hub cannot be asked: the last state then says so.
    """
    states = list(_built_here())
    try:
        findings = relock.check(Hub(), lock.read().models)
    except SourceInterruptedError as problem:
        unchecked = LockState("models.lock", "unchecked", "", str(problem), None, problem.hint)
        return [*states, unchecked]
    for finding in findings:
        wrong = f"{finding.model} ({finding.state} on the Hub)" if finding.wrong else None
        states.append(LockState(finding.model, finding.state, finding.file or "", finding.detail, wrong))
    return states


def _built_here() -> Iterator[LockState]:
    folder = models_folder()
    for record in lock.read_built(folder).built:
        paths, path = recorded_paths(record), folder / record.file
        there = all(part.is_file() for part in paths)
        state = "missing" if not there else "ok" if digest.of_files(paths) == record.sha256 else "changed"
        wrong = None if state == "ok" else f"{record.model} {record.scheme} ({state})"
        yield LockState(record.model, state, record.scheme, str(path), wrong)
