"""The fuzzer itself: its inputs are whole at the beginning, and it tells what a parser must not do."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from fuzz import Fed, Row, earlier, ended_by_an_input, guarded, innermost, recorded, shown, table, together
from fuzz_containers import (
    _protobuf_fields,
    mutated_gguf,
    mutated_http,
    mutated_pack,
    mutated_parquet,
    mutated_protobuf,
    mutated_safetensors,
    mutated_zip,
)
from fuzz_mutators import mutated_bytes, mutated_csv, mutated_json, mutated_lines
from fuzz_programs import mutated_grammar, mutated_template
from fuzz_targets import ROOT, TARGETS
from reliability_record import write

from edge_judge.errors import DataError

NEEDS = {
    "benchmark-parquet": "pyarrow", "server": "httpx2", "server-answer": "httpx2", "training-state": "torch",
}  # fmt: skip
FUZZ = [sys.executable, str(ROOT / "tests" / "fuzz.py")]
ROUNDS = 15
SLOW = {"chat-template"}  # a process for each input


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """A target sets variables for a process of its own, and the Hub's client remembers them."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)
        urllib.request.install_opener(None)  # type: ignore[arg-type]  # it remembers the proxies
        if "huggingface_hub" in sys.modules:
            sys.modules["huggingface_hub"].close_session()


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


@pytest.mark.parametrize(
    "mutate",
    [
        mutated_bytes, mutated_json, mutated_lines, mutated_csv, mutated_grammar, mutated_template, mutated_safetensors,
        mutated_pack, mutated_zip, mutated_gguf, mutated_protobuf, mutated_parquet, mutated_http,
    ],
)  # fmt: skip
def test_a_seed_says_what_is_changed(mutate: object) -> None:
    data = json.dumps({"a": [1, 2, {"b": "text"}], "c": None}).encode() * 3
    made = [[mutate(data, Random(seed)) for seed in range(50)] for _ in range(2)]  # type: ignore[operator]
    assert made[0] == made[1] and len(set(made[0])) > 25


FRAMED = ["torch-bin", "tokenizer.model", "gguf", "benchmark-csv", "benchmark-parquet", "download"]


@pytest.mark.parametrize("name", FRAMED)
def test_changes_reach_behind_the_first_check_of_a_reader(name: str, tmp_path: Path) -> None:
    """Whatever a change does, the frame is mostly whole: else nothing but the first check would be tried."""
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="writes such files")
    _, seeds = TARGETS[name].setup(tmp_path)
    made = [TARGETS[name].mutate(seeds[0], Random(number)) for number in range(200)]
    whole = {
        "torch-bin": lambda data: zipfile.ZipFile(io.BytesIO(data)).testzip() is None,
        "tokenizer.model": lambda data: bool(_protobuf_fields(data)),
        "gguf": lambda data: data.startswith(b"GGUF\x03") and data[8:24] == seeds[0][8:24],
        "benchmark-csv": lambda data: b"question" in data and b"label" in data,
        "benchmark-parquet": lambda data: data.startswith(b"PAR1") and data.endswith(b"PAR1"),
        "download": lambda data: data.startswith(b"HTTP/1.1 ") and b"\r\n\r\n" in data,
    }[name]
    held = 0
    for data in made:
        try:
            held += whole(data)
        except (ValueError, IndexError, OSError, zipfile.BadZipFile):
            pass
    assert held > 100 and len(set(made)) > 100


def test_an_input_that_ends_the_process_or_hangs_is_a_failure_and_is_not_fed_again(tmp_path: Path) -> None:
    for part in ("ended", "corpus"):
        (tmp_path / part).mkdir()
    (tmp_path / "corpus" / "seed").write_bytes(b"bad")

    def ends(data: bytes) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        guarded(b"bad", ends, tmp_path)
    failures: dict[str, object] = {}
    assert ended_by_an_input(tmp_path, failures, 'Timeout (0:03:00)!\n  File "/x/quantize/hub.py", line 5 in fetch\n')
    assert list(failures.values()) == [{"what": "a hang", "where": "quantize/hub.py:5 fetch", "input": "b'bad'"}]
    assert not any((tmp_path / part / name).exists() for part, name in (("ended", "crash-once"), ("corpus", "seed")))
    guarded(b"good", lambda data: None, tmp_path)
    assert not ended_by_an_input(tmp_path, failures, "")


def test_without_atheris_inputs_are_changed_blindly_and_the_table_is_kept(tmp_path: Path) -> None:
    table = tmp_path / "new" / "fuzz.json"
    options = ["--blind", "--hours", str(3 / 3600), "--seed", "7", "--json", str(table)]
    command = [*FUZZ, *options, "labels-csv", "preferences-csv"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = json.loads(table.read_text("utf-8"))
    assert (kept["kind"], kept["seed"], kept["guided"]) == ("fuzz", 7, False)
    assert [row["target"] for row in kept["rows"]] == ["labels-csv", "preferences-csv"]
    for row in kept["rows"]:
        assert row["inputs"] > 0 and row["coverage"] == "-" and row["failures"] == [] and row["seconds"] > 1
        assert f"{row['target']:24}{row['inputs']:>12,}" in done.stdout
    assert kept["seconds"] == pytest.approx(sum(row["seconds"] for row in kept["rows"]), abs=0.2)


def test_campaigns_with_one_target_count_together(tmp_path: Path) -> None:
    before, now = Row("pack", 70, 3.0, 40, ["one"]), Row("pack", 9, 2.0, None, ["other"])
    table = tmp_path / "fuzz.json"
    write(table, "fuzz", map(recorded, [before, Row("gguf", 5, 1.0)]))
    assert earlier(table) == {"pack": before, "gguf": Row("gguf", 5, 1.0)} and earlier(tmp_path / "none.json") == {}
    assert together(earlier(table)["pack"], now) == Row("pack", 79, 5.0, 40, ["one", "other"])


def test_a_target_that_is_none_is_told() -> None:
    done = subprocess.run([*FUZZ, "packs"], capture_output=True, encoding="utf-8")
    assert done.returncode == 2 and "no target 'packs'" in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), "tests/fuzz.py --minutes 10"),
        (("MINUTES=3",), "tests/fuzz.py --minutes 3"),
        (("HOURS=1", "JSON=x.js", "TARGETS=grammar gguf"), "tests/fuzz.py --hours 1 --add --json x.js grammar gguf"),
        (("SEED=7",), "tests/fuzz.py --minutes 10 --seed 7"),
    ],
)
def test_make_fuzz_hands_its_variables_on(given: tuple[str, ...], expected: str) -> None:
    command = ["make", "--no-print-directory", "--dry-run", "fuzz", *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert " ".join(done.stdout.strip().splitlines()[-1].split()).endswith(expected), done.stdout + done.stderr


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
