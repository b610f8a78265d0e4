"""Votes that others reached are read as they were meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_judge.analysis.ranking.games import hard_scores, soft_scores
from edge_judge.benchmarks.preferences import load_preferences
from edge_judge.errors import DataError


def annotation(instruction: str, preference: object) -> dict[str, object]:
    return {
        "instruction": instruction, "output_1": "abc", "generator_1": "base", "output_2": "de", "generator_2": "apt",
        "annotator": "x", "preference": preference,
    }  # fmt: skip


def test_alpaca_evals_preferences_are_probabilities(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    preferences = [1, 2, 1.5, 0, 1.75, 1.2, None]
    path.write_text(json.dumps([annotation(f"Do {n}.", value) for n, value in enumerate(preferences)]), "utf-8")
    games = load_preferences([path])
    assert games.systems == ("apt", "base")
    assert list(soft_scores(games))[:6] == pytest.approx([0, 1, 0.5, 0.5, 0.75, 0.2])
    assert list(hard_scores(games))[:6] == [0, 1, 0.5, 0.5, 1, 0]
    assert list(games.frame["verdict"])[-1] is None
    assert set(games.frame["length_first"]) == {2} and set(games.frame["length_second"]) == {3}


def test_a_csv_of_votes_needs_four_columns(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("system_a,system_b,question,verdict,order\nx,y,1,a,ab\ny,x,1,b,\nx,y,2,tie,ba\nx,y,3,,\n", "utf-8")
    frame = load_preferences([path]).frame
    assert list(frame["verdict"]) == ["first", "first", "tie", None]
    assert list(frame["order"]) == ["ab", "ba", "ba", "ab"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"system_a": "x", "system_b": "y", "question": "1", "verdict": "A"}, "expected one of a, b, tie"),
        ({"system_a": "x", "system_b": "y", "question": "1", "verdict": ["a"]}, "is a list, expected one of a, b, tie"),
        ({"system_a": "x", "system_b": "x", "question": "1", "verdict": "a"}, "compared with itself"),
        ({"system_a": "x", "system_b": "y", "verdict": "a"}, "no column 'question'"),
        ({"system_a": "x", "system_b": "y", "question": "1", "verdict": "a", "order": "first"}, "expected ab or ba"),
        (annotation("Do.", 3), "expected a number from 1 to 2"),
        (annotation("Do.", True), "expected a number from 1 to 2"),
        (annotation("Do.", "best"), "expected a number from 1 to 2"),
    ],
)
def test_a_vote_that_cannot_be_is_named_with_its_place(tmp_path: Path, row: dict[str, object], message: str) -> None:
    path = tmp_path / "votes.jsonl"
    path.write_text(json.dumps(row) + "\n", "utf-8")
    with pytest.raises(DataError, match=message) as caught:
        load_preferences([path])
    assert f"{path}:1" in str(caught.value)
