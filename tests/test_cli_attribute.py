"""edge-judge attribute: the recorded chain, and what is said of runs that are missing."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
from conftest import Edge, fails
from figures import same

from edge_judge import __version__

RECORDED = Path(__file__).parent.parent / "results" / __version__


def recorded(to: Path, *runs: str) -> None:
    """Some of the recorded runs, under results/."""
    for run in runs:
        shutil.copytree(RECORDED / "pocket" / "pocket" / run, to / "results" / "pocket" / "pocket" / run)


def test_the_recorded_runs_give_the_whole_chain(edge: Edge) -> None:
    steps = json.loads(edge("attribute", "--results", RECORDED, "--json").stdout)["steps"]
    assert [step["step"] for step in steps] == ["grammar", "protocol", "scheme"]
    for step in steps:
        for side in ("before", "after"):
            path = RECORDED / "pocket" / "pocket" / step[side]["scheme"] / step[side]["grammar"] / "score.json"
            strict = json.loads(path.read_text("utf-8"))["strict"]
            assert same(step[side]["accuracy"], strict["accuracy"])
            assert same(step[side]["format_errors"], strict["format_errors"])
        change = 100 * (step["after"]["accuracy"]["value"] - step["before"]["accuracy"]["value"])
        assert step["change"]["value"] == pytest.approx(change)
        assert step["change"]["low"] <= step["change"]["value"] <= step["change"]["high"]
    assert (steps[1]["before"]["grammar"], steps[1]["after"]["grammar"]) == ("pairwise", "pairwise-cot")
    assert (steps[2]["before"]["scheme"], steps[2]["after"]["scheme"]) == ("f16", "q4_k_m")


@pytest.mark.parametrize("width", ["80", "120"])
def test_the_table_fits_and_tells_the_noise_floor(edge: Edge, width: str) -> None:
    done = edge("attribute", "--results", RECORDED, "--grammar", "pairwise", COLUMNS=width)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= int(width)
    for words in ("none → pairwise", "f16 → q4_k_m", "76.9 → 99.7", "22.8 → 0.0", "1 of 3,600"):
        assert words in done.stdout
    assert "protocol" not in done.stdout
    assert "no noise floor of f16/none: edge-judge eval" in done.stderr and "--repeat 2" in done.stderr


def test_of_a_missing_run_the_row_stays_and_the_command_that_is_told_makes_it(edge: Edge, tmp_path: Path) -> None:
    recorded(tmp_path, "f16/none", "f16/pairwise")
    asked = ["attribute", "--scheme", "q2_k", "--grammar", "pairwise"]
    done = edge(*asked)
    assert done.returncode == 0 and "f16 → q2_k" in done.stdout, done.stderr
    told = [line.partition(": ")[2] for line in done.stderr.splitlines() if line.startswith("no run q2_k/pairwise: ")]
    assert len(told) == 1
    assert edge(*shlex.split(told[0])[1:]).returncode == 0
    again = json.loads(edge(*asked, "--json").stdout)
    assert again["missing"] == [] and again["steps"][-1]["change"]["value"] is not None


def test_the_command_that_is_told_for_the_noise_floor_measures_it(edge: Edge, tmp_path: Path) -> None:
    recorded(tmp_path, "f16/none", "f16/pairwise", "q2_k/pairwise")
    asked = ["attribute", "--scheme", "q2_k", "--grammar", "pairwise"]
    told = [line.partition(": ")[2] for line in edge(*asked).stderr.splitlines() if "floor of q2_k/pairwise" in line]
    assert edge(*shlex.split(told[0])[1:]).returncode == 0
    noise = {
        f"{one['scheme']}/{one['grammar']}": one["noise"] for one in json.loads(edge(*asked, "--json").stdout)["noise"]
    }
    assert noise["q2_k/pairwise"]["verdicts"] == 1200 and noise["f16/none"] is None


def test_where_no_step_can_be_computed_it_is_an_error_that_says_what_to_run(edge: Edge, tmp_path: Path) -> None:
    fails(edge("attribute"), 1, "no step can be computed", "f16/none", "edge-judge eval --model pocket --scheme f16")
    recorded(tmp_path, "f16/none")
    fails(edge("attribute", "--json"), 1, "f16/pairwise", "--grammar pairwise")


def test_runs_that_differ_in_more_are_refused_by_name(edge: Edge, tmp_path: Path) -> None:
    recorded(tmp_path, "f16/none", "f16/pairwise")
    path = tmp_path / "results/pocket/pocket/f16/none/run.json"
    path.write_text(path.read_text("utf-8").replace('"seed": null', '"seed": 7'))
    fails(edge("attribute"), 1, "more than the grammar", "settings.seed")


def test_mistyped_names_are_answered_with_the_nearest(edge: Edge) -> None:
    fails(edge("attribute", "--scheme", "q4_k_l"), 2, "q4_k_m")
    fails(edge("attribute", "--grammar", "pairwis"), 2, "pairwise")
    fails(edge("attribute", "--benchmark", "poket"), 2, "pocket")
    fails(edge("attribute", "--scheme", "f16", "--grammar", "none"), 1, "is the starting point")
    fails(edge("attribute", "--model", "of-mine"), 1, "--model of-mine")


def test_a_broken_noise_floor_is_told(edge: Edge, tmp_path: Path) -> None:
    recorded(tmp_path, "f16/none", "f16/pairwise")
    path = tmp_path / "results/pocket/pocket/f16/pairwise/run.json"
    path.write_text(path.read_text("utf-8").replace('"repeats"', '"rehearsals"'))
    fails(edge("attribute"), 1, "run.json: noise", "--repeat")
