"""The folder of a training. The one file of the wing that touches it.

    training.json               what decides the training, and what came of it; written first, completed last
    curve.jsonl                 a measurement a line
    curve.html                  the same as a page
    .state                      what is needed to go on; gone when the training is complete
    pairs_seen.txt              fingerprints of all pairs that were learned or measured on, one a line
    adapter_model.safetensors   the adapter, in peft's format
    adapter_config.json         its presence means that the training is complete

Knows: how a kill at any moment loses nothing but the steps since the last state. Does not know: torch, pairs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from edge_judge.errors import RunError
from edge_judge.records import CurvePoint
from edge_judge.runs.folder import write_json, write_whole
from edge_judge.runs.holder import forget_holder, holder, write_holder
from edge_judge.settings import differences

SETTINGS, CURVE, STATE, SEEN = "training.json", "curve.jsonl", ".state", "pairs_seen.txt"
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
FILES = (*ADAPTER, SEEN, STATE, CURVE, "curve.html", SETTINGS)
ANEW = "--fresh begins it anew, --out FOLDER puts it elsewhere"


class TrainingFolder:
    """One training on disk. Open it with `opened`, which refuses one that was begun under other settings."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @contextmanager
    def opened(cls, path: Path, settings: Mapping[str, Any], *, fresh: bool) -> Iterator[Self]:
        """Begin or resume a training, alone. Raises RunError, with what differs, for one under other settings."""
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise RunError(
                f"{path}: {holder(path)} is training in this folder", "wait for it, or use --out"
            ) from error
        write_holder(path)
        try:
            folder = cls(path)
            folder._begin(settings, fresh)
            yield folder
        finally:
            if not any((path / name).exists() for name in (STATE, *ADAPTER)):  # nothing was reached
                (path / SETTINGS).unlink(missing_ok=True)
            forget_holder(path)
            with suppress(PermissionError):  # Windows removes no file that is open; filelock does it there, on release
                (path / ".lock").unlink(missing_ok=True)  # while it is held: later it may be another's
            lock.release()
            with suppress(OSError):  # it holds something
                path.rmdir()

    def _begin(self, settings: Mapping[str, Any], fresh: bool) -> None:
        content = None if fresh else self.content()
        if content is None and not fresh and any((self.path / name).exists() for name in ADAPTER):
            raise RunError(
                f"{self.path} holds an adapter that was not made by edge-judge train", "use --out for another folder"
            )
        if fresh:
            for name in FILES:
                (self.path / name).unlink(missing_ok=True)
        for left in self.path.glob(".*.[0-9]*"):  # what a kill cut short, see `write_whole`
            left.unlink()
        if content is not None:
            if differing := differences(content["settings"], settings):
                raise RunError(f"{self.path} holds a training under other settings: {'; '.join(differing)}", ANEW)
            return
        write_json(self.path / SETTINGS, {"settings": dict(settings)})

    def content(self) -> dict[str, Any] | None:
        """training.json; None if there is none. Raises RunError for one that is broken."""
        path = self.path / SETTINGS
        if not path.exists():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(f"{path}: not JSON: {error}", ANEW) from error
        if not isinstance(content, dict) or not isinstance(content.get("settings"), dict):
            raise RunError(f"{path}: no training settings in it", ANEW)
        return content

    @property
    def complete(self) -> bool:
        return (self.path / ADAPTER[0]).exists()

    def state(self) -> bytes | None:
        """The state to go on from; None at the beginning."""
        path = self.path / STATE
        return path.read_bytes() if path.exists() else None

    def save(self, state: bytes) -> None:
        write_whole(self.path / STATE, state)

    def write_curve(self, curve: Sequence[CurvePoint], page: str) -> None:
        """All measurements so far, as lines and as a page."""
        lines = "".join(f"{json.dumps(asdict(point))}\n" for point in curve)
        write_whole(self.path / CURVE, lines.encode())
        write_whole(self.path / "curve.html", page.encode())

    def finish(self, config: bytes, weights: bytes, seen: Sequence[str], result: Mapping[str, Any]) -> None:
        """The adapter, the pairs it has seen, and what came of the training: from here on it is complete."""
        write_whole(self.path / SEEN, "".join(f"{fingerprint}\n" for fingerprint in sorted(set(seen))).encode())
        write_json(self.path / SETTINGS, {**(self.content() or {}), "result": dict(result)})
        write_whole(self.path / ADAPTER[1], weights)
        write_whole(self.path / ADAPTER[0], config)
        (self.path / STATE).unlink(missing_ok=True)
