"""The folder beside a GGUF in which it is built, and the journal of what is finished there.

A build that an interrupt or a lost connection ends can go on later: its folder stays, and the journal names the
shards whose tensors are written. Any other error, and success, removes the folder.
Knows: files and folders. Does not know: what is built, nor where it comes from.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantize.atomic import replace_text
from quantize.disk import writing_in
from quantize.errors import PackError, SourceInterruptedError


@dataclass(frozen=True, slots=True)
class Workshop:
    """The folder of one build."""

    folder: Path

    @property
    def source(self) -> Path:
        """Where fetched files of the checkpoint lie."""
        return self.folder / "source"

    @property
    def fresh(self) -> Path:
        """A GGUF that is all header, to begin with."""
        return self.folder / "new.gguf"

    @property
    def unfinished(self) -> Path:
        """The GGUF whose tensors are being written."""
        return self.folder / "unfinished.gguf"

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.json"

    def occupied(self) -> int:
        """The disk space, in bytes, that an earlier unfinished build already takes: it is not needed twice."""
        return getattr(self.unfinished.stat(), "st_blocks", 0) * 512 if self.unfinished.exists() else 0

    def take_up(self, identity: str) -> list[str]:
        """Go on with the unfinished GGUF of the same build, or begin with the fresh one. Returns the shards that
        are done. identity: a hash of everything that the finished part depends on.
        """
        done = self._done(identity)
        if done is not None:
            self.fresh.unlink()
            return done
        self._journal.unlink(missing_ok=True)
        os.replace(self.fresh, self.unfinished)
        self.note(identity, [])
        return []

    def note(self, identity: str, done: list[str]) -> None:
        """Write down the shards that are done."""
        replace_text(self._journal, json.dumps({"identity": identity, "done": done}))

    def _done(self, identity: str) -> list[str] | None:
        """The journal of the same build, if its unfinished GGUF is there too."""
        try:
            journal = json.loads(self._journal.read_text("utf-8"))
            same = journal["identity"] == identity and self.unfinished.stat().st_size == self.fresh.stat().st_size
            return [str(name) for name in journal["done"]] if same else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


@contextmanager
def opened(out: Path, *, resumable: bool) -> Iterator[Workshop]:
    """The workshop of one output file. Raises PackError where the output folder cannot be written to.

    A resumable build has one fixed folder, which is held against other processes. A build that is not has a folder
    of its own that never outlives it.
    """
    with writing_in(out.parent):
        if resumable:
            with _fixed(out) as folder:
                yield Workshop(folder)
        else:
            with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.", suffix=".building") as folder:
                yield Workshop(Path(folder))


@contextmanager
def _fixed(out: Path) -> Iterator[Path]:
    from filelock import FileLock, Timeout

    folder = out.parent / f".{out.name}.building"
    folder.mkdir(exist_ok=True)
    try:
        with FileLock(str(folder / "guard"), timeout=0):
            try:
                yield folder
            except SourceInterruptedError:
                raise
            except Exception:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            shutil.rmtree(folder, ignore_errors=True)
    except Timeout as problem:
        raise PackError(f"{out.name} is being built by another process") from problem
