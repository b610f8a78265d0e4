"""Two commands at once on one thing: one works, the other waits or says who has it, and what is left is whole."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Edge, fails
from filelock import FileLock

from edge_judge.runs import holder
from quantize import build_folder
from quantize.errors import PackError

EDGE = [sys.executable, "-m", "edge_judge"]
HELD = re.compile(r"process (\d+) \(edge-judge .*, since \d\d:\d\d\) is writing this run")


def both(environment: dict[str, str], folder: Path, *command: str) -> list[tuple[int, int, str]]:
    """The process, the exit code and what was said, of a command that is started twice."""
    running = [
        subprocess.Popen(
            [*EDGE, *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=500)[1].decode() for process in running]
    return [(process.pid, process.returncode, text) for process, text in zip(running, said, strict=True)]


def test_of_two_evals_of_one_run_one_works_and_the_other_says_who(environment: dict[str, str], tmp_path: Path) -> None:
    ends = both(environment, tmp_path, "eval", "--scheme", "q8_0", "--limit", "100")
    for pid, code, text in ends:
        assert "Traceback" not in text
        if code != 0:
            [other] = [one for one, _, _ in ends if one != pid]
            told = HELD.search(text)
            assert code == 1 and told is not None and int(told[1]) == other, text
    assert 0 in {code for _, code, _ in ends}
    [verdicts] = tmp_path.glob("results/*/*/*/*/verdicts.jsonl")
    keys = [(line["id"], line["order"]) for line in map(json.loads, verdicts.read_bytes().splitlines())]
    assert len(keys) == len(set(keys)) == 200
    assert not [path.name for path in verdicts.parent.iterdir() if path.name.startswith(".")]


def test_readers_beside_a_writer_leave_its_run_out_and_go_on(edge: Edge, tmp_path: Path) -> None:
    done = edge("eval", "--scheme", "q8_0", "--limit", 3)
    assert done.returncode == 0, done.stderr
    [folder] = [path.parent for path in tmp_path.glob("results/*/*/*/*/run.json")]
    with FileLock(folder / ".lock"):
        holder.write_holder(folder)
        fails(edge("eval", "--scheme", "q8_0", "--limit", 3, "--fresh"), 1, f"process {os.getpid()} (", "wait for it")
        assert edge("compare", "--baseline", "q8_0").returncode == 0
        assert edge("report").returncode == 0


def test_what_a_killed_process_left_is_not_believed_and_is_cleared(tmp_path: Path) -> None:
    assert holder.holder(tmp_path) == "another edge-judge process"
    for text in ("", "{", "[]", '{"pid": "x"}', '{"pid": 1, "command": "c", "since": "yesterday"}', "[" * 10_000):
        (tmp_path / holder.NAME).write_text(text, "utf-8")
        assert holder.holder(tmp_path) == "another edge-judge process"
    holder.write_holder(tmp_path)
    assert holder.holder(tmp_path).startswith(f"process {os.getpid()} (")
    holder.forget_holder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_command_in_the_note_has_no_login_and_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/edge-judge", "eval", "--engine", "http://me:pass4711@host/v1", "x" * 500])
    holder.write_holder(tmp_path)
    assert "pass4711" not in (tmp_path / holder.NAME).read_text("utf-8")
    assert "edge-judge eval --engine http://host/v1" in holder.holder(tmp_path) and len(holder.holder(tmp_path)) < 200


def test_the_second_build_of_one_file_says_who_builds_it(tmp_path: Path) -> None:
    out = tmp_path / "model.gguf"
    with (
        build_folder.opened(out, resumable=True),
        pytest.raises(PackError, match=rf"model.gguf is being built by process {os.getpid()}, since"),
        build_folder.opened(out, resumable=True),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
