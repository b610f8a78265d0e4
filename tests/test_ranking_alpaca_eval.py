"""Win rates of AlpacaEval's recorded annotations are those of its leaderboard, raw and at equal lengths.

EDGE_JUDGE_ALPACA_EVAL names a folder of tatsu-lab/alpaca_eval; a small made-up file in its format is always there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from statistics import mean, stdev

import alpaca_eval as files
import numpy as np
import pytest

from edge_judge.analysis.ranking.length_control import length_controlled
from edge_judge.analysis.ranking.win_rates import win_rates

SMALL = Path(__file__).parent / "data" / "alpaca_eval.json"
FOLDER = os.environ.get("EDGE_JUDGE_ALPACA_EVAL")
recorded = pytest.mark.skipif(not FOLDER, reason="EDGE_JUDGE_ALPACA_EVAL names no folder of tatsu-lab/alpaca_eval")


def test_a_small_files_win_rate_and_its_error_are_those_by_hand() -> None:
    rows = json.loads(SMALL.read_text(encoding="utf-8"))
    votes = files.votes(rows)
    (rate,) = win_rates(votes, "baseline")
    won = [0.5 if row["preference"] == 0 else row["preference"] - 1 for row in rows if row["preference"] is not None]
    assert rate.system == "small" and rate.format_errors == 1 and rate.votes == len(rows) - 1
    assert rate.soft.value == pytest.approx(mean(won))
    assert rate.error == pytest.approx(stdev(won) / len(won) ** 0.5)
    assert rate.hard.value == pytest.approx(mean(0.5 if share == 0.5 else float(share > 0.5) for share in won))


def test_a_small_files_win_rate_at_equal_lengths_is_nearer_to_a_half() -> None:
    """The made-up judge prefers the longer answer, and the system's are longer."""
    votes = files.votes(json.loads(SMALL.read_text(encoding="utf-8")))
    (rate,) = win_rates(votes, "baseline")
    (controlled,) = length_controlled(votes, "baseline")
    assert controlled.longer > 0 and controlled.length.value > 0
    assert 0.5 < controlled.win_rate.value < rate.soft.value


@recorded
def test_every_recorded_win_rate_and_its_error_are_the_leaderboards() -> None:
    folder = Path(str(FOLDER))
    board = files.published(folder).leaderboard
    compared = 0
    for name, rows in files.annotations(folder).items():
        if name not in board.index or name == files.BASELINE:
            continue
        (rate,) = win_rates(files.votes(rows), files.BASELINE)
        expected = board.loc[name, ["win_rate", "standard_error", "discrete_win_rate"]].to_numpy(float)
        assert [100 * rate.soft.value, 100 * rate.error, 100 * rate.hard.value] == pytest.approx(expected, abs=1e-6), (
            name
        )
        compared += 1
    assert compared >= 10


@recorded
def test_nine_of_ten_win_rates_at_equal_lengths_are_within_a_point_of_the_leaderboards() -> None:
    """Each half of the systems with what the other half's coefficients tell of the votes on resized answers.

    A file that lacks instructions takes the difficulties of the wrong ones, as AlpacaEval does: by row, not by name.
    """
    folder = Path(str(FOLDER))
    public = files.published(folder)
    every = {
        name: rows
        for name, rows in files.annotations(folder).items()
        if name in public.coefficients.index and name in public.leaderboard.index and name != files.BASELINE
    }
    most = max(len(rows) for rows in every.values())
    whole = {name: rows for name, rows in every.items() if len(rows) == most}
    difficulty = files.difficulties(whole, public.coefficients)
    apart = {}
    for half in (0, 1):
        told = {name: whole[name] for name in list(whole)[half::2]}
        resized = files.resized(folder, told, public.coefficients, difficulty)
        for name in every.keys() - told.keys():
            questions = [row["instruction"] for row in every[name]]
            by_row = dict(zip(questions, difficulty[: len(questions)].tolist(), strict=True))
            (found,) = length_controlled(files.votes(every[name]), files.BASELINE, difficulty=by_row, resized=resized)
            apart[name] = 100 * found.win_rate.value - public.leaderboard.loc[name, "length_controlled_winrate"]
    distances = np.abs(list(apart.values()))
    assert len(apart) == len(every)
    assert (distances <= 1).mean() >= 0.9 and distances.max() < 2
