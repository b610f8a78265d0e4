"""The folder beside a GGUF in which it is built, and its journal of finished shards.

A build that an interrupt or a lost connection ends can be resumed: its folder stays, and the journal names the shards
whose tensors are written. Success, and any other error, removes the folder. What a killed build left in it is used or
removed by the next one; the folder is locked while it is built in.
Knows: files and folders. Does not know: what is built, or where it comes from.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from quantize import held_folder
from quantize.atomic import replace_text
from quantize.disk import writing
from quantize.errors import PackError, QuantizeError, SourceInterruptedError

_GUARD = "guard"
BUILDER = "builder"  # a note on who builds


@dataclass(frozen=True, slots=True)
class BuildFolder:
    """The folder of one build."""

    path: Path

    @property
    def source(self) -> Path:
        """The folder for fetched files of the checkpoint."""
        return self.path / "source"

    @property
    def empty(self) -> Path:
        """The new GGUF: a header, and a hole for the tensors."""
        return self.path / "new.gguf"

    @property
    def unfinished(self) -> Path:
        """The GGUF whose tensors are being written."""
        return self.path / "unfinished.gguf"

    @property
    def _journal(self) -> Path:
        return self.path / "journal.json"

    def occupied(self) -> int:
        """The disk space, in bytes, that an earlier unfinished build takes already."""
        return getattr(self.unfinished.stat(), "st_blocks", 0) * 512 if self.unfinished.exists() else 0

    def resume(self, identity: str) -> list[str]:
        """Continue the unfinished GGUF of the same build, else start from the empty one. Returns the finished shards.

        identity: a hash of everything that the finished part depends on.
        """
        finished = self._finished(identity)
        if finished is not None:
            self.empty.unlink()
            return finished
        self._journal.unlink(missing_ok=True)
        os.replace(self.empty, self.unfinished)
        self.record(identity, [])
        return []

    def record(self, identity: str, finished: list[str]) -> None:
        """Write the names of the finished shards to the journal."""
        replace_text(self._journal, json.dumps({"identity": identity, "done": finished}))

    def _finished(self, identity: str) -> list[str] | None:
        """The shards in the journal, if it belongs to the same build and the unfinished GGUF is there too."""
        try:
            journal = json.loads(self._journal.read_text("utf-8"))
            same = journal["identity"] == identity and self.unfinished.stat().st_size == self.empty.stat().st_size
            return [str(name) for name in journal["done"]] if same else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None


@contextmanager
def opened(out: Path, *, resumable: bool) -> Iterator[BuildFolder]:
    """The build folder of one output file. Raises PackError where the output folder is not writable.

    A resumable build has a folder with a fixed name, locked against other processes. Any other build has a temporary
    folder, which is always removed: by the next build of the same file where a kill left it.
    """
    with (
        writing(out),
        (_resumable if resumable else _temporary)(out) as path,
        _named(BuildFolder(path), out) as folder,
    ):
        yield folder


@contextmanager
def _named(folder: BuildFolder, out: Path) -> Iterator[BuildFolder]:
    """An error names the file that is built, or that was fetched, not the temporary one or its folder."""
    try:
        yield folder
    except QuantizeError as problem:
        message = str(problem)
        for temporary in (folder.unfinished, folder.empty):
            message = message.replace(str(temporary), str(out))
        message = message.replace(f"{folder.source}{os.sep}", f"{out.name}'s source file ")
        problem.args = (message,)
        raise


def _builder(folder: Path) -> str:
    """Who builds in the folder. It is read only while the guard is held, so what a killed build left does not count."""
    try:
        return (folder / BUILDER).read_text("utf-8")[:80] or "another process"
    except (OSError, ValueError):
        return "another process"


@contextmanager
def _resumable(out: Path) -> Iterator[Path]:
    folder = out.parent / f".{out.name}.building"
    folder.mkdir(exist_ok=True)
    try:
        with FileLock(str(folder / _GUARD), timeout=0):
            (folder / BUILDER).write_text(f"process {os.getpid()}, since {datetime.now():%d %b %H:%M}", "utf-8")
            try:
                yield folder
            except SourceInterruptedError:
                raise
            except Exception:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            shutil.rmtree(folder, ignore_errors=True)
    except Timeout as problem:
        raise PackError(f"{out.name} is being built by {_builder(folder)}", "wait for it") from problem
    finally:
        with suppress(OSError):  # Windows removes no file that is open, as the guard was; a build to resume stays
            folder.rmdir()


@contextmanager
def _temporary(out: Path) -> Iterator[Path]:
    name = f".{out.name}.", ".building"
    held_folder.remove_abandoned(out.parent, *name)
    with held_folder.until_done(*held_folder.held(out.parent, *name)) as folder:
        yield folder
