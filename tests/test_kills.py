"""A few kills at random moments; `make kills` does hundreds of every command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = Path(__file__).parent / "kills.py"
COMMANDS = ("eval pairwise", "eval --fresh", "quantize", "pack import")


@pytest.mark.skipif(os.name != "posix", reason="kills processes by SIGKILL and makes them by fork")
def test_killed_at_random_moments_commands_go_on_and_end_as_undisturbed_ones(tmp_path: Path) -> None:
    table, only = tmp_path / "kills.json", [word for name in COMMANDS for word in ("--only", name)]
    command = [sys.executable, str(KILLS), "--times", "3", *only, "--json", str(table)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(table.read_text(encoding="utf-8"))["rows"]
    assert [row["kills"] for row in rows] == [3] * len(rows) and len(rows) >= 7
