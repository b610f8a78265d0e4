"""A short soak of two made-up benchmarks; `make soak` judges all that are here. What it must find is put in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from reliability_record import read
from soak import COUNTED, Row, growth, problems, unaccounted

HERE = Path(__file__).parent
PAIRS = 6
SOAK = """
import os, sys, tempfile
sys.path.insert(0, sys.argv.pop(1))
import soak
from edge_judge.runs.folder import RunFolder as Run
kept, close, append = [], Run.close, Run.append
{}
sys.exit(soak.main())
"""

FAILING = """
from edge_judge.errors import RunError
def refuse(run, one):
    if run.identity.grammar == "pairwise":
        raise RunError("no room")
    append(run, one)
Run.append = refuse
"""


def soaked(folder: Path, environment: dict[str, str], leak: str = "") -> subprocess.CompletedProcess[str]:
    """A soak of two benchmarks in a process of its own. leak: Python that spoils the product first."""
    for name in ("first", "second"):
        texts = (f"Repeat: dog cat {number}" for number in range(PAIRS))
        rows = [{"question": text, "a": text[8:], "b": "no", "label": "a"} for text in texts]
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    command = [sys.executable, "-c", SOAK.format(leak), str(HERE), "--benchmarks", "first.jsonl", "second.jsonl"]
    command += ["--schemes", "q8_0", "q4_k_m", "--json", "soak.json", "--limit", str(PAIRS - 1)]
    variables = {**environment, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, encoding="utf-8")


def test_nothing_piles_up_and_every_verdict_is_there_once(environment: dict[str, str], tmp_path: Path) -> None:
    done = soaked(tmp_path, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    record = read(tmp_path / "soak.json")
    assert record is not None and record.facts["problems"] == [] and record.facts["limit"] == PAIRS - 1
    assert [(row["benchmark"], row["scheme"], row["protocol"]) for row in record.rows] == [
        (benchmark, scheme, protocol)
        for protocol in ("pairwise", "pairwise-cot")
        for scheme in ("q8_0", "q4_k_m")
        for benchmark in ("first", "second")
    ]
    assert {(row["pairs"], row["in_file"], row["verdicts"]) for row in record.rows} == {(5, 6, 10)}
    assert all(row["memory"] > 10_000_000 and row["handles"] and row["threads"] for row in record.rows)
    assert set(record.facts["growth"]) == {"q8_0", "q4_k_m"}


@pytest.mark.parametrize(
    ("leak", "told"),
    [
        ("Run.close = lambda run: (kept.append(os.urandom(12 << 20)), close(run))[1]", "% more memory"),
        ("Run.close = lambda run: (kept.append(open(os.devnull)), close(run))[1]", "open handles: "),
        ("Run.close = lambda run: (tempfile.mkstemp(), close(run))[1]", "temporary files: "),
        ("Run.append = lambda run, one: one.id.endswith('2') or append(run, one)", "verdicts that are missing: 2"),
        ("Run.append = lambda run, one: append(run, one) or append(run, one)", "verdicts that are there twice: 10"),
    ],
    ids=["memory", "handles", "temporary files", "missing verdicts", "double verdicts"],
)
def test_what_piles_up_or_is_lost_ends_the_soak_with_1(
    environment: dict[str, str], tmp_path: Path, leak: str, told: str
) -> None:
    done = soaked(tmp_path, environment, leak)
    assert done.returncode == 1 and told in done.stdout, done.stdout + done.stderr
    record = read(tmp_path / "soak.json")
    assert record is not None and any(told in problem for problem in record.facts["problems"])


def test_an_error_ends_a_protocol_and_the_others_go_on(environment: dict[str, str], tmp_path: Path) -> None:
    done = soaked(tmp_path, environment, FAILING)
    record = read(tmp_path / "soak.json")
    assert done.returncode == 1 and record is not None, done.stdout + done.stderr
    assert [row["skipped"] for row in record.rows] == ["no room"] * 4 + [""] * 4
    assert "first, q8_0, pairwise: no room" in record.facts["problems"]


def test_a_soak_that_is_ended_keeps_what_it_has_found(environment: dict[str, str], tmp_path: Path) -> None:
    end = "Run.append = lambda run, one: (append(run, one), kept.append(one), len(kept) == 21 and os._exit(9))[0]"
    assert soaked(tmp_path, environment, end).returncode == 9
    record = read(tmp_path / "soak.json")
    assert record is not None and [row["benchmark"] for row in record.rows] == ["first", "second"]


def test_memory_is_held_against_the_first_run_with_the_same_weights() -> None:
    rows = [Row("x", scheme=scheme, memory=memory) for scheme, memory in [("f16", 100), ("q2_k", 50), ("f16", 105)]]
    assert growth(rows) == {"f16": 5.0, "q2_k": 0.0} and problems(rows) == []
    assert problems([*rows, Row("y", scheme="f16", memory=106)]) == ["f16: 6.0 % more memory"]
    assert problems([*rows, Row("y", skipped="not here")]) == []


@pytest.mark.parametrize("more", COUNTED)
def test_one_more_of_anything_is_a_problem(more: str) -> None:
    rows = [Row("x", scheme="f16", memory=100), Row("y", scheme="f16", memory=100, **{more: 1})]
    assert problems(rows) == [f"f16: {COUNTED[more]}: 1 more at the end than after the first benchmark"]


def test_verdicts_are_counted_against_the_file() -> None:
    both = Counter({("1", "ab"): 1, ("1", "ba"): 1, ("2", "ab"): 1, ("2", "ba"): 1})
    assert list(unaccounted(both, {"1", "2", "3"}, 2)) == []
    assert list(unaccounted(both, {"1", "2", "3"}, 3)) == ["verdicts that are missing: 2"]
    assert list(unaccounted(both, {"1", "4"}, 2)) == ["pairs that are not in the benchmark: 1"]
    assert list(unaccounted(both + Counter({("2", "ba"): 2}), {"1", "2"}, 2)) == ["verdicts that are there twice: 2"]
    assert list(unaccounted(both - Counter({("2", "ba"): 1}), {"1", "2"}, 2)) == [
        "verdicts that are missing: 1", "pairs with one order alone: 1"
    ]  # fmt: skip
