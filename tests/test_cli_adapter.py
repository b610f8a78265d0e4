"""Adapters on the command line: merged, written as a file of their own, and judged with on one shared base."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from adapters import pocket_adapter
from click.testing import CliRunner
from conftest import Edge, fails
from test_imatrix import write as write_imatrix

from edge_judge import benchmarks
from edge_judge.benchmarks.fingerprint import fingerprint
from edge_judge.cli import main
from edge_judge.engine import llama
from quantize import pairs_seen

RUNS = Path("results/pocket/pocket")


def p_of(run: Path) -> dict[tuple[str, str], float]:
    lines = [json.loads(line) for line in (run / "pairwise" / "verdicts.jsonl").read_text("utf-8").splitlines()]
    return {(line["id"], line["order"]): line["p"]["a"] for line in lines}


@pytest.fixture
def here(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Edge:
    """Run edge-judge in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(models))

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(main, [str(argument) for argument in arguments])
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    return run


def test_base_adapter_and_merged_model_stand_side_by_side(edge: Edge, tmp_path: Path) -> None:
    own = pocket_adapter(tmp_path / "mine")
    made = edge("quantize", "pocket", "--adapter", own, "--adapter-only")
    file = Path(made.stdout.strip())
    assert made.returncode == 0 and file.name == "pocket+mine.gguf", made.stderr
    merged = edge("quantize", "pocket", "f16+merged", "--adapter", own)
    assert merged.returncode == 0 and Path(merged.stdout.strip()).name == "pocket-f16+merged.gguf", merged.stderr
    limited = ("--limit", "30", "--json")
    judged = edge("eval", "--adapter", "none", "--adapter", file, "--adapter", f"{file}=0.5", *limited)
    assert judged.returncode == 0, judged.stderr
    assert [row["scheme"] for row in json.loads(judged.stdout)] == ["f16", "f16+mine", "f16+mine-0.5"]
    assert edge("eval", "--scheme", "f16+merged", *limited).returncode == 0
    base, adapted, half, whole = (
        p_of(tmp_path / RUNS / f"f16{name}") for name in ("", "+mine", "+mine-0.5", "+merged")
    )

    def apart(one: dict[tuple[str, str], float], other: dict[tuple[str, str], float]) -> float:
        assert one.keys() == other.keys()
        return max(abs(one[key] - other[key]) for key in one)

    assert apart(adapted, whole) < 0.1 * apart(adapted, base)  # what is left is the rounding of the merged file
    assert apart(half, base) > 0 and apart(half, adapted) > 0
    settings = json.loads((tmp_path / RUNS / "f16+mine-0.5/pairwise/run.json").read_text("utf-8"))["settings"]
    assert settings["adapter_scale"] == 0.5 and len(settings["adapter_sha256"]) == 64
    assert "adapter_sha256" not in (tmp_path / RUNS / "f16/pairwise/run.json").read_text("utf-8")
    compared = edge("compare", "--json")
    rows = {row["scheme"]: row for row in json.loads(compared.stdout)}
    assert {"f16+mine", "f16+mine-0.5", "f16+merged"} <= rows.keys(), compared.stderr
    assert rows["f16+mine"]["bytes"] > rows["f16+merged"]["bytes"]  # the base and the adapter's own file


def test_several_adapters_take_one_base_in_memory(here: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for seed in (1, 2):
        pocket_adapter(tmp_path / f"a{seed}", seed)
        out = tmp_path / f"a{seed}.gguf"
        assert (
            here("quantize", "pocket", "f16", "--adapter", f"a{seed}", "--adapter-only", "--out", out).returncode == 0
        )
        files += ["--adapter", str(out)]
    loads, adds = [], []
    load, add = llama.LoadedModel.__init__, llama.load_adapter
    monkeypatch.setattr(
        llama.LoadedModel,
        "__init__",
        lambda self, path, **how: (loads.append(how["vocab_only"]), load(self, path, **how))[1],
    )
    monkeypatch.setattr(llama, "load_adapter", lambda *given: (adds.append(given), add(*given))[1])
    done = here("eval", *files, "--limit", "4")
    assert done.returncode == 0, done.stderr
    assert loads == [False] and len(adds) == 2


def test_one_pair_is_judged_with_an_adapter(here: Edge, tmp_path: Path) -> None:
    pocket_adapter(tmp_path / "mine")
    assert here("quantize", "pocket", "--adapter", "mine", "--adapter-only", "--out", "mine.gguf").returncode == 0
    pair = ("--question", "Name two fruits.", "--a", "apple pear", "--b", "I love fruit!", "--json")
    plain, adapted = (json.loads(here("judge", *pair, *more).stdout) for more in ((), ("--adapter", "mine.gguf")))
    assert adapted["scheme"] == "f16+mine" and adapted["p"] != plain["p"]
    fails(here("judge", *pair, "--adapter", "mine.gguf", "--adapter", "none"), 2, "one adapter")


def test_a_run_goes_on_with_the_adapter_that_it_was_begun_with(here: Edge, tmp_path: Path) -> None:
    for seed in (1, 2):
        pocket_adapter(tmp_path / "mine", seed)
        out = tmp_path / f"{seed}.gguf"
        assert here("quantize", "pocket", "--adapter", "mine", "--adapter-only", "--out", out).returncode == 0
    assert here("eval", "--adapter", "1.gguf", "--limit", "4").returncode == 0
    assert here("eval", "--adapter", "1.gguf", "--limit", "6").returncode == 0
    fails(here("eval", "--adapter", "2.gguf", "--limit", "6"), 1, "adapter_sha256: recorded")


def test_a_judge_is_not_tested_on_pairs_that_its_adapter_was_trained_on(here: Edge, tmp_path: Path) -> None:
    own = pocket_adapter(tmp_path / "mine")
    seen = [fingerprint(pair) for pair in benchmarks.load("pocket").pairs[:3]]
    pairs_seen.write(own, seen)
    assert here("quantize", "pocket", "--adapter", own, "--adapter-only", "--out", "mine.gguf").returncode == 0
    merged = here("quantize", "pocket", "q8_0+seen", "--adapter", own)
    assert pairs_seen.of_file(Path(merged.stdout.strip())) == set(seen)
    fails(here("eval", "--adapter", "mine.gguf", "--limit", "4"), 1, "f16+mine was made with 3 of its")
    fails(here("eval", "--scheme", "q8_0+seen", "--limit", "4"), 1, "q8_0+seen was made with 3 of its")
    done = here("eval", "--adapter", "none", "--adapter", "mine.gguf", "--unseen", "--limit", "4", "--json")
    assert done.returncode == 0 and "3 pairs left out" in done.stderr


def test_what_is_no_adapter_or_goes_with_nothing_is_refused(here: Edge, tmp_path: Path) -> None:
    own = pocket_adapter(tmp_path / "mine")
    assert here("quantize", "pocket", "--adapter", own, "--adapter-only", "--out", "mine.gguf").returncode == 0
    plain = here("quantize", "pocket", "q8_0", "--out", "plain.gguf")
    assert plain.returncode == 0
    fails(here("eval", "--adapter", "nowhere.gguf"), 2, "no such file")
    fails(here("eval", "--adapter", "mine.gguf=much"), 2, "'much' is not a scale")
    fails(here("eval", "--adapter", "mine.gguf=0"), 2, "is not a scale")
    fails(here("eval", "--adapter", "mine.gguf=nan"), 2, "is not a scale")
    fails(here("eval", "--adapter", "plain.gguf"), 1, "is no LoRA adapter")
    fails(here("eval", "--adapter", "mine/adapter_config.json"), 1, "cannot be used as an adapter")
    fails(here("eval", "--adapter", "mine.gguf", "--adapter", "mine.gguf"), 2, "two judges")
    fails(here("eval", "--adapter", "mine.gguf", "--engine", "http://localhost:1/v1"), 2, "--adapter does nothing")
    fails(here("eval", "--adapter", "mine.gguf", "--shared-folder", "."), 2, "--shared-folder")
    fails(here("quantize", "pocket", "--adapter-only"), 2, "--adapter-only needs --adapter")
    fails(here("quantize", "pocket", "q4_k_m", "--adapter", own, "--adapter-only"), 2, "f32 or f16")
    fails(here("quantize", "pocket", "q4_k_m", "--adapter", own), 2, "label", "q4_k_m+mine")
    fails(here("quantize", "pocket", "q4_k_m+x", "--adapter", "nowhere"), 1, "no adapter folder")
    write_imatrix(tmp_path / "imatrix.gguf", {"output.weight": 256})
    fails(here("quantize", "pocket", "--adapter", own, "--adapter-only", "--imatrix", "imatrix.gguf"), 2, "--imatrix")
    dora = pocket_adapter(tmp_path / "dora", use_dora=True)
    fails(here("quantize", "pocket", "q4_k_m+dora", "--adapter", dora), 1, "DoRA", "use_dora")
    assert not list(tmp_path.glob("**/*.part")) and not list(tmp_path.glob("**/.*.building"))
