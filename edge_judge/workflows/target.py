"""The file that a command is to write. Knows: what may be replaced. Does not know: what is written."""

from __future__ import annotations

from pathlib import Path

from edge_judge.errors import UsageError


def check_target(path: Path | None, hint: str) -> None:
    """Raise UsageError for something that is no file: a rename would put the file in a device's place."""
    if path is not None and path.exists() and not path.is_file():
        raise UsageError(f"{path}: not a regular file; refusing to overwrite", hint)
