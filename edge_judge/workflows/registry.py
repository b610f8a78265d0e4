"""GGUF files from elsewhere that are known here by a name: added to the record of built files, and taken out of it.

The files stay where they are; the record has their absolute path, hash and size.
Knows: that record. Does not know: what is in a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_judge.errors import ModelError, UsageError, nearest
from edge_judge.workflows.known_files import state_of
from edge_judge.workflows.model_files import is_added, models_folder
from edge_judge.workflows.own_files import named_model, named_scheme, open_file
from quantize import lock
from quantize.lock import BuiltFile


@dataclass(frozen=True, slots=True)
class AddedModel:
    """A file that judges under a name. paths: absolute, several where it is split; size_label: like 7B, None where the
    file does not say it; bytes: of all its files.
    """

    model: str
    scheme: str
    paths: tuple[Path, ...]
    size_label: str | None
    sha256: str
    bytes: int


def add_model(file: Path | str, model: str | None = None, scheme: str | None = None) -> AddedModel:
    """Register a GGUF, so that its model and scheme name it from now on.

    model, scheme: what to call it, None for what its metadata says. Raises ModelError where the file cannot judge,
    UsageError where the names are those of another file.
    """
    own = open_file(Path(file))
    model = named_model(model) if model is not None else own.file.model
    scheme = named_scheme(scheme) if scheme is not None else own.file.scheme
    paths = tuple(path.resolve() for path in own.file.paths)
    record = BuiltFile(model, scheme, str(paths[0]), own.sha256, own.file.bytes, own.source)
    _refuse_another(record)
    lock.record_built(models_folder(), record)
    return AddedModel(model, scheme, paths, own.file.size_label, own.sha256, own.file.bytes)


def remove_model(model: str, scheme: str | None = None) -> list[BuiltFile]:
    """Forget the files that were added under a name; they stay where they are. scheme: only this one.

    Raises UsageError where none was added under it.
    """
    added = [record for record in lock.read_built(models_folder()).built if is_added(record)]
    chosen = [record for record in added if record.model == model and scheme in (None, record.scheme)]
    if not chosen:
        names = dict.fromkeys(record.model for record in added)
        hint = nearest(model, names) if names else "no file was added here"
        raise UsageError(f"no file was added as {model}{f' {scheme}' if scheme else ''}", hint)
    lock.remove_built(models_folder(), chosen)
    return chosen


def _refuse_another(record: BuiltFile) -> None:
    """Raise UsageError where a file that is still there has the name already and is another one."""
    held = lock.read_built(models_folder()).find_built(record.model, record.scheme)
    if held is None or held.sha256 == record.sha256 or state_of(held) == "missing":
        return
    if is_added(held) and held.file == record.file:
        return  # the same place, with new content
    raise UsageError(
        f"{record.model} {record.scheme} is another file here: {models_folder() / held.file} "
        f"(sha256 {held.sha256[:12]}…, this one {record.sha256[:12]}…)",
        f"--scheme {record.scheme}+LABEL or --model NAME names this one otherwise",
    )


def require_whole(record: BuiltFile) -> None:
    """Raise ModelError where an added file is not what it was when it was added."""
    state = state_of(record)
    if state != "ok":
        gone = "is not there any more" if state == "missing" else "has changed since it was added"
        raise ModelError(
            f"{record.file}: this file, added as {record.model} {record.scheme}, {gone}",
            f"edge-judge models --add FILE --model {record.model} --scheme {record.scheme} names it again, "
            f"--remove {record.model} forgets it",
        )
