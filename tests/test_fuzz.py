"""The fuzzer itself: its inputs are whole at the beginning, and it tells what a parser must not do."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from random import Random

import pytest
from fuzz import Fed, Row, innermost, shown, table
from fuzz_mutators import mutated_bytes, mutated_json, mutated_lines, mutated_pack, mutated_safetensors
from fuzz_targets import ROOT, TARGETS

from edge_judge.errors import DataError

NEEDS = {"benchmark-parquet": "pyarrow", "server": "httpx2", "server-answer": "httpx2"}
ROUNDS = 15
SLOW = {"chat-template"}  # a process for each input


@pytest.mark.parametrize("name", sorted(TARGETS.keys() - SLOW))
def test_a_parser_takes_its_own_files_and_some_changed_ones(tmp_path: Path, name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="reads such files")
    (tmp_path / "work").mkdir()
    (tmp_path / "ended").mkdir()
    run, seeds = TARGETS[name].setup(tmp_path / "work")
    check, rng = Fed(tmp_path / "ended").checking(run), Random(name)
    for data in seeds:
        check(data)
        for _ in range(ROUNDS):
            check(TARGETS[name].mutate(data, rng))
    failures = [json.loads(file.read_text("utf-8")) for file in (tmp_path / "ended").iterdir()]
    assert [one for one in failures if one["where"] != "time"] == []  # a busy machine is no error


def fed(tmp_path: Path, run: object, data: bytes = b"x") -> list[str]:
    Fed(tmp_path).checking(run)(data)  # type: ignore[arg-type]
    return [json.loads(file.read_text("utf-8"))["what"] for file in tmp_path.iterdir()]


def test_an_error_that_is_not_the_projects_is_a_failure(tmp_path: Path) -> None:
    assert fed(tmp_path, lambda data: int(data)) == ["ValueError: \"invalid literal for int() with base 10: b'x'\""]


def test_an_error_of_the_project_is_none(tmp_path: Path) -> None:
    def refuse(data: bytes) -> None:
        raise DataError("no such row", "write one")

    assert fed(tmp_path, refuse) == []


def test_a_message_that_is_long_or_writes_on_the_terminal_is_a_failure(tmp_path: Path) -> None:
    def refuse(data: bytes) -> None:
        error = DataError("x")
        error.hint = "\x1b[31m"
        raise error

    (what,) = fed(tmp_path, refuse)
    assert what.startswith("a message of 5 characters")


def test_of_each_failure_the_smallest_input_is_kept(tmp_path: Path) -> None:
    check = Fed(tmp_path).checking(lambda data: {}[data])  # type: ignore[index]
    for data in (b"long", b"s", b"longer"):
        check(data)
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text("utf-8"))["input"] == "b's'"


def test_memory_beyond_the_input_is_a_failure(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="tells how much memory a process took")
    kept: list[bytes] = []
    assert any("MB" in what for what in fed(tmp_path, lambda data: kept.append(b"x" * 700_000_000)))


@pytest.mark.parametrize("mutate", [mutated_bytes, mutated_json, mutated_lines, mutated_pack, mutated_safetensors])
def test_a_seed_says_what_is_changed(mutate: object) -> None:
    data = json.dumps({"a": [1, 2, {"b": "text"}], "c": None}).encode() * 3
    made = [[mutate(data, Random(seed)) for seed in range(50)] for _ in range(2)]  # type: ignore[operator]
    assert made[0] == made[1] and len(set(made[0])) > 25


def test_changed_headers_still_fit_their_frames() -> None:
    from test_packs import MADE

    from edge_judge.runs import packs

    for seed in range(100):
        packs._framed(mutated_pack(MADE, Random(seed)))
        data = mutated_safetensors((2).to_bytes(8, "little") + b"{}data", Random(seed))
        assert data.endswith(b"data") and int.from_bytes(data[:8], "little") == len(data) - 12


def test_the_table_has_a_line_for_each_target_and_what_failed_below() -> None:
    rows = [Row("pack", 12_345, 60.2, 210), Row("hypothesis", 5, 1.0, None, ["test_x failed"])]
    head, first, second, below = table(rows)
    assert first.split() == ["pack", "12,345", "60", "210", "0"] and second.split() == [
        "hypothesis",
        "5",
        "1",
        "–",
        "1",
    ]
    assert head.split() == ["target", "inputs", "seconds", "edges", "failures"] and "hypothesis: test_x failed" in below


def test_a_stack_that_a_killed_process_left_says_where_it_was() -> None:
    said = 'Timeout!\n  File "/x/edge_judge/runs/packs.py", line 7 in read\n  File "/x/tests/fuzz.py", line 1 in f'
    assert innermost(said) == "edge_judge/runs/packs.py:7 read"
    assert shown(b"a" * 500).endswith("base64: " + "YWFh" * 166 + "YWE=)")


def test_json_of_others_is_read_in_one_place() -> None:
    """`json.loads` takes any depth; what may call it reads what this project has just written itself."""
    own = {"foreign_json.py", "template_program.py", "chat.py", "completions.py"}
    for path in (ROOT / "edge_judge").rglob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        names = {ast.unparse(call) for call in calls}
        assert not names & {"json.loads", "json.load"} or path.name in own, path
