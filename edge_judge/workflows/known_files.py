"""What is known of files from elsewhere: their hashes, and which of them llama.cpp has opened without trouble.

Kept in the models folder, so that a file of many gigabytes is hashed and tried once. A file is known by its place, its
size and the time of its last change; one that was changed a moment ago is not, since the next change might not show.
Knows: that record, which may be lost at any time. Does not know: what is in a file, how it is tried.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from edge_judge import foreign_json
from edge_judge.workflows.model_files import models_folder, recorded_paths
from quantize import digest
from quantize.atomic import replace_text
from quantize.lock import BuiltFile

NAME = ".files.json"
SETTLED = 2e9  # nanoseconds after which another change would have another time on every file system


def sha256(paths: Sequence[Path]) -> str:
    """The hash of a model's files, computed only where one of them may have changed."""
    known = _read().get("hashes", {})
    key, state = str(paths[0].resolve()), [[path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    entry = known.get(key) if isinstance(known, dict) else None
    if isinstance(entry, dict) and entry.get("state") == state and isinstance(entry.get("sha256"), str):
        return str(entry["sha256"])
    found = digest.of_files(paths)
    if all(time.time_ns() - changed > SETTLED for _, changed in state):
        _note("hashes", key, {"state": state, "sha256": found})
    return found


def state_of(record: BuiltFile) -> Literal["ok", "missing", "changed"]:
    """Whether a recorded file is what it was. It is hashed only where it may have changed."""
    paths = recorded_paths(record)
    if not all(path.is_file() for path in paths):
        return "missing"
    whole = sum(path.stat().st_size for path in paths) == record.bytes and sha256(paths) == record.sha256
    return "ok" if whole else "changed"


def was_opened(sha256: str, version: str) -> bool:
    """Whether a file of this hash was opened without trouble. version: of llama.cpp and of the way it is tried."""
    known = _read().get("opened", {})
    return isinstance(known, dict) and known.get(sha256) == version


def note_opened(sha256: str, version: str) -> None:
    """Remember that it was."""
    _note("opened", sha256, version)


def _read() -> dict[str, Any]:
    try:
        content = foreign_json.parse((models_folder() / NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _note(name: str, key: str, value: object) -> None:
    """Two processes may lose each other's note, and a folder may be read-only: then a file is looked at again."""
    content = _read()
    entries = content.get(name)
    content[name] = {**(entries if isinstance(entries, dict) else {}), key: value}
    try:
        models_folder().mkdir(parents=True, exist_ok=True)
        replace_text(models_folder() / NAME, json.dumps(content, indent=1))
    except OSError:
        return
