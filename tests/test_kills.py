"""A few kills at random moments; `make kills` does hundreds of every command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kill_jobs import Job
from kills import Row, content, damage, snapshot, together

KILLS = Path(__file__).parent / "kills.py"
LINE = '{"id": "1", "order": "ab", "verdict": "a", "p": null, "text": null, "mass": null}'
COMMANDS = ("eval pairwise", "eval --fresh", "quantize", "pack import")


@pytest.mark.skipif(os.name != "posix", reason="kills processes by SIGKILL and makes them by fork")
def test_killed_at_random_moments_commands_go_on_and_end_as_undisturbed_ones(tmp_path: Path) -> None:
    table, only = tmp_path / "kills.json", [word for name in COMMANDS for word in ("--only", name)]
    command = [sys.executable, str(KILLS), "--times", "3", *only, "--json", str(table)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(table.read_text(encoding="utf-8"))["rows"]
    assert [row["kills"] for row in rows] == [3] * len(rows) and len(rows) >= 7


def test_what_a_kill_must_not_leave_is_found(tmp_path: Path) -> None:
    """So that the test above can fail."""
    job = Job("quantize", ("quantize",), lost=lambda: iter(["the old file is gone"]))
    (tmp_path / "new.gguf").write_bytes(b"who")
    (tmp_path / "verdicts.jsonl").write_text(f"{LINE}\n{LINE}\n", encoding="utf-8")
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    found = list(damage(job, tmp_path, {"new.gguf": b"old"}, {"new.gguf": b"whole"}))
    assert found[0] == "new.gguf: neither the old file nor the new one"
    assert found[1].startswith("run.json: ") and found[2] == "verdicts.jsonl: a verdict is there twice"
    assert found[3:] == ["the old file is gone"]


def test_what_is_left_over_or_lost_in_the_end_is_seen(tmp_path: Path) -> None:
    (tmp_path / "verdicts.jsonl").write_text(f"{LINE}\n", encoding="utf-8")
    (tmp_path / ".lock").touch()
    (tmp_path / ".new").mkdir()
    kept = {"verdicts.jsonl": [("1", "ab", "a")], ".lock": b"", ".new": "an empty folder"}
    assert snapshot(tmp_path) == kept


def test_a_torn_line_is_no_verdict_and_costs_decide_nothing(tmp_path: Path) -> None:
    lines, run = tmp_path / "verdicts.jsonl", tmp_path / "run.json"
    lines.write_text(f'{LINE}\n{{"id": "2"', encoding="utf-8")
    run.write_text('{"settings": {"seed": 1}, "measured": {"wall_seconds": 2.5}}', encoding="utf-8")
    assert content(lines) == [("1", "ab", "a")]
    assert content(run) == {"settings": {"seed": 1}, "of": {}}


def test_kills_of_several_times_are_counted_together() -> None:
    one, other = (Row("eval", count, 2, 0.5, [0.1] * count, 1, ["lost"] * count) for count in (3, 1))
    assert together(one, other) == Row("eval", 4, 4, 0.5, [0.1] * 4, 2, ["lost"] * 4)
