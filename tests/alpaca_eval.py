"""AlpacaEval's recorded annotations, for the tests of a ranking: a folder of tatsu-lab/alpaca_eval, read as votes.

Two inputs of its length control are not in that repository, but in a data set of its own: the difficulty of each
instruction, and the votes on the baseline's resized answers. Both follow from what it publishes, near enough: the
coefficients of every system's regression.

    difficulty   of each instruction the number that, with these coefficients, makes its recorded preferences likeliest
    resized      at the maximum of a likelihood the derivatives are 0, so each system's coefficients tell what the sums
                 over the votes on resized answers were: two numbers, the medians over some systems

Knows: AlpacaEval's files. Does not know: what is tested.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge_judge.analysis.ranking.games import Game, Games, games
from edge_judge.analysis.ranking.length_control import Resized
from edge_judge.analysis.ranking.logistic import logistic

JUDGE = "weighted_alpaca_eval_gpt4_turbo"
BASELINE = "gpt4_1106_preview"
RESIZED = (f"{BASELINE}_concise", f"{BASELINE}_verbose")
WEIGHT = 0.1  # of each vote on a resized answer
RIDGE = 0.1  # on a difficulty

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """leaderboard: win rates in percent, a row a system; coefficients: columns length, difficulty, constant, where the
    length is the baseline's minus the system's.
    """

    leaderboard: pd.DataFrame
    coefficients: pd.DataFrame


def published(folder: Path) -> Published:
    source = folder / "src" / "alpaca_eval"
    weights = source / "metrics" / "weights" / JUDGE / "length_controlled_v1" / f"baseline_{BASELINE}.csv"
    boards = source / "leaderboards" / "data_AlpacaEval_2" / f"{JUDGE}_leaderboard.csv"
    names = ["length", "difficulty", "constant"]
    return Published(pd.read_csv(boards, index_col=0), pd.read_csv(weights, index_col=0, names=names, header=0))


def annotations(folder: Path) -> dict[str, list[Row]]:
    """Of every system whose file is there and whole."""
    files = sorted(folder.glob(f"results/*/{JUDGE}/annotations.json"))
    return {path.parts[-3]: json.loads(path.read_text(encoding="utf-8")) for path in files}


def votes(rows: Sequence[Row]) -> Games:
    """One system's annotations: 1 the baseline wins, 2 the system, in between by probability; 0 is a tie, too."""
    return games(
        (
            Game(row["instruction"], row["generator_2"], row["generator_1"], "ab", *_verdict(row["preference"]),
                 length_first=len(row["output_2"]), length_second=len(row["output_1"]))
            for row in rows
        ),
        [rows[0]["generator_2"], rows[0]["generator_1"]],
    )  # fmt: skip


def _verdict(preference: float | None) -> tuple[Any, ...]:
    if preference is None or np.isnan(preference):
        return (None,)
    won = 0.5 if preference == 0 else preference - 1
    verdict = "tie" if won == 0.5 else "first" if won > 0.5 else "second"
    return verdict, won, 1 - won, 0.0


def features(rows: Sequence[Row], difficulty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AlpacaEval's columns of each vote (constant, length, difficulty), and what the system won of it."""
    longer = np.array([len(row["output_1"]) - len(row["output_2"]) for row in rows], float)
    won = np.array([0.5 if row["preference"] == 0 else row["preference"] - 1 for row in rows], float)
    columns = np.stack([np.ones(len(rows)), np.tanh(longer / longer.std(ddof=1)), difficulty[: len(rows)]], axis=1)
    return columns[np.isfinite(won)], won[np.isfinite(won)]


def difficulties(files: Mapping[str, Sequence[Row]], coefficients: pd.DataFrame) -> np.ndarray:
    """Of each instruction, in the order of the files. files: with all instructions."""
    whole = {name: features(rows, np.zeros(len(rows))) for name, rows in files.items()}
    known = coefficients.loc[list(whole)].to_numpy()
    offsets = np.stack(
        [columns[:, 1] * length for (columns, _), length in zip(whole.values(), known[:, 0], strict=True)]
    )
    offsets += known[:, 2][:, None]
    won, slope = np.stack([part for _, part in whole.values()]), known[:, 1][:, None]
    at = np.zeros(won.shape[1])
    for _ in range(60):
        chance = logistic(offsets + slope * at)
        first = (slope * (won - chance)).sum(axis=0) - RIDGE * at
        second = (slope**2 * chance * (1 - chance)).sum(axis=0) + RIDGE
        at += np.clip(first / second, -1, 1)
    return at


def resized(
    folder: Path, files: Mapping[str, Sequence[Row]], coefficients: pd.DataFrame, difficulty: np.ndarray
) -> Resized:
    """The votes on resized answers that these systems' coefficients imply.

    Its lengths are those of the resized answers minus the baseline's, as ours are.
    """
    outputs = {name: _outputs(folder, name) for name in (BASELINE, *RESIZED)}
    instructions = [row["instruction"] for row in next(iter(files.values()))]
    longer = [
        np.array([len(outputs[BASELINE][one]) - len(outputs[name][one]) for one in instructions], float)
        for name in RESIZED
    ]
    lengths = np.concatenate([np.tanh(part / part.std(ddof=1)) for part in longer])
    columns = np.stack([np.zeros(len(lengths)), lengths, np.tile(difficulty, len(RESIZED))], axis=1)
    sums = []
    for name, rows in files.items():
        own, won = features(rows, difficulty)
        known = coefficients.loc[name, ["constant", "length", "difficulty"]].to_numpy(float)
        gradient = own.T @ (won - logistic(own @ known))
        sums.append((columns.T @ logistic(columns @ known) - gradient / WEIGHT)[1:])
    scores = _scores(columns[:, 1:], np.median(sums, axis=0))
    return Resized(-lengths, columns[:, 2], scores, WEIGHT)


def _scores(columns: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Shares between 0 and 1 with these sums over the columns."""
    at = np.zeros(columns.shape[1])
    for _ in range(60):
        chance = logistic(columns @ at)
        at += np.linalg.solve((columns * (chance * (1 - chance))[:, None]).T @ columns, sums - columns.T @ chance)
    return logistic(columns @ at)


def _outputs(folder: Path, name: str) -> dict[str, str]:
    rows = json.loads((folder / "results" / name / "model_outputs.json").read_text(encoding="utf-8"))
    return {row["instruction"]: row["output"] for row in rows}
