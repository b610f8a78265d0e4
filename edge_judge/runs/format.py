"""What stands in run.json and in a line of verdicts.jsonl, and how runs of earlier versions are read.

    format 1   until 0.1, without a number: "cut" is a line's `truncated`, and `batching` in run.json
    format 2   "format": 2 in run.json, and those names

A run keeps the format that it was begun in; lines that are added to one of format 1 have today's names.

Knows: both formats, and that what it reads may be damaged. Does not know: folders, what a verdict is worth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_judge import foreign_json
from edge_judge.errors import RunError, naming
from edge_judge.records import LABELS, ORDERS, Verdict

FORMAT = 2
BATCHING = "batching"  # in run.json: how the work was divided into calls, where that is not as usual
OFFLOADED = "offloaded"  # in run.json: what was on GPUs, and the bytes it took, where anything was
MOST_RUN, MOST_VERDICT = 4_000_000, 4_000_000  # bytes of run.json, of a line of verdicts.jsonl
MOST_NUMBER = 1 << 62  # of anything counted
ANEW = "--fresh starts the run over"


def read_run_json(path: Path) -> dict[str, Any]:
    """The content of a run.json, in today's names. Raises RunError for a format that is not known here."""
    try:
        with naming(path):
            content = foreign_json.parse(path.read_bytes(), most=MOST_RUN)
    except ValueError as error:
        raise RunError(f"{path} is not JSON: {error}", ANEW) from error
    if not isinstance(content, dict) or not isinstance(content.get("settings"), dict):
        raise RunError(f"{path}: expected a JSON object with settings", ANEW)
    version = format_of(content)
    if type(version) is not int or version < 1:
        raise RunError(f"{path}: format is {str(version)[:60]!r}, expected a whole number from 1 to {FORMAT}", ANEW)
    if version > FORMAT:
        raise RunError(
            f"{path}: a run of format {version}, this edge-judge reads formats up to {FORMAT}", "update edge-judge"
        )
    if version == 1 and "cut" in content:
        content[BATCHING] = content.pop("cut")
    return content


def format_of(run_json: Mapping[str, Any]) -> Any:
    """The number of a run's format."""
    return run_json.get("format", 1)


def verdict_line(verdict: Verdict) -> str:
    """A line of verdicts.jsonl."""
    fields = {name: getattr(verdict, name) for name in ("id", "order", "verdict", "p", "text", "mass")}
    if verdict.truncated:
        fields["truncated"] = True
    if verdict.respelled is not None:
        fields["respelled"] = verdict.respelled
    if verdict.machine is not None:
        fields["machine"] = verdict.machine
    return json.dumps(fields, ensure_ascii=False)


def read_verdict(file: Path, number: int, line: bytes, version: int) -> Verdict:
    """The verdict in a line. version: the run's format. Raises RunError, naming file and line, where it is none."""
    try:
        fields = foreign_json.parse(line, most=MOST_VERDICT)
        if version == 1 and isinstance(fields, dict) and "cut" in fields:
            fields["truncated"] = fields.pop("cut")
        verdict = Verdict(**fields)
    except (ValueError, TypeError) as error:
        raise RunError(f"{file}:{number}: not a verdict: {error}", ANEW) from error
    if not _is_whole(verdict):
        raise RunError(f"{file}:{number}: not a verdict: {line[:60]!r}", ANEW)
    return verdict


def _is_whole(verdict: Verdict) -> bool:
    """Whether each field is of its kind: a file may have been edited, and figures are computed from it."""
    p: object = verdict.p
    return (
        isinstance(verdict.id, str)
        and verdict.order in ORDERS
        and verdict.verdict in (*LABELS, None)
        and (p is None or (isinstance(p, dict) and all(k in LABELS and is_number(v) for k, v in p.items())))
        and (verdict.text is None or isinstance(verdict.text, str))
        and (verdict.mass is None or is_number(verdict.mass))
        and isinstance(verdict.truncated, bool)
        and (verdict.respelled is None or is_number(verdict.respelled))
        and (verdict.machine is None or isinstance(verdict.machine, str))
    )


def is_number(value: object) -> bool:
    """Whether a value is a number that can be counted with: finite, and no larger than anything is."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -MOST_NUMBER <= value <= MOST_NUMBER
