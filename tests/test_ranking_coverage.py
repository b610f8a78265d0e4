"""The simulation of a ranking's intervals: its truth is the votes' own, and the committed figures are in bounds."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "benchmarks"))

import ranking_coverage  # noqa: E402
from ranking_coverage import SCENARIOS, Scenario, coverage, strengths, truth, votes  # noqa: E402

RECORD = json.loads((ROOT / "results" / "ranking" / "coverage.json").read_text(encoding="utf-8"))


def test_the_committed_intervals_hold_in_93_to_97_of_100_cases_and_single_votes_do_not() -> None:
    assert [row["scenario"] for row in RECORD["rows"]] == [asdict(scenario) for scenario in SCENARIOS]
    for row in RECORD["rows"]:
        assert 0.93 <= row["ratings"] <= 0.97 and 0.93 <= row["win_rates"] <= 0.97
        assert row["single_votes"] < 0.9
    assert all(0.94 <= share["covered"] <= 0.985 for share in RECORD["shares"])


def test_equal_systems_are_not_told_apart_more_often_than_promised() -> None:
    trials = [row["scenario"]["trials"] for row in RECORD["rows"]]
    wrong = sum(row["told_apart"] * count for row, count in zip(RECORD["rows"], trials, strict=True))
    assert wrong / sum(trials) <= 0.05


@pytest.mark.parametrize("soft", [True, False])
def test_the_truth_is_what_many_questions_come_to(soft: bool) -> None:
    first, second = np.triu_indices(3, 1)
    scenario = Scenario(3, 40_000, 1.0, soft, 1)
    ratings, win_rates = truth(strengths(scenario), first, second)
    totals, outcomes = votes(scenario, first, second, np.random.default_rng(1))
    score = totals.scores.sum(axis=0) / totals.votes.sum(axis=0)
    assert (score[0] + score[1]) / 2 == pytest.approx(win_rates[0], abs=0.01)
    assert ratings.mean() == pytest.approx(1000) and win_rates.mean() == pytest.approx(0.5)
    assert outcomes.sum() == totals.votes.sum() == 2 * 3 * 40_000


def test_a_small_simulation_runs_to_its_table() -> None:
    found = coverage(Scenario(3, 12, 1.0, False, 3), 0)
    assert found.single_width < found.width
    assert "| 3 | 12 | 1.0 | verdicts |" in ranking_coverage.table([found])
