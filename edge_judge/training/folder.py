"""The folder of a training. The one file of the wing that touches it.

    training.json               what decides the training, and what came of it; written first, completed last
    curve.jsonl                 a measurement a line
    curve.html                  the same as a page
    .state                      what is needed to go on; gone when the training is complete
    pairs_seen.txt              fingerprints of all pairs that were learned or measured on, one a line
    adapter_model.safetensors   the adapter, in peft's format
    adapter_config.json         its presence means that the training is complete
    .new/                       a training that --fresh began, until it is complete and replaces what is here

What is here stays until the training that replaces it is complete. The next command without --fresh goes on with the
new one, if that was begun under the same settings; otherwise with the old one.
Knows: how a kill at any moment loses nothing but the steps since the last state. Does not know: torch, pairs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from edge_judge import foreign_json
from edge_judge.errors import RunError, naming
from edge_judge.files import write_whole
from edge_judge.records import CurvePoint
from edge_judge.runs import replacing
from edge_judge.runs.alone import alone
from edge_judge.runs.folder import write_json
from edge_judge.settings import differences

SETTINGS, CURVE, STATE, SEEN = "training.json", "curve.jsonl", ".state", "pairs_seen.txt"
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
FILES = (SEEN, CURVE, "curve.html", SETTINGS, STATE, ADAPTER[1], ADAPTER[0])  # the one that is written last is the last
ANEW = "--fresh starts it over, --out FOLDER puts it elsewhere"


class TrainingFolder:
    """One training on disk. Open it with `opened`, which refuses one that was begun under other settings."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @contextmanager
    def opened(cls, path: Path, settings: Mapping[str, Any], *, fresh: bool) -> Iterator[Self]:
        """Begin or resume a training, alone. Raises RunError, with what differs, for one under other settings."""
        with alone(path, "training in this folder", "wait for it, or use --out"):
            folder = cls(path)
            try:
                folder._begin(settings, fresh)
                yield folder
            finally:
                if not _is_reached(folder.path):
                    (folder.path / SETTINGS).unlink(missing_ok=True)
                _settle(path)
                if not _is_reached(path / replacing.NEW):
                    replacing.discard(path)

    def _begin(self, settings: Mapping[str, Any], fresh: bool) -> None:
        home, new = self.path, self.path / replacing.NEW
        replacing.remove_abandoned(home, FILES)
        _settle(home)
        if fresh:
            replacing.discard(home)
            if any((home / name).exists() for name in FILES):
                new.mkdir()
                self.path = new
        elif (begun := TrainingFolder(new).content()) and not differences(begun["settings"], settings):
            self.path = new
        elif not _is_reached(new):
            replacing.discard(home)
        content = None if fresh else self.content()
        if content is None and not fresh and any((self.path / name).exists() for name in ADAPTER):
            raise RunError(
                f"{self.path} holds an adapter that was not made by edge-judge train", "use --out for another folder"
            )
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
            with naming(path):
                content = foreign_json.parse(path.read_bytes(), nan=True)
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
        with naming(self.path):
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


def that_goes_on(path: Path) -> TrainingFolder:
    """The training with the last state: the one in this folder, or one that was begun anew and is not complete."""
    new = path / replacing.NEW
    return TrainingFolder(new if (new / STATE).exists() else path)


def _is_reached(folder: Path) -> bool:
    """Whether there is more than the beginning of a training."""
    return any((folder / name).exists() for name in (STATE, *ADAPTER))


def _settle(folder: Path) -> None:
    """A new training that is complete replaces the old one."""
    replacing.settle(folder, FILES)
    if TrainingFolder(folder).complete:
        (folder / STATE).unlink(missing_ok=True)
