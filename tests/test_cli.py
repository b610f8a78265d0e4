"""The other commands, and what all of them have in common."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Edge, fails

from edge_judge import pocket
from edge_judge.records import ORDERS, Label, Verdict
from edge_judge.workflows.judge_pair import JudgedPair

ROOT = Path(__file__).parent.parent
RECORDED = ROOT / "results" / "0.1.0" / "pocket" / "pocket"
COMMANDS = [
    "demo", "models", "quantize", "eval", "compare", "choose", "pack", "attribute", "judge", "data", "lock", "speed",
    "report", "confidence", "cascade", "jury", "slices", "table", "train", "worker", "imatrix", "rank", "doctor",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_ends_with_an_example(edge: Edge, command: str) -> None:
    done = edge(command, "--help")
    assert done.returncode == 0
    assert f"edge-judge {command}" in done.stdout.split("\n  Example")[1]


def test_help_lists_every_command_with_a_whole_sentence(edge: Edge) -> None:
    shown = edge("--help", COLUMNS="80").stdout
    listed = re.findall(r"^  ([a-z]+)  +\S", shown, re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)
    groups = [edge(group, "--help", COLUMNS="80").stdout for group in ("data", "pack")]
    listings = [text.partition("\n")[2] for text in (shown, *groups)]  # without "Usage: … [ARGS]..."
    assert [line for text in listings for line in text.splitlines() if line.endswith("...")] == []


def test_help_lists_commands_by_what_a_person_is_doing_as_the_readme_does(edge: Edge) -> None:
    listed = re.findall(r"^([A-Z][a-z ]+):\n((?:  [a-z]+  .*\n)+)", edge("--help").stdout, re.MULTILINE)
    headings = {heading.lower(): re.findall(r"^  ([a-z]+)", lines, re.MULTILINE) for heading, lines in listed}
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Commands\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (?:\*\*)?([a-z ]+)(?:\*\*)? \| \||^\| `edge-judge ([a-z]+)", section, re.MULTILINE)
    readme: dict[str, list[str]] = {}
    for heading, name in rows:
        if heading:
            readme[heading] = []
        else:
            readme[list(readme)[-1]].append(name)
    assert list(headings) == list(readme)
    assert headings == {heading: sorted(names) for heading, names in readme.items()}


@pytest.mark.parametrize(("command", "heading"), [([], "Begin"), (["data"], "Commands"), (["pack"], "Commands")])
def test_a_group_of_commands_alone_is_answered_with_its_help(edge: Edge, command: list[str], heading: str) -> None:
    done = edge(*command)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("Usage: ") and f"\n{heading}:\n" in done.stderr


@pytest.mark.parametrize(("encoding", "line"), [("utf-8", "─"), ("ascii", "─"), ("latin-1", "-----")])
def test_a_table_is_printed_to_its_end_whatever_the_encoding_lacks(
    environment: dict[str, str], encoding: str, line: str
) -> None:
    """Where it is ASCII, click writes UTF-8."""
    runs = [RECORDED / scheme / "pairwise" for scheme in ("f16", "q2_k")]
    command = [sys.executable, "-m", "edge_judge", "compare", *map(str, runs)]
    done = subprocess.run(command, env={**environment, "PYTHONIOENCODING": encoding}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    table = done.stdout.decode("latin-1" if encoding == "latin-1" else "utf-8")
    assert line in table and table.rstrip().endswith("baseline's, in nats")


def test_tables_go_nowhere_where_stdout_is_closed(environment: dict[str, str], tmp_path: Path) -> None:
    closed = f"{sys.executable} -m edge_judge models --quiet >&-"
    done = subprocess.run(["sh", "-c", closed], cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_broken_record_of_built_files_is_told_before_anything_is_built(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "models.lock").write_text("built = [")
    fails(edge("quantize", "pocket", "q2_k", EDGE_JUDGE_MODELS="."), 1, "models.lock")
    assert [path.name for path in tmp_path.iterdir()] == ["models.lock"]


def test_a_mistyped_command_is_answered_with_the_nearest(edge: Edge) -> None:
    fails(edge("evl"), 2, "eval")


# ---- quantize ---------------------------------------------------------------------------------------------


def test_quantize_prints_the_path_of_a_verified_file_and_records_it(edge: Edge, models: Path) -> None:
    done = edge("quantize", "pocket", "Q4_K_M")
    assert done.stdout.strip() == str(models / "pocket" / "pocket-q4_k_m.gguf")
    assert re.search("ok +pocket +q4_k_m", edge("lock", "--check").stdout)
    built = {entry["name"]: entry["built"] for entry in json.loads(edge("models", "--json").stdout)}
    assert "q4_k_m" in built["pocket"]


def test_a_local_folder_can_be_quantized_and_then_judge(edge: Edge, tmp_path: Path) -> None:
    shutil.copytree(pocket.CHECKPOINT, tmp_path / "my-judge")
    assert edge("quantize", "my-judge", "q6_k").returncode == 0
    done = edge("eval", "--model", "my-judge", "--scheme", "q6_k", "--limit", 3, "--json")
    assert json.loads(done.stdout)[0]["model"] == "my-judge"


def test_out_puts_the_file_elsewhere(edge: Edge, tmp_path: Path) -> None:
    done = edge("quantize", "pocket", "q8_0", "--out", "here.gguf")
    assert done.stdout.strip() == "here.gguf" and (tmp_path / "here.gguf").read_bytes()[:4] == b"GGUF"


def test_out_never_replaces_what_is_no_file(edge: Edge, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    fails(edge("quantize", "pocket", "q4_0", "--out", "pipe"), 2, "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_unknown_models_and_schemes_are_answered_with_the_nearest(edge: Edge) -> None:
    fails(edge("quantize", "qwen1.5-14", "q4_k_m"), 2, "qwen1.5-14b")
    fails(edge("quantize", "pocket", "q4_k_l"), 2, "q4_k_m")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), ["safetensors"]),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x10\0\0\0"), ["model.safetensors"]),
        (lambda folder: _cut(folder / "model.safetensors"), ["model.safetensors"]),
        (
            lambda folder: (folder / "config.json").write_text('{"architectures": ["Qwen2ForCausalLM"]}'),
            ["config.json"],
        ),
        (lambda folder: (folder / "config.json").unlink(), ["config.json"]),
        (lambda folder: (folder / "tokenizer.json").unlink(), ["tokenizer"]),
    ],
)
def test_a_spoilt_checkpoint_is_refused_and_nothing_is_written(edge: Edge, tmp_path: Path, spoil, words) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "spoilt"
    shutil.copytree(pocket.CHECKPOINT, folder)
    spoil(folder)
    fails(edge("quantize", "spoilt", "q4_k_m", "--out", "out.gguf"), 1, *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spoilt"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


# ---- compare ----------------------------------------------------------------------------------------------


def test_compare_says_what_quantization_cost_and_max_drop_decides_the_exit_code(edge: Edge) -> None:
    for scheme in ("f16", "q2_k"):
        assert edge("eval", "--scheme", scheme, "--limit", 100).returncode == 0
    done = edge("compare")
    assert done.returncode == 0 and "q2_k" in done.stdout and "f16" in done.stdout
    rows = {row["scheme"]: row for row in json.loads(edge("compare", "--json").stdout)}
    drop = rows["q2_k"]["drop"]["value"]
    assert rows["f16"]["drop"]["value"] == 0
    assert set(rows["q2_k"]["flips"]) == {"right_to_wrong", "wrong_to_right", "wrong_to_wrong"}
    for points in (0.0, abs(drop) + 1):
        expected = 3 if drop > points else 0
        assert edge("compare", "--max-drop", points).returncode == expected
    high = rows["q2_k"]["drop"]["high"]
    refused = edge("compare", "--max-drop", high - 0.1, "--gate", "bound")
    assert refused.returncode == 3 and "points: q2_k" in refused.stderr and "not shown to lose" in refused.stderr
    assert edge("compare", "--max-drop", high + 0.1, "--gate", "bound").returncode == 0
    alone = edge("compare", "--gate", "bound")
    assert alone.returncode == 2 and "error: --gate does nothing without --max-drop" in alone.stderr


def test_compare_without_runs_or_with_a_strange_baseline_says_what_to_do(edge: Edge, tmp_path: Path) -> None:
    fails(edge("compare"), 1, "no complete run", "eval")
    edge("eval", "--limit", 3, "--scheme", "q8_0")
    fails(edge("compare"), 1, "no f16 run", "--scheme f16")
    fails(edge("compare", "--baseline", "f61"), 2, "f16")
    fails(edge("compare", "--baseline", "published"), 1, "published")


def test_a_run_whose_benchmark_is_gone_does_not_hide_the_others(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("question,a,b,label\nName a fruit.,apple,hammer,a\n")
    edge("eval", "--benchmark", "mine.csv", "--benchmark", "pocket", "--limit", 3)
    (tmp_path / "mine.csv").unlink()
    done = edge("compare")
    assert done.returncode == 0 and "pocket" in done.stdout and "mine left out" in done.stderr
    fails(edge("compare", "results/mine/pocket/f16/pairwise"), 1, "mine.csv")


def test_runs_under_other_prompts_are_not_compared(edge: Edge, tmp_path: Path) -> None:
    for scheme in ("f16", "q8_0"):
        edge("eval", "--limit", 3, "--scheme", scheme)
    path = tmp_path / "results/pocket/pocket/q8_0/pairwise/run.json"
    path.write_text(path.read_text("utf-8").replace('"prompt_sha256": "', '"prompt_sha256": "0'))
    fails(edge("compare"), 1, "prompt_sha256")


def test_runs_over_different_numbers_of_pairs_are_compared_over_those_they_share(edge: Edge) -> None:
    edge("eval", "--limit", 12)
    edge("eval", "--scheme", "q8_0", "--limit", 5)
    done = edge("compare", "--json")
    assert done.returncode == 0, done.stderr
    assert {row["scheme"]: row["pairs"] for row in json.loads(done.stdout)} == {"f16": 12, "q8_0": 5}


def test_a_limit_that_is_not_a_number_is_no_limit_and_is_refused(edge: Edge) -> None:
    fails(edge("compare", "--max-drop", "nan"), 2, "--max-drop")


# ---- judge, data, lock, demo ------------------------------------------------------------------------------


def test_judge_decides_one_pair_in_both_orders(edge: Edge) -> None:
    pair = ["--question", "Repeat these words: dog cat", "--a", "dog cat", "--b", "cat dog"]
    found = json.loads(edge("judge", *pair, "--json").stdout)
    assert [order["order"] for order in found["orders"]] == ["ab", "ba"]
    assert sum(found["p"].values()) == pytest.approx(1)
    table = edge("judge", *pair).stdout
    assert "answer A first" in table and "both orders" in table
    fails(edge("judge", "--question", " ", "--a", "x", "--b", "y"), 2, "--question", "hint: ")


def test_a_pair_judged_without_probabilities_has_the_verdict_that_both_orders_agree_on(edge: Edge) -> None:
    pair = ("judge", "--question", "q", "--a", "a", "--b", "b", "--grammar", "none")
    found = json.loads(edge(*pair, "--json").stdout)
    first, second = found["orders"]
    assert (first["p"], second["p"], found["p"]) == ({}, {}, {})
    assert found["verdict"] == (first["verdict"] if first["verdict"] == second["verdict"] else None)
    assert "mass" not in edge(*pair).stdout


@pytest.mark.parametrize(("verdicts", "both"), [(("a", "a"), "a"), (("a", "b"), None), ((None, None), None)])
def test_orders_without_probabilities_agree_or_leave_the_pair_undecided(
    verdicts: tuple[Label | None, Label | None], both: Label | None
) -> None:
    orders = tuple(Verdict("pair", order, verdict) for order, verdict in zip(ORDERS, verdicts, strict=True))
    assert JudgedPair("pocket", "f16", orders, {}).verdict == both


def test_data_tells_what_is_here(edge: Edge, tmp_path: Path) -> None:
    states = {row["name"]: row["state"] for row in json.loads(edge("data", "list", "--data", ".", "--json").stdout)}
    assert states["pocket"] == "ok" and states["pandalm"] == "missing"
    (tmp_path / "pandalm").mkdir()
    (tmp_path / "pandalm" / "testset-v1.json").write_text("[]")
    changed = edge("data", "verify", "pandalm", "--data", ".")
    assert changed.returncode == 1 and "changed" in changed.stderr
    fails(edge("data", "pull", "pandalmm"), 2, "pandalm")


def test_lock_check_finds_a_file_that_has_changed(edge: Edge, tmp_path: Path) -> None:
    own = {"EDGE_JUDGE_MODELS": str(tmp_path / "own")}
    edge("quantize", "pocket", "q2_k", **own)
    own["HF_ENDPOINT"] = "http://127.0.0.1:9"  # which is not asked about files built here
    before = edge("lock", "--check", **own)
    assert re.search("ok +pocket +q2_k", before.stdout) and "q2_k" not in before.stderr
    path = tmp_path / "own" / "pocket" / "pocket-q2_k.gguf"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    done = edge("lock", "--check", **own)
    assert done.returncode == 1 and "changed" in done.stdout and "q2_k" in done.stderr


def test_the_demo_prints_the_ladder(edge: Edge) -> None:
    done = edge("demo", "--results", "mine")
    assert done.returncode == 0, done.stderr
    for scheme in ("f16", "q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k"):
        assert scheme in done.stdout
    assert "without a model, %: always the first 39.0" in done.stdout


def test_a_demo_whose_judging_fails_ends_in_its_one_error(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fails(edge("demo", "--results", "mine", EDGE_JUDGE_MODELS=str(tmp_path / "file")), 1, str(tmp_path / "file"))
