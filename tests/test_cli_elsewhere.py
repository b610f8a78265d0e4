"""GGUF files from elsewhere as judges: renamed, split, and made by llama.cpp's own converter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import Edge, fails
from gguf import GGUFReader
from gguf_elsewhere import converted, copied

import edge_judge
from edge_judge.cli import main
from quantize import lock

OURS = ("edge_judge.", "general.name", "general.size_label")
FEW = ("--limit", 6, "--threads", 1)
BLOCK = ("--max-pairs", 94, "--threads", 1)
EDITED = {"general.name": "Some Judge 1B"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The embedded judge as others would publish it: two schemes, of which one is split."""
    folder = tmp_path_factory.mktemp("files")
    built = {scheme: edge_judge.quantize("pocket", scheme, out_in(folder, scheme)).path for scheme in ("f16", "q8_0")}
    return {
        "f16": copied(built["f16"], folder / "Some-Judge-F16.gguf", EDITED, OURS),
        "q8_0": copied(built["q8_0"], folder / "Some-Judge-Q8_0.gguf", EDITED, OURS, parts=3),
    }


def out_in(folder: Path, scheme: str) -> edge_judge.QuantizeSettings:
    return edge_judge.QuantizeSettings(out=folder / f"pocket-{scheme}.gguf")


@pytest.fixture
def edge(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edge:
    """Run edge-judge in an empty folder, in this process: there are many commands here."""
    monkeypatch.chdir(tmp_path)
    kept = {name: environment[name] for name in ("EDGE_JUDGE_MODELS", "COLUMNS", "NO_COLOR")}

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(main, [*map(str, arguments)], env={**kept, **variables})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess([*map(str, arguments)], done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """A models folder of the test's own."""
    return {"EDGE_JUDGE_MODELS": str(tmp_path / "models")}


def judged(edge: Edge, *arguments: object, **variables: str) -> tuple[str, str]:
    done = edge("eval", *arguments, *FEW, "--json", **variables)
    assert done.returncode == 0, done.stderr
    (score,) = json.loads(done.stdout)
    return score["model"], score["scheme"]


def test_a_downloaded_ladder_goes_through_eval_compare_choose_table_and_report(
    edge: Edge, tmp_path: Path, files: Mapping[str, Path]
) -> None:
    renamed = shutil.copy(files["f16"], tmp_path / "download.gguf")
    assert judged(edge, "--gguf", renamed) == ("some-judge-1b", "f16")
    assert judged(edge, "--gguf", files["q8_0"]) == ("some-judge-1b", "q8_0")
    rows = json.loads(edge("compare", "--json").stdout)
    assert [(row["model"], row["scheme"]) for row in rows] == [("some-judge-1b", "f16"), ("some-judge-1b", "q8_0")]
    asked = ("choose", "--gguf", renamed, "--gguf", files["q8_0"], *BLOCK, "--json")
    chosen = edge(*asked)
    assert chosen.returncode == 4, chosen.stderr  # one block of pairs decides nothing
    assert "some-judge-1b" in chosen.stdout and '"scheme": "q8_0"' in chosen.stdout
    assert "some-judge-1b" in edge("table", "--csv").stdout
    assert edge("report").returncode == 0 and "some-judge-1b" in (tmp_path / "report.html").read_text("utf-8")
    runs = [f"results/pocket/some-judge-1b/{scheme}/pairwise" for scheme in ("q8_0", "f16")]
    for command in ("cascade", "jury"):
        assert edge(command, *runs).returncode == 0, command
    assert edge("pack", "export", runs[1], "-o", "wide.ejpack").returncode == 0
    assert edge("compare", runs[0], "--baseline", "wide.ejpack").returncode == 0


def test_a_model_that_only_llama_cpp_converts_is_judged_compared_and_chosen(edge: Edge, tmp_path: Path) -> None:
    for kind in ("f16", "q8_0"):
        converted(tmp_path / "Tiny-Stable", kind, tmp_path / f"stable-{kind}.gguf")
    assert [judged(edge, "--gguf", f"stable-{kind}.gguf")[1] for kind in ("f16", "q8_0")] == ["f16", "q8_0"]
    (model,) = [path.name for path in (tmp_path / "results" / "pocket").iterdir()]
    assert model.startswith("tiny-stable")
    compared = edge("compare")
    assert compared.returncode == 0 and f"judged by {model}" in compared.stdout
    done = edge("choose", "--gguf", "stable-f16.gguf", "--gguf", "stable-q8_0.gguf", *BLOCK)
    assert done.returncode == 4 and f"{model} against f16" in done.stdout
    assert model in edge("table").stdout and edge("report").returncode == 0


def test_model_and_scheme_say_what_a_file_is_called(edge: Edge, files: Mapping[str, Path]) -> None:
    assert judged(edge, "--gguf", files["f16"], "--model", "mine") == ("mine", "f16")
    assert judged(edge, "--gguf", files["f16"], "--model", "mine", "--scheme", "Q4_K") == ("mine", "q4_k_m")
    assert judged(edge, "--gguf", files["f16"], "--scheme", "q8_0+mine") == ("some-judge-1b", "q8_0+mine")


def test_a_renamed_file_goes_on_with_its_run_and_another_file_of_its_name_does_not(
    edge: Edge, tmp_path: Path, files: Mapping[str, Path]
) -> None:
    judged(edge, "--gguf", files["f16"])
    before = (tmp_path / "results/pocket/some-judge-1b/f16/pairwise/verdicts.jsonl").read_bytes()
    judged(edge, "--gguf", shutil.copy(files["f16"], tmp_path / "renamed.gguf"))
    assert (tmp_path / "results/pocket/some-judge-1b/f16/pairwise/verdicts.jsonl").read_bytes() == before
    other = copied(files["f16"], tmp_path / "other.gguf", {"general.url": "elsewhere"})
    fails(edge("eval", "--gguf", other, *FEW), 1, "gguf_sha256: recorded", "--model or --scheme names this file")


def test_a_file_that_was_added_is_a_model_until_it_is_removed(
    edge: Edge, tmp_path: Path, files: Mapping[str, Path], own: dict[str, str]
) -> None:
    for scheme in ("f16", "q8_0"):
        done = edge("models", "--add", files[scheme], "--model", "mine", **own)
        assert done.stdout.startswith(f"mine {scheme}: {files[scheme]}"), done.stderr
        assert f"next: edge-judge eval --model mine --scheme {scheme}" in done.stderr
    assert judged(edge, "--model", "mine", "--scheme", "q8_0", **own) == ("mine", "q8_0")
    listed = edge("models", **own).stdout
    assert "Added files" in listed and "mine" in listed and "Some-Judge-F16.gguf" in "".join(listed.split())
    states = json.loads(edge("lock", "--check", "--json", **own).stdout)
    assert [(row["model"], row["file"], row["state"]) for row in states[:2]] == [
        ("mine", "f16", "ok"), ("mine", "q8_0", "ok"),
    ]  # fmt: skip
    chosen = edge("choose", "--model", "mine", *BLOCK, **own)
    assert chosen.returncode == 4 and "mine against f16" in chosen.stdout, chosen.stderr
    fails(edge("eval", "--model", "mine", "--scheme", "q4_k_m", **own), 1, "--scheme names one that is: f16, q8_0")
    assert edge("models", "--remove", "mine", "--scheme", "q8_0", **own).returncode == 0
    assert judged(edge, "--model", "mine", **own) == ("mine", "f16")
    assert edge("models", "--remove", "mine", **own).returncode == 0 and files["f16"].is_file()
    fails(edge("eval", "--model", "mine", **own), 2, "unknown model 'mine'")
    fails(edge("models", "--remove", "mine", **own), 2, "no file was added as mine")


def test_a_name_is_not_given_to_two_files_and_an_added_file_must_stay_what_it_was(
    edge: Edge, tmp_path: Path, files: Mapping[str, Path], own: dict[str, str]
) -> None:
    mine = Path(shutil.copy(files["f16"], tmp_path / "mine.gguf"))
    assert edge("models", "--add", mine, **own).returncode == 0
    other = copied(mine, tmp_path / "other.gguf", {"general.url": "elsewhere"})
    fails(edge("models", "--add", other, **own), 2, "some-judge-1b f16 is another file here", "--scheme f16+LABEL")
    assert edge("models", "--add", other, "--scheme", "f16+other", **own).returncode == 0
    assert judged(edge, "--model", "some-judge-1b", "--scheme", "f16+other", **own) == ("some-judge-1b", "f16+other")
    mine.write_bytes(other.read_bytes())
    named = ("eval", "--model", "some-judge-1b", "--scheme", "f16")
    fails(edge(*named, **own), 1, "has changed since it was added", "models --add FILE")
    checked = edge("lock", "--check", **own)
    assert checked.returncode == 1 and "changed" in checked.stdout
    mine.unlink()
    fails(edge(*named, **own), 1, "is not there any more")


def test_a_file_is_tried_once_and_a_file_that_was_built_here_never(
    edge: Edge, tmp_path: Path, files: Mapping[str, Path], own: dict[str, str]
) -> None:
    mine = Path(shutil.copy(files["f16"], tmp_path / "mine.gguf"))
    os.utime(mine, (1e9, 1e9))  # changed long ago
    judged(edge, "--gguf", mine, **own)
    known = json.loads((tmp_path / "models" / ".files.json").read_text("utf-8"))
    (digest,) = known["opened"]
    assert known["hashes"][str(mine.resolve())]["sha256"] == digest
    built = edge("quantize", "pocket", "q8_0", **own).stdout.strip()
    judged(edge, "--gguf", built, **own)
    again = json.loads((tmp_path / "models" / ".files.json").read_text("utf-8"))
    assert again["opened"] == known["opened"]


def test_a_file_that_was_tried_in_another_way_or_by_another_llama_cpp_is_tried_again(
    edge: Edge, tmp_path: Path, files: Mapping[str, Path], own: dict[str, str]
) -> None:
    judged(edge, "--gguf", files["f16"], **own)
    record = tmp_path / "models" / ".files.json"
    known = json.loads(record.read_text("utf-8"))
    record.write_text(json.dumps({**known, "opened": dict.fromkeys(known["opened"], "0.3.0")}), "utf-8")
    judged(edge, "--gguf", files["f16"], **own)
    assert json.loads(record.read_text("utf-8"))["opened"] == known["opened"]


def test_what_is_no_judge_is_one_line_that_says_what_it_is(
    edge: Edge, tmp_path: Path, files: Mapping[str, Path], own: dict[str, str]
) -> None:
    (tmp_path / "page.gguf").write_text("<!doctype html><title>Sign in</title>")
    (tmp_path / "cut.gguf").write_bytes(files["f16"].read_bytes()[:-64])
    tokens = list(GGUFReader(files["f16"]).fields["tokenizer.ggml.tokens"].contents())
    copied(files["f16"], tmp_path / "twice.gguf", {"tokenizer.ggml.tokens": [tokens[1], *tokens[1:]]})
    said = {"page": "an HTML page", "cut": "64 are missing", "twice": "llama.cpp cannot run it: its own check"}
    for name, words in said.items():
        for asked in (("eval", "--gguf"), ("models", "--add"), ("speed", "--gguf"), ("choose", "--gguf")):
            done = edge(*asked, f"{name}.gguf", **own)
            fails(done, 1, f"error: {name}.gguf", words)
            assert len(done.stderr.splitlines()) <= 3 and "GGML_ASSERT" not in done.stderr
    assert not (tmp_path / "results").exists() and lock.read_built(tmp_path / "models").built == ()


def test_files_in_question_are_of_one_model_each_scheme_once(
    edge: Edge, tmp_path: Path, files: Mapping[str, Path]
) -> None:
    first = files["f16"]
    again = shutil.copy(first, tmp_path / "again.gguf")
    fails(edge("choose", "--gguf", first, "--gguf", again), 2, "are both f16")
    fails(edge("choose", "--gguf", first), 2, "is the baseline itself (f16)")
    other = copied(first, tmp_path / "other.gguf", {"general.name": "Other 2B"})
    fails(edge("choose", "--gguf", first, "--gguf", other), 2, "several models", "--model NAME")
    fails(edge("choose", "--gguf", first, "--scheme", "q8_0"), 2, "--scheme does not go with --gguf")


# ---- runs that fit nothing --------------------------------------------------------------------------------


def test_a_run_that_fits_nothing_is_noted_and_does_not_end_the_comparison(
    edge: Edge, tmp_path: Path, files: Mapping[str, Path]
) -> None:
    for scheme in ("f16", "q8_0"):
        judged(edge, "--gguf", files[scheme])
    judged(edge, "--gguf", files["f16"], "--model", "alone", "--scheme", "q6_k")
    broken = tmp_path / "results/pocket/broken/f16/pairwise"
    broken.mkdir(parents=True)
    (broken / "run.json").write_text("{")
    (broken / "score.json").write_text("{}")
    done = edge("compare")
    assert done.returncode == 0 and "some-judge-1b" in done.stdout, done.stderr
    assert "alone/q6_k/pairwise left out: no f16 run of alone" in done.stderr
    assert "broken/f16/pairwise left out" in done.stderr and "is not JSON" in done.stderr
    gated = edge("compare", "--max-drop", 50)
    assert gated.returncode == 1 and "--max-drop cannot be checked for" in gated.stderr
    fails(edge("compare", broken), 1, "is not JSON")
    alone = "results/pocket/alone/q6_k/pairwise"
    fails(edge("compare", alone), 1, "no f16 run of alone", "edge-judge eval --gguf FILE --model alone --scheme f16")
    for command in (["table"], ["report"]):
        assert edge(*command).returncode == 0, command
