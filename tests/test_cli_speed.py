"""edge-judge speed: what this machine does with a judge, here or not, and how long runs would take."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from conftest import Edge, fails

from edge_judge.cli import main
from edge_judge.report.formatting import duration
from quantize import container

LOCK = """
[models.tiny]
repo = "some/tiny"
commit = "0000000000000000000000000000000000000000"
class = "Qwen2ForCausalLM"
architecture = "qwen2"
license = "none"
protocol = "pairwise"

[models.tiny.config]
model_type = "qwen2"
hidden_size = 256
intermediate_size = 704
num_hidden_layers = 2
num_attention_heads = 4
vocab_size = 1519
rms_norm_eps = 1e-06
max_position_embeddings = 2048
"""
QUICK = ("--seconds", 0.02, "--threads", 1)
PAIRS = [
    {"question": "Name a fruit.", "a": "apple", "b": "hammer", "label": "a"},
    {"question": "Name a tool.", "a": "dog " * 4000, "b": "hammer", "label": "b"},
]


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """A models.lock of one's own, and a folder for temporary files."""
    (tmp_path / "own.lock").write_text(LOCK)
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS))
    (tmp_path / "temporary").mkdir()
    return {"EDGE_JUDGE_LOCK": str(tmp_path / "own.lock"), "TMPDIR": str(tmp_path / "temporary")}


def left(tmp_path: Path) -> list[str]:
    """What is left in the folder for temporary files."""
    return [path.name for path in (tmp_path / "temporary").iterdir()]


def test_the_embedded_judge_is_measured_and_each_benchmark_here_gets_a_time(edge: Edge) -> None:
    done = edge("speed", *QUICK, "--data", ".")
    assert done.returncode == 0, done.stderr
    assert "pocket f16, 1 thread\n" in done.stdout and "random weights" not in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("pocket  ")]
    assert [row[:3] for row in rows] == [
        ["pocket", "pairwise", "1,200"], ["pocket", "pairwise-cot", "1,200"], ["pocket", "pointwise", "1,200"],
    ]  # fmt: skip
    assert [row[5] == "≤" for row in rows] == [False, True, False]
    assert "not downloaded: auto-j, pandalm" in done.stderr and "data pull" in done.stderr


def test_a_model_that_is_not_here_is_stood_in_for_and_leaves_nothing(
    edge: Edge, own: dict[str, str], tmp_path: Path
) -> None:
    asked = ("speed", "--shape", "tiny", "--scheme", "Q4_K_M", *QUICK)
    done = edge(*asked, "--benchmark", "own.jsonl", "--grammar", "pairwise", "--json", **own)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["model"], found["scheme"], found["random_weights"]) == ("tiny", "q4_k_m", True)
    assert found["tokens_estimated"] and found["bytes"] > 1_000_000
    assert found["rates"].pop("offloaded") is None or found["backend"]["devices"]
    assert all(value > 0 for value in found["rates"].values())
    (estimate,) = found["estimates"]
    assert (estimate["benchmark"], estimate["grammar"]) == ("own", "pairwise")
    load = estimate["load"]
    assert (load["verdicts"], load["shortened"]) == (4, 2)
    assert estimate["seconds"] == pytest.approx(
        found["rates"]["load_seconds"] + load["tokens"] / found["rates"]["prompt"]
    )
    assert left(tmp_path) == []


def test_a_real_vocabulary_counts_tokens_and_the_random_weights_can_be_kept(
    edge: Edge, own: dict[str, str], models: Path, tmp_path: Path
) -> None:
    edge("quantize", "pocket", "q8_0")
    vocab = models / "pocket" / "pocket-q8_0.gguf"
    rows = len(container.read_fields(vocab, "tokenizer.ggml.tokens")[0].value)  # type: ignore[arg-type]
    (tmp_path / "own.lock").write_text(LOCK.replace("vocab_size = 1519", f"vocab_size = {rows + 8}"))
    asked = ("--benchmark", "pocket", "--grammar", "pointwise", *QUICK)
    done = edge("speed", "--shape", "tiny", "--scheme", "q8_0", "--vocab", vocab, "--keep", "kept.gguf", *asked, **own)
    assert done.returncode == 0, done.stderr
    assert "tiny q8_0, random weights" in done.stdout and "four characters" not in done.stdout
    again = json.loads(edge("speed", "--gguf", "kept.gguf", *asked, "--json").stdout)["estimates"]
    true = json.loads(edge("speed", "--scheme", "q8_0", *asked, "--json").stdout)["estimates"]
    assert again[0]["load"] == true[0]["load"] and left(tmp_path) == []


def test_what_a_model_cannot_be_asked_is_left_out_with_a_note(edge: Edge, own: dict[str, str]) -> None:
    asked = ("--benchmark", "own.jsonl", "--grammar", "autoj", "--grammar", "reference", *QUICK)
    done = edge("speed", "--shape", "tiny", "--scheme", "q4_0", *asked, **own)
    assert done.returncode == 0, done.stderr
    assert "own under autoj left out" in done.stderr and "own under reference left out" in done.stderr
    assert "prompt" in done.stdout and "How long" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--shape", "tinny", "--scheme", "q4_0"), 2, ("unknown model 'tinny'", "tiny")),
        (("--shape", "tiny", "--scheme", "q4_k_l"), 2, ("q4_k_m",)),
        (("--shape", "tiny"), 2, ("--shape needs a scheme", "q4_k_m")),
        (("--shape", "tiny", "--scheme", "q4_0", "--gguf", "own.lock"), 2, ("--shape and --gguf do not go together",)),
        (("--shape", "tiny", "--scheme", "q4_0", "--model", "pocket"), 2, ("--shape and --model",)),
        (("--vocab", "own.lock"), 2, ("--vocab does nothing without --shape",)),
        (("--keep", "own.gguf"), 2, ("--keep does nothing without --shape",)),
        (("--shape", "tiny", "--scheme", "q4_0", "--keep", "/dev/null"), 2, ("not a regular file",)),
        (("--shape", "tiny", "--scheme", "q4_0", "--vocab", "own.lock"), 1, ("own.lock is not a GGUF file",)),
        (("--grammar", "pairwize"), 2, ("unknown grammar 'pairwize'", "pairwise")),
        (("--benchmark", "pandalmm"), 2, ("pandalm",)),
        (("--benchmark", "pandalm", "--data", "."), 1, ("pandalm", "data pull")),
        (("--seconds", "0"), 2, ("--seconds",)),
    ],
)
def test_what_cannot_be_measured_is_one_clear_error(edge: Edge, own, tmp_path: Path, arguments, code, words) -> None:  # type: ignore[no-untyped-def]
    fails(edge("speed", *arguments, **own), code, *words)
    assert left(tmp_path) == []


def test_a_model_too_large_for_memory_is_told_and_one_too_large_for_the_disk_refused(
    own: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=1_000_000))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(SystemExit) as end:
        main(["speed", "--shape", "tiny", "--scheme", "f16", "--benchmark", "pocket"])
    told = capsys.readouterr()
    assert end.value.code == 1 and told.out == ""
    assert "do not fit 1.00 MB of memory" in told.err and "has 1 MB free, random weights of this shape need" in told.err
    assert left(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_however_it_is_ended_the_random_weights_are_removed(
    environment: dict[str, str], own: dict[str, str], tmp_path: Path, number: int, code: int
) -> None:
    asked = ["speed", "--shape", "tiny", "--scheme", "f16", "--seconds", "300", "--threads", "1"]
    command = [sys.executable, "-m", "edge_judge", *asked]
    given = {**environment, **own}
    with subprocess.Popen(command, cwd=tmp_path, env=given, stderr=subprocess.PIPE, encoding="utf-8") as child:
        try:
            while not any(name.endswith(".gguf") for *_, names in os.walk(tmp_path / "temporary") for name in names):
                assert child.poll() is None, child.communicate()
                time.sleep(0.05)
            child.send_signal(number)
            _, said = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode in (code, -number)  # a shell tells both as `code`
    assert "Traceback" not in said and "goes on" not in said
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.2, "1 s"), (59.4, "59 s"), (59.6, "1 min"), (3569, "59 min"), (3571, "1 h"), (12_000, "3 h 20 min"),
        (86_300, "23 h 58 min"), (86_390, "1 d"), (200_000, "2 d 8 h"),
    ],
)  # fmt: skip
def test_a_time_is_told_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
