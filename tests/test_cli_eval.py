"""edge-judge eval, as a person or a script uses it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Edge, fails
from gguf_elsewhere import copied
from halting import halt_after, halted

from edge_judge import benchmarks
from edge_judge.runs.folder import RunFolder

RUN = Path("results/pocket/pocket/f16/pairwise")
EVAL = [sys.executable, "-m", "edge_judge", "eval"]


def halt_at(reached: int) -> None:
    """edge-judge in a process that says so and waits once that many verdicts are written."""
    halt_after(RunFolder, "append", reached)


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_without_options_it_judges_the_pocket_benchmark_with_the_pocket_judge(edge: Edge, tmp_path: Path) -> None:
    done = edge("eval", "--grammar", "pairwise", "--limit", 40)
    assert done.returncode == 0, done.stderr
    for word in ("pocket", "accuracy", "format", "bias", "verdicts"):
        assert word in done.stdout
    assert {path.name for path in (tmp_path / RUN).iterdir()} == {"run.json", "verdicts.jsonl", "score.json"}


def test_json_holds_every_figure_with_its_interval(edge: Edge) -> None:
    done = edge("eval", "--limit", 30, "--json")
    (score,) = json.loads(done.stdout)
    assert score["verdicts"] == 60 and score["scheme"] == "f16"
    assert set(score["strict"]["accuracy"]) == {"value", "low", "high", "k", "n"}
    assert score["strict"]["format_errors"]["value"] == 0
    names = {"accuracy", "agreement", "consistency", "position_bias", "tie_rate", "format_errors", "debiased_accuracy"}
    assert names <= set(score["strict"])


def test_a_verdict_line_has_the_documented_fields_and_probabilities_that_sum_to_one(edge: Edge, tmp_path: Path) -> None:
    edge("eval", "--limit", 10)
    for line in (tmp_path / RUN / "verdicts.jsonl").read_text("utf-8").splitlines():
        verdict = json.loads(line)
        assert set(verdict) == {"id", "order", "verdict", "p", "text", "mass"}
        assert sum(verdict["p"].values()) == pytest.approx(1)
        assert verdict["verdict"] == max(verdict["p"], key=verdict["p"].get)
        assert 0 < verdict["mass"] <= 1 + 1e-9


def test_several_schemes_judge_one_after_another_and_each_once(edge: Edge, tmp_path: Path) -> None:
    done = edge("eval", "-s", "q8_0", "-s", "f16", "-s", "Q8_0", "-n", 6, "--json")
    assert done.returncode == 0, done.stderr
    assert [score["scheme"] for score in json.loads(done.stdout)] == ["q8_0", "f16"]
    (tmp_path / "mine.csv").write_text("question,a,b,label\nName a fruit.,apple,hammer,a\n", encoding="utf-8")
    both = edge("eval", "-s", "q8_0", "-s", "f16", "-n", 6, "-b", "mine.csv", "-b", "pocket", "--json")
    found = [(score["scheme"], score["benchmark"]) for score in json.loads(both.stdout)]
    assert found == [("q8_0", "mine"), ("q8_0", "pocket"), ("f16", "mine"), ("f16", "pocket")]


def test_nothing_is_judged_where_one_of_several_judges_cannot(edge: Edge, models: Path, tmp_path: Path) -> None:
    fails(edge("eval", "-m", "pocket", "-m", "llama-3-8b", "-n", 6), 1, "llama-3-8b f16 is not built", "quantize")
    fails(edge("eval", "-s", "f16", "-s", "q9", "-n", 6), 2, "q9")
    fails(edge("eval", "-s", "f16", "-s", "q8_0", "--shared-folder", ".", "--insecure"), 2, "several judges")
    assert edge("quantize", "pocket", "f16").returncode == 0
    file = models / "pocket" / "pocket-f16.gguf"
    fails(edge("eval", "--gguf", file, "-s", "f16", "-s", "q8_0", "-n", 6), 2, "--gguf is one file")
    assert not (tmp_path / "results").exists()


def test_without_a_grammar_some_answers_break_the_format_and_with_one_none_does(edge: Edge) -> None:
    free = json.loads(edge("eval", "--grammar", "none", "--limit", 60, "--json").stdout)[0]
    held = json.loads(edge("eval", "--grammar", "pairwise", "--limit", 60, "--json").stdout)[0]
    assert free["strict"]["format_errors"]["value"] > 0
    assert held["strict"]["format_errors"]["value"] == 0


def test_a_run_that_was_killed_and_resumed_scores_as_one_that_never_was(
    edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    whole = edge("eval", "--results", "whole")
    assert whole.returncode == 0, whole.stderr
    kept = tmp_path / "killed" / RUN.relative_to("results")
    with halted(environment, tmp_path, __name__, 300, "eval", "--results", "killed") as process:
        process.kill()
    assert lines_of(kept / "verdicts.jsonl") == 300 and not (kept / "score.json").exists()
    with (kept / "verdicts.jsonl").open("ab") as file:
        file.write(b'{"id": "torn')  # what a kill in mid-write leaves
    again = edge("eval", "--results", "killed")
    assert again.returncode == 0, again.stderr
    assert lines_of(kept / "verdicts.jsonl") == 1200
    expected = (tmp_path / "whole" / RUN.relative_to("results") / "score.json").read_text("utf-8")
    assert (kept / "score.json").read_text("utf-8") == expected


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_leaves_a_run_that_can_be_resumed_and_says_how(environment: dict[str, str], tmp_path: Path) -> None:
    with halted(environment, tmp_path, __name__, 100, "eval") as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130 and lines_of(tmp_path / RUN / "verdicts.jsonl") == 100
    assert "error: interrupted" in said and "hint: " in said and "Traceback" not in said
    assert not (tmp_path / RUN / "score.json").exists()


def test_a_complete_run_is_read_back_and_not_judged_again(edge: Edge, tmp_path: Path) -> None:
    edge("eval", "--limit", 10)
    before = (tmp_path / RUN / "verdicts.jsonl").stat().st_mtime_ns
    edge("eval", "--limit", 10)
    assert (tmp_path / RUN / "verdicts.jsonl").stat().st_mtime_ns == before


def test_a_larger_limit_goes_on_and_a_smaller_one_takes_nothing_away(edge: Edge, tmp_path: Path) -> None:
    edge("eval", "--limit", 5)
    edge("eval", "--limit", 10)
    assert lines_of(tmp_path / RUN / "verdicts.jsonl") == 20
    (few,) = json.loads(edge("eval", "--limit", 5, "--json").stdout)
    assert few["verdicts"] == 10
    assert json.loads((tmp_path / RUN / "score.json").read_text("utf-8"))["verdicts"] == 20
    assert sample(tmp_path) == {"way": "spread", "pairs": 10, "seed": 0}


def sample(tmp_path: Path) -> object:
    return json.loads((tmp_path / RUN / "run.json").read_text("utf-8"))["sample"]


def test_a_limit_takes_pairs_from_all_of_the_file_and_head_its_first(edge: Edge, tmp_path: Path) -> None:
    first = [pair.id for pair in benchmarks.load("pocket").pairs[:12]]
    edge("eval", "--limit", 12)
    assert not judged_ids(tmp_path) <= set(first)
    edge("eval", "--limit", 12, "--head", "--fresh")
    assert judged_ids(tmp_path) == set(first) and sample(tmp_path) == {"way": "head", "pairs": 12}


def judged_ids(tmp_path: Path) -> set[str]:
    return {json.loads(line)["id"] for line in (tmp_path / RUN / "verdicts.jsonl").read_text("utf-8").splitlines()}


def test_head_without_a_limit_is_refused_before_anything_is_judged(edge: Edge, tmp_path: Path) -> None:
    refused = edge("eval", "--head")
    assert refused.returncode == 2 and "error: --head does nothing without --limit" in refused.stderr
    assert not list(tmp_path.glob("results/**/run.json"))


def test_a_run_begun_on_the_head_goes_on_with_a_sample_and_keeps_its_verdicts(edge: Edge, tmp_path: Path) -> None:
    edge("eval", "--limit", 8, "--head")
    told = json.loads((tmp_path / RUN / "run.json").read_text("utf-8"))
    del told["sample"]  # as runs of earlier versions have it
    (tmp_path / RUN / "run.json").write_text(json.dumps(told), encoding="utf-8")
    before = judged_ids(tmp_path)
    (score,) = json.loads(edge("eval", "--limit", 20, "--json").stdout)
    assert score["pairs"] == 20 and lines_of(tmp_path / RUN / "verdicts.jsonl") == 40
    assert before < judged_ids(tmp_path) and sample(tmp_path) == {"way": "mixed", "pairs": 20, "seed": 0}
    assert (tmp_path / RUN / "score.json").exists()


def test_a_run_begun_under_other_settings_is_refused_with_the_difference_named(edge: Edge) -> None:
    edge("eval", "--limit", 5)
    fails(edge("eval", "--limit", 5, "--order", "given"), 1, "order: recorded `both`, now `given`", "--fresh")
    assert edge("eval", "--limit", 5, "--order", "given", "--fresh").returncode == 0


def test_where_a_file_of_ones_own_lies_does_not_matter(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("question,a,b\nName a fruit.,apple,hammer\n")
    assert edge("eval", "--benchmark", "mine.csv").returncode == 0
    again = edge("eval", "--benchmark", tmp_path / "mine.csv")
    assert again.returncode == 0, again.stderr


def test_a_file_of_ones_own_is_a_benchmark(edge: Edge, tmp_path: Path) -> None:
    rows = [{"question": "Name two fruits.", "a": "apple pear", "b": "apple", "label": "a"}]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (score,) = json.loads(edge("eval", "--benchmark", "mine.jsonl", "--json").stdout)
    assert score["benchmark"] == "mine" and score["verdicts"] == 2
    (tmp_path / "plain.csv").write_text("question,a,b\nName a fruit.,apple,hammer\n")
    (score,) = json.loads(edge("eval", "--benchmark", "plain.csv", "--json").stdout)
    assert score["strict"]["accuracy"]["value"] is None  # nobody labelled it


def test_a_benchmark_named_twice_is_judged_once(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("question,a,b\nName a fruit.,apple,hammer\n")
    named = [word for name in ("mine.csv", "pocket", tmp_path / "mine.csv", "pocket") for word in ("--benchmark", name)]
    scores = json.loads(edge("eval", *named, "--limit", 2, "--json").stdout)
    assert [score["benchmark"] for score in scores] == ["mine", "pocket"]


def test_real_benchmark_files_are_judged(edge: Edge) -> None:
    data = Path(__file__).parent.parent.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the published benchmark files are not here")
    done = edge(
        "eval", "--benchmark", "llmbar-natural", "--benchmark", "pandalm", "--limit", 3, "--data", data, "--json"
    )
    assert [score["benchmark"] for score in json.loads(done.stdout)] == ["llmbar-natural", "pandalm"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model", "pockett"], 2, ["pocket"]),
        (["--model", "qwen1.5-14b", "--scheme", "q4_k_m"], 1, ["edge-judge quantize qwen1.5-14b q4_k_m"]),
        (["--scheme", "q4_k_x"], 2, ["q4_k_m"]),
        (["--grammar", "pairwize"], 2, ["pairwise"]),
        (["--benchmark", "llmbar-naturel"], 2, ["llmbar-natural"]),
        (["--benchmark", "all", "--benchmark", "pocket"], 2, ["--benchmark all does not go with", "hint: "]),
        (["--limit", "0"], 2, ["--limit"]),
        (["--gguf", "nothing.gguf"], 2, ["nothing.gguf"]),
        (["--benchmark", "auto-j", "--data", "."], 1, ["auto-j", "data pull"]),
        (["--colour"], 2, ["--colour"]),
    ],
)
def test_wrong_input_gets_one_error_and_leaves_nothing(
    edge: Edge, tmp_path: Path, arguments: list[str], code: int, words: list[str]
) -> None:
    fails(edge("eval", *arguments), code, *words)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"question": "q", "a": "x", "b": "y"}\n{"question": \n', ["mine.jsonl:2"]),
        ('{"question": "q", "a": "x"}\n', ["mine.jsonl:1", "b"]),
        ("", ["mine.jsonl"]),
    ],
)
def test_a_broken_file_is_named_with_its_line(edge: Edge, tmp_path: Path, content: str, words: list[str]) -> None:
    (tmp_path / "mine.jsonl").write_text(content)
    fails(edge("eval", "--benchmark", "mine.jsonl"), 1, *words)
    assert not (tmp_path / "results").exists()


def test_a_file_that_is_no_gguf_is_refused(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "odd.gguf").write_bytes(b"not a model")
    fails(edge("eval", "--gguf", "odd.gguf"), 1, "odd.gguf")
    assert not (tmp_path / "results").exists()


def test_a_model_that_cannot_be_loaded_takes_nothing_from_a_run_that_was_begun(edge: Edge, tmp_path: Path) -> None:
    edge("eval", "--limit", 2)
    before = (tmp_path / RUN / "verdicts.jsonl").read_bytes()
    (tmp_path / "odd.gguf").write_bytes(b"not a model")
    fails(edge("eval", "--gguf", "odd.gguf"), 1, "odd.gguf")
    assert (tmp_path / RUN / "verdicts.jsonl").read_bytes() == before
    assert [path.name for path in (tmp_path / "results/pocket").iterdir()] == ["pocket"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a file with no room")
def test_a_table_that_finds_no_room_is_one_error_and_the_run_is_kept(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*EVAL, "--limit", "2"], cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE,
            encoding="utf-8",
        )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "\nerror: cannot write" in done.stderr
    assert (tmp_path / RUN / "score.json").exists()


def test_a_run_stays_below_the_results_folder_whatever_its_file_and_scheme_are_called(
    edge: Edge, tmp_path: Path, models: Path
) -> None:
    edge("quantize", "pocket", "q8_0")
    shutil.copy(models / "pocket" / "pocket-q8_0.gguf", tmp_path / "...gguf")
    fails(edge("eval", "--gguf", "...gguf", "--scheme", "../../../up", "--limit", 1), 2, "--scheme")
    fails(edge("eval", "--gguf", "...gguf", "--model", "../up", "--limit", 1), 2, "--model", "say for example")
    nameless = copied(tmp_path / "...gguf", tmp_path / "..gguf", without=("general.", "edge_judge."))
    assert edge("eval", "--gguf", nameless, "--limit", 1).returncode == 0
    assert (tmp_path / "results/pocket/gguf/q8_0/pairwise/score.json").exists()


def test_more_threads_than_llama_cpp_knows_are_wrong_usage(edge: Edge) -> None:
    fails(edge("eval", "--threads", 100_000), 2, "--threads")
