"""What a harness for reliability leaves behind: a JSON file with what was found, when, on what, and by which versions.

    {"kind", "date", "seed", "seconds", "versions", ...facts, "rows": [...]}

Knows: the envelope that all of these files have. Does not know: what a row or a fact means (reliability.py shows them).
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from edge_judge.version import __version__

KINDS = ("kills", "faults", "fuzz", "headers", "soak")
ENVELOPE = ("kind", "date", "seed", "seconds", "versions")


@dataclass(frozen=True, slots=True)
class Record:
    """A file as it was read. seed: None where nothing was drawn, or nobody kept it; seconds: of the whole harness."""

    kind: str
    date: str
    seed: int | None
    seconds: float
    versions: Mapping[str, str]
    rows: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Any]


def write(path: Path, kind: str, rows: Iterable[Any], *, seed: int | None = None, **facts: Any) -> None:
    """Write what a harness found. rows: dataclasses, or objects for JSON; facts: what is told once, besides."""
    if kind not in KINDS:
        raise ValueError(f"{kind}: expected one of {', '.join(KINDS)}")
    record = {
        "kind": kind,
        "date": datetime.now(UTC).date().isoformat(),
        "seed": seed,
        "seconds": round(time.time() - psutil.Process().create_time(), 1),
        "versions": versions(),
        **facts,  # may give the seconds itself
        "rows": [asdict(row) if is_dataclass(row) and not isinstance(row, type) else row for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> Record | None:
    """What a harness has written; None where there is no file. Raises SystemExit for a file that is none of these."""
    if not path.exists():
        return None
    try:
        found = {"kind": path.stem} | json.loads(path.read_text(encoding="utf-8"))
        told = {name: found.pop(name) for name in ENVELOPE}
        return Record(**told, rows=tuple(found.pop("rows", ())), facts=found)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise SystemExit(f"error: {path}: not written by a harness for reliability: {error!r}") from None


def versions() -> dict[str, str]:
    """What was tested, and on what."""
    return {
        "edge_judge": __version__,
        "llama_cpp_python": version("llama-cpp-python"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
