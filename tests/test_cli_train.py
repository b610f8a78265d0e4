"""edge-judge train: from a file of pairs to an adapter that judges, in one sitting or several."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Edge, fails
from halting import halt_after
from training_data import AUTOJ_MESSAGE, autoj_rows, pair_rows, tiny_checkpoint, write_lines

from edge_judge.benchmarks.fingerprint import fingerprint
from edge_judge.errors import DataError, EdgeJudgeError, RunError, UsageError
from edge_judge.pocket import PAIRS
from edge_judge.records import CurvePoint, Pair
from edge_judge.training.folder import TrainingFolder
from edge_judge.training.recipe import Recipe
from edge_judge.workflows.options import ProtocolOptions, TrainSettings
from edge_judge.workflows.train import TrainedJudge, train
from quantize import pairs_seen

TESTS = Path(__file__).parent
QUICK = ("--rank", 4, "--epochs", 1, "--checks", 1, "--threads", 1, "--device", "cpu", "--validation", 0.2)


def halt_at(reached: int) -> None:
    """edge-judge in a process that says so and waits once that many measurements are kept."""
    halt_after(TrainingFolder, "write_curve", reached)


@pytest.fixture
def needs_torch() -> None:
    pytest.importorskip("torch", reason="training needs torch: pip install '.[train]'")
    pytest.importorskip("peft", reason="training needs peft: pip install '.[train]'")


def test_killed_at_five_moments_a_training_ends_with_the_same_bytes(needs_torch: None, tmp_path: Path) -> None:
    """Killed after steps, and while files are written, then gone on with each time."""
    driver = [sys.executable, str(TESTS / "training_sittings.py"), str(tmp_path)]
    done = subprocess.run(driver, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for name in ("adapter_model.safetensors", "adapter_config.json", "pairs_seen.txt"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    curves = [
        [{**json.loads(line), "seconds": 0} for line in (folder / "curve.jsonl").read_text("utf-8").splitlines()]
        for folder in (whole, killed)
    ]
    assert curves[0] == curves[1] and len(curves[0]) == 7
    assert curves[0][-1]["loss"] < curves[0][0]["loss"]
    assert not (killed / ".state").exists()


def test_a_file_in_autojs_format_goes_from_reading_to_an_adapter_that_judges(
    needs_torch: None, edge: Edge, tmp_path: Path
) -> None:
    known = json.loads(PAIRS.read_text(encoding="utf-8").splitlines()[0])
    rows = autoj_rows(24)
    rows[0]["usrmsg"] = AUTOJ_MESSAGE.format(query=known["question"].upper(), first="x", second="y")
    write_lines(tmp_path / "autoj.jsonl", rows)
    tiny_checkpoint(tmp_path / "tiny")
    command = ("train", "tiny", "--data", "autoj.jsonl", "--grammar", "pairwise-cot", "--out", "tuned", *QUICK)
    done = edge(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tuned\n"
    assert "1 of 24 pairs left out: pocket has the same or nearly the same pairs" in done.stderr
    assert "next: edge-judge quantize tiny q4_k_m+tuned --adapter tuned" in done.stderr
    assert "from a step measured now" in done.stderr
    assert len(pairs_seen.of_folder(tmp_path / "tuned")) == 23
    told = json.loads(edge(*command, "--json").stdout)
    assert (told["overlapping"], told["pairs"] + told["validation"]) == ({"pocket": 1}, 23)
    page = (tmp_path / "tuned" / "curve.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2 and "tiny tuned under pairwise-cot" in page
    assert edge("quantize", "tiny", "f16+tuned", "--adapter", "tuned", "--out", "merged.gguf").returncode == 0
    assert pairs_seen.of_file(tmp_path / "merged.gguf") == pairs_seen.of_folder(tmp_path / "tuned")
    judged = edge("eval", "--gguf", "merged.gguf", "--limit", 2, "--json")
    assert json.loads(judged.stdout)[0]["verdicts"] == 4


def test_a_finished_training_answers_at_once_and_other_settings_are_refused_by_name(
    needs_torch: None, tmp_path: Path
) -> None:
    rows = pair_rows(12)
    path, tiny = write_lines(tmp_path / "pairs.jsonl", rows), tiny_checkpoint(tmp_path / "tiny")
    recipe = Recipe(rank=4, epochs=1, checks=1, validation=0.2, device="cpu", threads=1)
    settings = TrainSettings((path,), out=tmp_path / "tuned", data=tmp_path)

    def trained(recipe: Recipe = recipe, *, fresh: bool = False) -> TrainedJudge:
        return train(str(tiny), replace(settings, fresh=fresh), recipe=recipe)

    first, adapter = trained(), tmp_path / "tuned" / "adapter_model.safetensors"
    made = adapter.stat().st_mtime_ns
    assert trained() == first and adapter.stat().st_mtime_ns == made
    assert (first.pairs + first.validation, first.steps) == (12, first.planned)
    texts = [Pair("", str(row["question"]), str(row["a"]), str(row["b"])) for row in rows]
    assert pairs_seen.of_folder(tmp_path / "tuned") == {fingerprint(pair) for pair in texts}
    with pytest.raises(RunError, match="other settings: rate: recorded `0.0002`, now `0.1`") as refused:
        trained(replace(recipe, rate=0.1))
    assert "--fresh" in str(refused.value.hint)
    write_lines(path, rows[:11])
    with pytest.raises(RunError, match="data_sha256: recorded"):
        trained()
    assert trained(fresh=True).pairs < first.pairs
    (tmp_path / "tuned" / "training.json").unlink()
    with pytest.raises(RunError, match="holds an adapter that was not made by edge-judge train"):
        trained()


def test_a_broken_state_or_record_is_one_error_that_says_what_to_do(needs_torch: None, tmp_path: Path) -> None:
    path, tiny = write_lines(tmp_path / "pairs.jsonl", pair_rows(12)), tiny_checkpoint(tmp_path / "tiny")
    recipe = Recipe(rank=4, epochs=1, checks=1, validation=0.2, device="cpu", threads=1)
    settings = TrainSettings((path,), out=tmp_path / "tuned", data=tmp_path)
    train(str(tiny), settings, recipe=recipe)
    (tmp_path / "tuned" / "adapter_config.json").unlink()
    for state in (b"", b"no state", b"PK\x03\x04"):
        (tmp_path / "tuned" / ".state").write_bytes(state)
        with pytest.raises(RunError, match="its state cannot be read"):
            train(str(tiny), settings, recipe=recipe)
    (tmp_path / "tuned" / "training.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="training.json: not JSON"):
        train(str(tiny), settings, recipe=recipe)
    assert train(str(tiny), replace(settings, fresh=True), recipe=recipe).steps > 0


def test_without_torch_or_peft_the_error_says_what_to_install(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "pairs.jsonl", pair_rows(2))
    for missing in ("torch", "peft"):
        given = ["train", "pocket", "--data", str(path), "--out", str(tmp_path / "tuned")]
        others = [name for name in ("torch", "peft", "safetensors") if name != missing]
        program = (
            "import sys, types\n"
            f"for name in {others}: sys.modules[name] = types.ModuleType(name)\n"
            f"sys.modules[{missing!r}] = None\n"
            f"from edge_judge.cli import main\nmain({given})"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", cwd=tmp_path)
        fails(done, 2, f"training needs {missing}, which is not installed", "pip install 'edge-judge[train]'")
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.jsonl"]


@pytest.mark.parametrize(
    ("options", "wrong", "words"),
    [
        ({"protocol": ProtocolOptions("pointwise")}, UsageError, "--grammar pointwise rates each answer by itself"),
        ({"format": "auto-j"}, DataError, "pairs.jsonl:1: no column 'usrmsg'"),
        ({"recipe": Recipe(device="nowhere")}, UsageError, "--device nowhere: torch cannot use it here"),
        ({"recipe": Recipe(longest=20)}, DataError, "are longer than 20 tokens"),
    ],
)
def test_what_cannot_be_trained_is_one_error_and_leaves_no_folder(
    needs_torch: None, tmp_path: Path, options: dict[str, Any], wrong: type[EdgeJudgeError], words: str
) -> None:
    path, out = write_lines(tmp_path / "pairs.jsonl", pair_rows(6)), tmp_path / "tuned"
    settings = TrainSettings((path,), options.pop("format", None), out, data=tmp_path)
    with pytest.raises(wrong, match=words):
        train("pocket", settings, **options)
    assert not out.exists()


def test_a_training_ends_where_the_loss_no_longer_falls_and_keeps_the_best(needs_torch: None, tmp_path: Path) -> None:
    path, tiny = write_lines(tmp_path / "pairs.jsonl", pair_rows(30)), tiny_checkpoint(tmp_path / "tiny")
    recipe = Recipe(rank=4, rate=30.0, epochs=9, checks=1, patience=2, validation=0.3, device="cpu", threads=1)
    made = train(str(tiny), TrainSettings((path,), out=tmp_path / "tuned", data=tmp_path), recipe=recipe)
    losses = [point.loss for point in made.curve]
    assert made.steps < made.planned and made.best.loss == min(losses)
    assert losses.index(min(losses)) == len(losses) - 3
    assert json.loads((tmp_path / "tuned" / "training.json").read_text("utf-8"))["result"]["steps"] == made.steps


def test_an_end_between_the_last_state_and_its_curve_loses_no_measurement(
    needs_torch: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_checkpoint(tmp_path / "tiny")
    write_lines(tmp_path / "pairs.jsonl", pair_rows(12))
    settings = TrainSettings(files=(tmp_path / "pairs.jsonl",), out=tmp_path / "ended", data=tmp_path)
    recipe = Recipe(rank=2, epochs=1, checks=2, validation=0.3, device="cpu", threads=1)
    train(str(tmp_path / "tiny"), replace(settings, out=tmp_path / "whole"), recipe=recipe)
    whole = (tmp_path / "whole" / "curve.jsonl").read_text("utf-8").splitlines()
    write = TrainingFolder.write_curve

    def ends_at_the_last(folder: TrainingFolder, curve: Sequence[CurvePoint], page: str) -> None:
        if len(curve) == len(whole):
            raise KeyboardInterrupt
        write(folder, curve, page)

    monkeypatch.setattr(TrainingFolder, "write_curve", ends_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        train(str(tmp_path / "tiny"), settings, recipe=recipe)
    monkeypatch.undo()
    train(str(tmp_path / "tiny"), settings, recipe=recipe)
    steps = [json.loads(line)["step"] for line in (tmp_path / "ended" / "curve.jsonl").read_text("utf-8").splitlines()]
    assert steps == [json.loads(line)["step"] for line in whole] and len(steps) > 1
