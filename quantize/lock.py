"""models.lock: the models this project knows, and the files built from them on this machine.

The lock that ships with the project pins each model: repository, commit, architecture, licence, weight files.
A second file of the same format lies beside the GGUF files built here and records their hashes and sizes.
Knows nothing about downloads, about what is inside a checkpoint, or about where a `local` model lies.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import tomlkit
from filelock import FileLock
from tomlkit.exceptions import TOMLKitError

from quantize import toml_text
from quantize.atomic import replace_text
from quantize.disk import writing
from quantize.errors import LockError, UnknownModelError, short_repr

FILE_NAME = "models.lock"
VARIABLE = "EDGE_JUDGE_LOCK"
Scalar = str | int | float | bool
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a checkpoint. sha256 (hex) and bytes are None until the hub has been asked for them."""

    name: str
    sha256: str | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PromptSource:
    """Where a judge's training prompt is published: a string literal in a Python file at a commit.

    The literal is identified by the name it is assigned to, or by its own sha256; `sha256` is the file's.
    """

    repo: str
    commit: str
    path: str
    literal: str | None = None
    literal_sha256: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class LockedModel:
    """One model: its origin, its shape, its protocol.

    Either `repo` and `commit` say where it is published, or `local` names a checkpoint that ships with the
    project. `config` holds the fields of config.json that decide the shape. `chat` names the chat format of a model
    without a chat template of its own.
    """

    name: str
    architecture: str
    model_class: str
    parameters: int | None
    license: str
    protocol: str
    config: Mapping[str, Scalar]
    repo: str | None = None
    commit: str | None = None
    local: str | None = None
    dtype: str | None = None
    gated: bool = False
    acceptance: str | None = None
    files: tuple[WeightFile, ...] = ()
    prompt: PromptSource | None = None
    chat: str | None = None


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A GGUF built on this machine, or added from elsewhere. `file`: its name in the folder, or the absolute path of a
    file that was added, the first one where it is split; `source`: the commit or hash of its checkpoint, or of itself.
    """

    model: str
    scheme: str
    file: str
    sha256: str
    bytes: int
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """The content of one models.lock."""

    path: Path
    models: tuple[LockedModel, ...]
    built: tuple[BuiltFile, ...]

    def model(self, name: str) -> LockedModel:
        """The model of that name. Raises UnknownModelError with the nearest names."""
        for model in self.models:
            if model.name == name:
                return model
        names = [model.name for model in self.models]
        near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.4) or names
        raise UnknownModelError(f"unknown model {name!r} in {self.path}", f"known models: {', '.join(near)}")

    def find_built(self, model: str, scheme: str) -> BuiltFile | None:
        """The record of the file built for that model and scheme, or None."""
        return next((file for file in self.built if (file.model, file.scheme) == (model, scheme)), None)


def shipped_path() -> Path:
    """The models.lock in force: the file EDGE_JUDGE_LOCK names, else the one that ships with the project, beside
    this module or at the root of the source tree.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    here = Path(__file__).resolve().parent
    for folder in (here, here.parent):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise LockError(f"{FILE_NAME} is missing: looked in {here} and {here.parent}", "install the package again")


def read(path: Path | None = None) -> Lock:
    """Read a models.lock; without a path, `shipped_path`. Raises LockError naming the entry and the field."""
    path = shipped_path() if path is None else path
    document = _parse(path)
    models = _table(document, "models", path)
    built = document.get("built", [])
    if not isinstance(built, list):
        raise LockError(f"{path}: 'built' is not an array of tables", "write it as [[built]]")
    return Lock(
        path,
        tuple(_model(name, _Entry(entry, f"{path}: models.{name}")) for name, entry in models.items()),
        tuple(_built(_Entry(entry, f"{path}: built[{i}]")) for i, entry in enumerate(built)),
    )


def read_built(folder: Path) -> Lock:
    """The records of the files built in a folder; an empty lock where there are none."""
    path = folder / FILE_NAME
    return read(path) if path.exists() else Lock(path, (), ())


def record_built(folder: Path, built: BuiltFile) -> None:
    """Add or replace the record of one built file. Atomic, and safe between processes."""
    _change_built(folder, lambda records: {**records, (built.model, built.scheme): built})


def remove_built(folder: Path, gone: Collection[BuiltFile]) -> None:
    """Take records out; the files stay. Atomic, and safe between processes."""
    _change_built(folder, lambda records: {key: record for key, record in records.items() if record not in gone})


_Records = dict[tuple[str, str], BuiltFile]  # by model and scheme


def _change_built(folder: Path, change: Callable[[_Records], _Records]) -> None:
    path = folder / FILE_NAME
    with writing(path), FileLock(str(folder / f".{FILE_NAME}.guard")):
        records = change({(record.model, record.scheme): record for record in read_built(folder).built})
        document = _document(path)
        tables = tomlkit.aot()
        for _, record in sorted(records.items()):
            tables.append(_built_table(record))
        document["built"] = tables
        replace_text(path, tomlkit.dumps(document))


class _Entry:
    """One table of the lock, read field by field; an error names the table and the field."""

    def __init__(self, table: object, where: str) -> None:
        if not isinstance(table, dict):
            raise LockError(f"{where} is not a table")
        self.table: dict[str, Any] = table
        self.where = where

    def required(self, key: str, kind: type[_T]) -> _T:
        value = self.optional(key, kind)
        if value is None:
            raise LockError(f"{self.where} lacks {key!r}, a {kind.__name__}")
        return value

    def optional(self, key: str, kind: type[_T]) -> _T | None:
        value = self.table.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise LockError(f"{self.where}: {key!r} is {short_repr(value)}, expected a {kind.__name__}")
        return value

    def part(self, key: str, make: Callable[[_Entry], _T]) -> _T | None:
        return make(_Entry(self.table[key], f"{self.where}.{key}")) if key in self.table else None


def _document(path: Path) -> tomlkit.TOMLDocument:
    """The file with its comments, to write it again."""
    try:
        return tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
    except (TOMLKitError, ValueError, RecursionError) as problem:
        raise LockError(f"{path} cannot be written again: {problem}") from problem


def _parse(path: Path) -> dict[str, Any]:
    try:
        return toml_text.read(path)
    except OSError as problem:
        raise LockError(f"cannot read {path}: {problem.strerror or problem}", _who_named(path)) from problem
    except ValueError as problem:
        raise LockError(f"{path} is not valid TOML: {problem}", _who_named(path)) from problem


def _who_named(path: Path) -> str | None:
    """The next step where the environment names a file that is no models.lock."""
    if os.environ.get(VARIABLE) != str(path):
        return None
    return f"{VARIABLE} names it: correct that, or unset it to use the one that comes with edge-judge"


def _table(document: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    table = document.get(key, {})
    if not isinstance(table, dict):
        raise LockError(f"{path}: {key!r} is not a table", f"write it as [{key}.NAME]")
    return table


def _model(name: str, entry: _Entry) -> LockedModel:
    config = entry.required("config", dict)
    files = entry.optional("files", list) or []
    model = LockedModel(
        name=name,
        architecture=entry.required("architecture", str),
        model_class=entry.required("class", str),
        parameters=entry.optional("parameters", int),
        license=entry.required("license", str),
        protocol=entry.required("protocol", str),
        config=MappingProxyType(dict(config)),
        repo=entry.optional("repo", str),
        commit=entry.optional("commit", str),
        local=entry.optional("local", str),
        dtype=entry.optional("dtype", str),
        gated=entry.optional("gated", bool) or False,
        acceptance=entry.optional("acceptance", str),
        files=tuple(_file(_Entry(f, f"{entry.where}.files[{i}]")) for i, f in enumerate(files)),
        prompt=entry.part("prompt", _prompt),
        chat=entry.optional("chat", str),
    )
    if (model.local is None) == (model.repo is None) or (model.repo is None) != (model.commit is None):
        raise LockError(f"{entry.where} needs either 'local' or both 'repo' and 'commit'")
    return model


def _file(entry: _Entry) -> WeightFile:
    return WeightFile(entry.required("name", str), entry.optional("sha256", str), entry.optional("bytes", int))


def _prompt(entry: _Entry) -> PromptSource:
    return PromptSource(
        repo=entry.required("repo", str),
        commit=entry.required("commit", str),
        path=entry.required("path", str),
        literal=entry.optional("literal", str),
        literal_sha256=entry.optional("literal_sha256", str),
        sha256=entry.optional("sha256", str),
    )


def _built(entry: _Entry) -> BuiltFile:
    return BuiltFile(
        model=entry.required("model", str),
        scheme=entry.required("scheme", str),
        file=entry.required("file", str),
        sha256=entry.required("sha256", str),
        bytes=entry.required("bytes", int),
        source=entry.optional("source", str),
    )


def _built_table(built: BuiltFile) -> Any:
    table = tomlkit.table()
    for key in ("model", "scheme", "file", "sha256", "bytes", "source"):
        if (value := getattr(built, key)) is not None:
            table[key] = value
    return table
