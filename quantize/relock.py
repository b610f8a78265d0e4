"""models.lock against a hub: what differs from the pins, and the hashes and sizes that are still missing.

Reads the hub's metadata, no weights. Knows nothing about files built on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from quantize.atomic import replace_text
from quantize.errors import LockError, SourceError, SourceInterruptedError
from quantize.hub import Hub
from quantize.hub_listing import RemoteFile
from quantize.lock import LockedModel, read


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check. state: ok, filled, missing, changed, moved or refused; detail: what, for a message."""

    model: str
    state: str
    detail: str
    file: str | None = None

    @property
    def wrong(self) -> bool:
        """Whether a build of this model would fail, or differ from what was pinned."""
        return self.state in ("missing", "changed", "refused")


def check(hub: Hub, models: tuple[LockedModel, ...]) -> tuple[Finding, ...]:
    """Compare the pins with the hub. A branch that moved on is reported, but is not wrong.

    Raises SourceInterruptedError where the hub cannot be reached.
    """
    findings: list[Finding] = []
    for model in models:
        if model.repo is None or model.commit is None:
            continue
        listing = _listing(hub, model, findings)
        if listing is not None:
            compared = (_compare(model, file.name, file.sha256, listing) for file in model.files)
            differences = [finding for finding in compared if finding is not None]
            findings += differences or [Finding(model.name, "ok", f"as pinned, {model.commit}")]
            head = hub.commit(model.repo)
            if head != model.commit:
                findings.append(Finding(model.name, "moved", f"its main branch is at {head} now"))
    return tuple(findings)


def fill(hub: Hub, path: Path) -> tuple[Finding, ...]:
    """Write the hashes and sizes that a models.lock lacks, as the hub gives them; nothing else changes.

    Raises LockError where a present one differs: a pin is never moved silently.
    """
    models = read(path).models
    before = _text(path)
    document = tomlkit.parse(before)
    findings: list[Finding] = []
    for model in models:
        if model.repo is None:
            continue
        listing = _listing(hub, model, findings)
        if listing is None:
            continue
        table: Any = document["models"]
        for entry in table[model.name].get("files", []):
            file = listing.get(str(entry["name"]))
            if file is None:
                findings.append(Finding(model.name, "missing", "the hub has no such file", str(entry["name"])))
            elif _fill_entry(model, entry, file):
                findings.append(Finding(model.name, "filled", f"sha256 {file.sha256}", file.name))
    text = tomlkit.dumps(document)
    if text != before:
        replace_text(path, text)
    return tuple(findings)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as problem:
        raise LockError(f"cannot read {path}: {problem.strerror or problem}") from problem


def _listing(hub: Hub, model: LockedModel, findings: list[Finding]) -> Mapping[str, RemoteFile] | None:
    try:
        return hub.listing(str(model.repo), str(model.commit), model.acceptance)
    except SourceInterruptedError:
        raise
    except SourceError as problem:
        findings.append(Finding(model.name, "refused", str(problem)))
        return None


def _compare(model: LockedModel, name: str, pinned: str | None, listing: Mapping[str, RemoteFile]) -> Finding | None:
    file = listing.get(name)
    if file is None:
        return Finding(model.name, "missing", "the hub has no such file", name)
    if pinned and file.sha256 and pinned != file.sha256:
        return Finding(model.name, "changed", f"sha256 {file.sha256}, pinned {pinned}", name)
    return None


def _fill_entry(model: LockedModel, entry: Any, file: RemoteFile) -> bool:
    """Add what one file's table lacks. Returns whether it lacked anything."""
    changed = False
    for key, value in (("sha256", file.sha256), ("bytes", file.bytes)):
        if value is None:
            continue
        if key in entry and entry[key] != value:
            raise LockError(
                f"{file.name} of {model.repo} has {key} {value}, models.lock pins {entry[key]}",
                "the hub serves another file at the pinned commit; find out why before anything is changed",
            )
        changed = changed or key not in entry
        entry[key] = value
    return changed
