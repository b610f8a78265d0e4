"""Where a published benchmark comes from, and whether the local copy is the published file.

Knows: the record of a pinned source, the folder that holds the files, and their hashes.
Does not know: what is in a file (its reader does), or how it is downloaded (pull.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from edge_judge import pocket
from edge_judge.benchmarks.rows import File
from edge_judge.errors import DataError
from edge_judge.records import Pair

VARIABLE = "EDGE_JUDGE_DATA"
Host: TypeAlias = Literal["github", "hub", "package"]
State: TypeAlias = Literal["ok", "unpinned", "missing", "changed"]


@dataclass(frozen=True, slots=True)
class Source:
    """A benchmark as published: `file` of `repo` at `revision`, kept under `path` in the data folder.

    sha256: None if the hash is unknown; then the file is what the pinned revision serves, and only the number of its
    labels is checked. rows: how many labels it has. ties: whether a tie is one of them. also: other paths in the data
    folder that may hold the same rows in another format, unpinned. suite: the name of the benchmarks that this one is a
    part of, empty if it stands alone.
    """

    name: str
    host: Host
    repo: str
    revision: str
    file: str
    path: str
    sha256: str | None
    licence: str
    rows: int
    ties: bool
    read: Callable[[File], Iterator[Pair]]
    also: tuple[str, ...] = ()
    suite: str = ""

    @property
    def url(self) -> str:
        """The address of the file, for a person."""
        addresses = {
            "github": f"https://github.com/{self.repo}/blob/{self.revision}/{self.file}",
            "hub": f"https://huggingface.co/datasets/{self.repo}/blob/{self.revision}/{self.file}",
            "package": self.file,
        }
        return addresses[self.host]

    @property
    def remedy(self) -> str:
        """What to do if the file is missing or changed."""
        if self.host == "package":
            return "it comes with edge-judge: install edge-judge again"
        return f"edge-judge data pull {self.name}"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of `verify`. sha256: of the local file, None if it is missing."""

    name: str
    path: Path
    state: State
    sha256: str | None


def data_folder(data: Path | None = None) -> Path:
    """The folder of the benchmark files, be it there or not: `data`, else EDGE_JUDGE_DATA, else the user's cache."""
    if data is not None:
        return data
    from_environment = os.environ.get(VARIABLE)
    if from_environment:
        return Path(from_environment)
    # Imported here: the command line imports this module, and starts faster without it.
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("edge-judge")) / "data"


def checked_folder(data: Path | None = None) -> Path:
    """The same. Raises DataError where there is a file in its place."""
    folder = data_folder(data)
    if os.path.isfile(folder):
        where = str(folder) if data is not None else f"{VARIABLE} is {folder}"
        raise DataError(f"{where}: a file, expected the folder of the benchmark files", "name its folder")
    return folder


def home(source: Source, data: Path | None = None) -> Path:
    """Where a source's file belongs, whether or not it exists. Raises DataError where the data folder is a file."""
    folder = pocket.PAIRS.parent if source.host == "package" else checked_folder(data)
    return folder / source.path


def locate(source: Source, data: Path | None = None) -> Path:
    """The source's file. Raises DataError, with the path, if it is missing."""
    first = home(source, data)
    candidates = [first, *(checked_folder(data) / path for path in source.also)]
    for path in candidates:
        if os.path.isfile(path):  # unlike Path.is_file, never raises: an unreadable folder has no file
            return path
    if source.host != "package" and data is not None and not os.path.isdir(data):
        raise DataError(f"{data}: no such data folder", f"{source.remedy} --data {data}")
    raise DataError(f"benchmark {source.name} is missing: no file {first}", source.remedy)


def verify(source: Source, data: Path | None = None) -> Check:
    """Check whether the source's file exists and is the pinned one. Raises DataError as `home` does."""
    try:
        path = locate(source, data)
    except DataError:
        return Check(source.name, home(source, data), "missing", None)
    sha256 = File.open(path).sha256
    return Check(source.name, path, _state(source, path, sha256, data), sha256)


def open_source(source: Source, data: Path | None = None) -> File:
    """The source's file, read once. Raises DataError if it is missing or is not the pinned file."""
    path = locate(source, data)
    file = File.open(path)
    if _state(source, path, file.sha256, data) == "changed":
        pinned = str(source.sha256)
        raise DataError(
            f"{path}: not the published file: its sha256 is {file.sha256[:12]}…, expected {pinned[:12]}…",
            source.remedy,
        )
    return file


def _state(source: Source, path: Path, sha256: str, data: Path | None) -> State:
    if source.sha256 is None or path != home(source, data):
        return "unpinned"
    return "ok" if sha256 == source.sha256 else "changed"
