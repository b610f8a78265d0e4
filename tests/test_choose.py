"""Choosing a scheme: the fewest verdicts that decide, in ordinary runs that eval goes on from."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Edge, fails

from edge_judge import benchmarks
from edge_judge.cli.options import seconds
from edge_judge.errors import UsageError
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol
from edge_judge.runs import folder as run_folder
from edge_judge.workflows import choose as choosing

RECORDED = Path(__file__).parent.parent / "results" / "0.1.0"
CHECKPOINT = Path(__file__).parent.parent / "edge_judge" / "pocket" / "checkpoint"
LADDER = ("q8_0", "q6_k", "q4_k_m", "q3_k_m", "q2_k")


def chosen(edge: Edge, *arguments: object) -> dict[str, object]:
    """What is decided; the exit code says whether anything is not."""
    done = edge("choose", "--json", *arguments)
    assert done.returncode in (0, 4), done.stderr
    said = json.loads(done.stdout)
    assert (done.returncode == 4) == any(decision["outcome"] == "undecided" for decision in said["decisions"])
    return said


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The committed ladder, to be read and not to be changed."""
    shutil.copytree(RECORDED, tmp_path / "recorded")
    return tmp_path / "recorded"


def test_on_the_recorded_ladder_few_verdicts_say_what_all_of_them_say(edge: Edge, recorded: Path) -> None:
    schemes = [part for scheme in LADDER for part in ("--scheme", scheme)]
    before = {path: path.read_bytes() for path in recorded.rglob("verdicts.jsonl")}
    said = chosen(edge, *schemes, "--results", recorded)
    decisions = {one["run"]["scheme"]: one for one in said["decisions"]}
    assert set(decisions) == set(LADDER) and said["not_looked_at"] == []
    for one in decisions.values():
        [pocket] = one["parts"]
        assert one["outcome"] == one["trusted"] == pocket["full"]["outcome"] == "within"
        assert one["pairs"] < pocket["full"]["pairs"] == one["pairs_total"] == 600
        assert pocket["by_verdicts"]["low"] <= pocket["full"]["by_verdicts"] <= pocket["by_verdicts"]["high"]
    assert str(said["sentence"]).startswith(
        "q2_k (1.66 MB) can be trusted in place of f16 (7.72 MB) within 2 points on new pairs like those of pocket"
    )
    assert {path: path.read_bytes() for path in recorded.rglob("verdicts.jsonl")} == before


def test_no_more_is_judged_than_decides_and_eval_goes_on_from_there(edge: Edge, tmp_path: Path) -> None:
    said = chosen(edge, "--scheme", "q8_0", "--results", tmp_path / "r")
    (one,) = said["decisions"]
    run = run_folder.read_run(tmp_path / "r" / "pocket" / "pocket" / "q8_0" / "pairwise")
    base = run_folder.read_run(tmp_path / "r" / "pocket" / "pocket" / "f16" / "pairwise")
    assert len(run.verdicts) == one["verdicts"] == 2 * one["pairs"] < 1200
    assert len(run.verdicts) <= len(base.verdicts) < 1200
    again = chosen(edge, "--scheme", "q8_0", "--results", tmp_path / "r")
    assert again == said
    edge("eval", "--scheme", "q8_0", "--results", tmp_path / "r")
    assert len(run_folder.read_run(tmp_path / "r" / "pocket" / "pocket" / "q8_0" / "pairwise").verdicts) == 1200


def test_one_that_was_killed_after_its_last_verdict_completes_its_runs_without_judging_again(
    edge: Edge, tmp_path: Path
) -> None:
    command = ("--scheme", "q8_0", "--max-pairs", 15)
    said = chosen(edge, *command)
    folders = [tmp_path / "results/pocket/pocket" / scheme / "pairwise" for scheme in ("f16", "q8_0")]
    before = [run_folder.read_run(folder).verdicts for folder in folders]
    for folder in folders:  # the figures are not written, and what it cost is not noted
        (folder / "score.json").unlink()
        known = run_folder.read_run_json(folder / "run.json")
        run_folder.write_json(folder / "run.json", {name: known[name] for name in known if name != "measured"})
    assert chosen(edge, *command) == said
    assert [run_folder.read_run(folder).verdicts for folder in folders] == before


def test_the_walk_ends_at_the_first_scheme_that_is_not_shown_to_agree(edge: Edge, recorded: Path) -> None:
    said = chosen(edge, "--scheme", "q4_k_m", "--scheme", "q2_k", "--max-pairs", "70", "--results", recorded)
    (one,) = said["decisions"]
    assert one["outcome"] == "undecided" and one["pairs"] <= 70 and one["parts"][0]["more"] > 0
    assert said["not_looked_at"] == ["q2_k"]
    assert "undecided after" in str(said["sentence"])


def test_a_budget_of_time_ends_the_walk_too(edge: Edge, tmp_path: Path) -> None:
    said = chosen(edge, "--scheme", "q8_0", "--budget", "0.001s", "--results", tmp_path / "r")
    (one,) = said["decisions"]
    assert one["outcome"] == "undecided" and one["pairs"] == 0


def test_a_baseline_that_cannot_run_here_is_taken_as_recorded(recorded: Path) -> None:
    pocket = benchmarks.load("pocket")
    tasks = [choosing.Task(pocket, Protocol(grammar.load("pairwise")), pocket)]
    folders = {scheme: recorded / "pocket" / "pocket" / scheme / "pairwise" for scheme in ("f16", "q8_0")}
    whole = run_folder.read_run(folders["f16"])
    half = replace(whole, verdicts=tuple(one for one in whole.verdicts if int(one.id[-1]) % 2))
    asked = choosing.ChooseSettings(recorded, margin=2.0)
    for baseline, outcome in ((whole, "within"), (half, "undecided")):
        side = choosing.RecordedJudge([run_folder.read_run(folders["q8_0"])])
        decision = choosing.decided(side, choosing.RecordedJudge([baseline]), tasks, asked, choosing.Budget(None))
        assert decision.outcome == outcome


def test_what_is_decided_is_said_for_a_person_at_80_and_at_120_columns(edge: Edge, recorded: Path) -> None:
    schemes = ("--scheme", "q4_k_m", "--scheme", "q2_k")
    for columns in (80, 120):
        done = edge("choose", *schemes, "--results", recorded, COLUMNS=str(columns))
        assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= columns
        assert "q4_k_m" in done.stdout and "can be trusted" in done.stdout and "…" not in done.stdout


@pytest.mark.parametrize(("text", "found"), [("2h", 7200), ("30min", 1800), ("1.5m", 90), ("90s", 90), ("1d", 86400)])
def test_a_budget_is_a_time_with_its_unit(text: str, found: float) -> None:
    assert seconds(None, None, text) == found  # type: ignore[arg-type]
    assert seconds(None, None, None) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["2", "h", "0h", "-1h", "soon"])
def test_a_budget_that_is_no_time_is_refused(text: str) -> None:
    import click

    with pytest.raises(UsageError, match="not a time"):
        seconds(None, click.Option(["--budget"]), text)  # type: ignore[arg-type]


def test_what_cannot_be_chosen_is_one_clear_error(edge: Edge) -> None:
    fails(edge("choose", "--scheme", "f16"), 1, "no scheme of pocket but f16")
    fails(edge("choose", "--scheme", "q9"), 2, "q9")
    fails(edge("choose", "--margin", "nan"), 2, "--margin is not a number")
    both = ("edge-judge quantize llama-3-8b q4_k_m", "edge-judge quantize llama-3-8b")
    fails(edge("choose", "--model", "llama-3-8b"), 1, "no scheme of llama-3-8b", *both)
    fails(edge("choose", "--model", "llama-3-8b", "-s", "q6_k"), 1, "edge-judge quantize llama-3-8b q6_k")
    fails(edge("choose", "--model", "llama-3-9b"), 2, "llama-3-8b")


def test_a_baseline_that_is_too_large_for_this_machine_is_advised_against(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_judge.workflows import fitting_scheme, ladder

    for memory, expected in {
        10**12: "edge-judge quantize llama-3-8b f16",
        12 * 10**9: "--baseline q8_0 (edge-judge quantize llama-3-8b q8_0), or edge-judge pack import",
        10**9: "this machine has 1.00 GB: edge-judge pack import",
    }.items():
        for module in (fitting_scheme, ladder):
            monkeypatch.setattr(module, "machine_memory", lambda memory=memory: memory)
        assert expected in ladder.baseline_advice("llama-3-8b", "f16")
    assert ladder.baseline_advice("a-model-of-my-own", "f16") == "edge-judge quantize a-model-of-my-own f16"


def test_as_many_pairs_as_are_allowed_are_judged_with_the_baseline_too_and_at_least_a_block(
    edge: Edge, tmp_path: Path
) -> None:
    fails(edge("choose", "--max-pairs", 5), 2, "--max-pairs 5", "15")
    assert edge("choose", "-s", "q8_0", "--max-pairs", 20).returncode == 4
    for scheme in ("f16", "q8_0"):
        lines = (tmp_path / "results/pocket/pocket" / scheme / "pairwise/verdicts.jsonl").read_text("utf-8")
        assert lines.count("\n") == 30  # a block of 15 pairs in both orders


def test_free_form_verdicts_are_decided_too_without_probabilities(edge: Edge, tmp_path: Path) -> None:
    said = chosen(edge, "--grammar", "none", "--scheme", "q8_0", "--max-pairs", "70", "--results", tmp_path / "r")
    [one] = said["decisions"]
    assert one["parts"][0]["by_probabilities"]["value"] is None and one["parts"][0]["by_verdicts"]["value"] is not None


def test_a_second_order_that_is_tried_is_noted_and_told(edge: Edge, recorded: Path) -> None:
    asked = ("--scheme", "q2_k", "--results", recorded)
    assert chosen(edge, *asked)["other_seeds_tried"] == []
    assert chosen(edge, *asked)["other_seeds_tried"] == []
    assert chosen(edge, *asked, "--seed", "3")["other_seeds_tried"] == [0]
    assert chosen(edge, *asked)["other_seeds_tried"] == [3]
    run = recorded / "pocket" / "pocket" / "q2_k" / "pairwise" / "run.json"
    assert json.loads(run.read_text(encoding="utf-8"))["choose"] == {"seeds": [0, 3]}
    assert "also decided with seed 3" in " ".join(edge("choose", *asked).stdout.split())


def test_a_scheme_is_chosen_by_a_pack_of_the_baseline_where_f16_cannot_run(edge: Edge, tmp_path: Path) -> None:
    large, small = ({"EDGE_JUDGE_MODELS": str(tmp_path / name)} for name in ("large", "small"))
    edge("quantize", CHECKPOINT, "f16", **large)
    edge("eval", "--model", "checkpoint", "--results", "there", **large)
    edge("pack", "export", "there/pocket/checkpoint/f16/pairwise", "-o", "f16.ejpack", **large)
    edge("quantize", CHECKPOINT, "q4_k_m", **small)
    asked = ("choose", "--model", "checkpoint", "--results", "here")
    fails(edge(*asked, **small), 1, "no f16 run to compare with", "edge-judge pack import")
    edge("pack", "import", "f16.ejpack", "--results", "here", **small)
    done = edge(*asked, **small)
    assert done.returncode == 0, done.stderr
    assert "q4_k_m (2.46 MB) can be trusted in place of f16 (7.72 MB) within 2 points" in " ".join(done.stdout.split())
