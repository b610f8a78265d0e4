"""Simulations of intervals at equal lengths, of two judges and of labels: their parts, and the committed figures."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from votes import made_up

from edge_judge.analysis.ranking.games import vote_arrays
from edge_judge.analysis.ranking.length_control import length_controlled
from edge_judge.analysis.ranking.prediction_powered import corrected_scores, new_questions, prediction_powered
from edge_judge.analysis.ranking.resampling import QuestionResamples
from edge_judge.analysis.ranking.totals import question_totals
from edge_judge.analysis.ranking.two_judges import two_judges
from edge_judge.records import Figure

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "benchmarks"))

import ranking_labels  # noqa: E402
import ranking_length  # noqa: E402
import ranking_two_judges  # noqa: E402


def record(name: str) -> Any:
    return json.loads((ROOT / "results" / "ranking" / name).read_text(encoding="utf-8"))


def test_committed_intervals_at_equal_lengths_hold_but_for_a_strong_system_on_few_questions() -> None:
    found = record("equal_length.json")
    assert [row["scenario"] for row in found["rows"]] == [asdict(one) for one in ranking_length.SCENARIOS]
    assert found["trials"] == ranking_length.TRIALS
    strong = [row for row in found["rows"] if row["truth"] > 0.85 and row["scenario"]["questions"] < 100]
    assert all(0.93 <= row["covered"] <= 0.97 for row in found["rows"] if row not in strong)
    assert all(row["covered"] > row["covered_sandwich"] for row in strong)  # docs/methods.md has the figures


def test_committed_intervals_of_two_judges_hold() -> None:
    """Kendall's tau moves in steps and has an end, so its interval is cautious."""
    found = record("two_judges.json")
    assert [row["scenario"] for row in found["rows"]] == [asdict(one) for one in ranking_two_judges.SCENARIOS]
    assert all(0.93 <= row["shifts"] <= 0.97 and row["tau"] >= 0.95 for row in found["rows"])


def test_committed_intervals_from_labels_hold_in_94_of_100_cases_on_these_pairs_and_on_new_questions() -> None:
    found = record("labels.json")
    assert all(min(row["covered"], row["covered_new"]) >= 0.94 for row in found["rows"])
    assert all(min(row["covered"], row["covered_new"]) >= 0.94 for row in found["labels_alone_exactly"])


def test_lengths_spread_as_the_simulation_says_and_the_sandwich_is_of_the_same_regression() -> None:
    scenario = replace(ranking_length.SCENARIOS[2], questions=20_000)
    chance = np.random.default_rng(1)
    own, other = ranking_length.lengths(scenario, scenario.questions, chance)
    assert (own - other).std() == pytest.approx(ranking_length.difference_spread(scenario), rel=0.03)
    few = ranking_length.votes(replace(scenario, questions=30), chance)
    [ours], theirs = length_controlled(few, "baseline"), ranking_length.by_sandwich(few)
    assert ours.win_rate.value == pytest.approx(theirs.value)
    assert theirs.high - theirs.low < ours.win_rate.high - ours.win_rate.low


def test_the_truth_at_equal_lengths_is_what_many_votes_come_to() -> None:
    scenario = replace(ranking_length.SCENARIOS[3], questions=20_000, soft=True)
    found = ranking_length.coverage(scenario, 1, trials=1)
    assert found.bias == pytest.approx(0, abs=0.01) and found.truth == pytest.approx(found.equal_length, abs=0.02)
    assert found.raw > found.equal_length + 0.02  # the judge prefers what is longer, and this system's answers are
    without = ranking_length.coverage(replace(scenario, preference=0.0), 2, trials=1)
    assert without.truth == pytest.approx(without.equal_length, abs=0.001)
    assert without.truth == pytest.approx(without.raw, abs=0.01)


def test_a_small_simulation_of_two_judges_runs_and_its_figures_are_those_of_two_judges() -> None:
    found = ranking_two_judges.coverage(replace(ranking_two_judges.SCENARIOS[3], questions=12, trials=2), 0)
    assert found.true_tau == pytest.approx(1 / 3, abs=1e-4) and found.shift_width > 0
    votes = [made_up([0.5, 0.0, -0.5], 20, seed) for seed in (1, 2)]
    totals = [question_totals(vote_arrays(one), 3, True) for one in votes]
    tau, shifts = ranking_two_judges.compared(totals, 3, QuestionResamples(20))
    whole = two_judges(*votes)
    moved = {shift.system: shift.points for shift in whole.shifts}
    pairs = [(tau, whole.tau), *((shift, moved[name]) for name, shift in zip(votes[0].systems, shifts, strict=True))]
    for ours, theirs in pairs:
        assert (ours.value, ours.low, ours.high) == pytest.approx((theirs.value, theirs.low, theirs.high), abs=1e-6)


@pytest.mark.parametrize("rate", [0.02, 0.5])
def test_whether_new_questions_are_covered_is_what_the_interval_says(rate: float) -> None:
    chance = np.random.default_rng(2)
    drawn = ranking_labels.two_systems(chance, rate, ranking_labels.good)
    people = np.where(np.arange(len(drawn.people)) < 60, drawn.people, np.nan)
    scores = corrected_scores(drawn.judge, people, drawn.questions)
    found = prediction_powered(drawn.judge, people, drawn.questions)
    own = Figure(*np.clip([found.value, found.low, found.high], 0, 1).tolist())
    new = new_questions(own, ranking_labels.QUESTIONS)
    assert new.low is not None and new.high is not None
    for share in np.linspace(0, 1, 51).tolist():
        within = new.low <= share <= new.high
        assert ranking_labels.covers_new(scores, share, ranking_labels.QUESTIONS) == within, share
