"""How often the interval of the win rate at equal lengths holds the truth.

    python benchmarks/ranking_length.py        # writes results/ranking/equal_length.json; minutes

A system against a baseline, both orders, by a judge that prefers what is shown first. Lengths of answers are lognormal;
the log odds of a win are the system's strength, the luck of the question and a coefficient times the bounded difference
in length. What the interval is of is the regression's own win rate with infinitely many questions. How far that lies
from the win rate of answers of equal length, since no regression has just the shape of these votes, is told beside.

Beside our interval stands the one by the sandwich of Liang & Zeger (1986, Biometrika 73:13-22), the usual one of a
regression with clusters.

Knows: how the votes are made (`ranking_coverage`). Does not know: how the regression is fitted.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
OUT = ROOT / "results" / "ranking"

from ranking_coverage import BIAS, LUCK, chances, over_luck  # noqa: E402

from edge_judge.analysis.ranking.games import Games  # noqa: E402
from edge_judge.analysis.ranking.length_control import length_controlled  # noqa: E402
from edge_judge.analysis.ranking.logistic import Rows, logistic, regress  # noqa: E402
from edge_judge.metrics.intervals import student  # noqa: E402
from edge_judge.records import Figure  # noqa: E402

Numbers = NDArray[np.float64]

SEED = 18
TYPICAL = 400  # characters of the baseline's answers, the median
SPREAD = 0.5  # the standard deviation of the logarithm of a length
TRIALS = 600
LIMIT = 40_000  # lengths that stand for infinitely many


@dataclass(frozen=True, slots=True)
class Scenario:
    """strength: of the system, on the log odds; preference: the judge's for the longer answer; longer: by what factor
    the system's answers are longer, the median; soft: whether votes have probabilities, which are then counted.
    """

    strength: float
    preference: float
    longer: float
    questions: int
    soft: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """truth: the regression's win rate with infinitely many questions; equal_length: that of answers of equal length;
    raw: with lengths as they are, the mean over trials; bias: of the estimate; covered, covered_sandwich: shares of
    intervals that hold the truth; width, width_sandwich: their means.
    """

    scenario: Scenario
    truth: float
    equal_length: float
    raw: float
    bias: float
    covered: float
    covered_sandwich: float
    width: float
    width_sandwich: float


SCENARIOS = [
    Scenario(strength, preference, longer, questions, soft)
    for questions, soft in ((30, False), (100, True))
    for strength, preference, longer in ((0.0, 0.0, 1.0), (0.0, 1.5, 2.0), (1.0, 1.5, 0.5), (3.0, 1.5, 2.0))
]


def lengths(scenario: Scenario, questions: int, chance: np.random.Generator) -> NDArray[np.int64]:
    """Characters of the system's and of the baseline's answers: shape (2, questions)."""
    typical = np.array([[scenario.longer * TYPICAL], [TYPICAL]])
    return np.rint(typical * np.exp(SPREAD * chance.standard_normal((2, questions)))).astype(np.int64)


def difference_spread(scenario: Scenario) -> float:
    """The standard deviation of the difference in length."""
    factor = np.exp(SPREAD**2) * (np.exp(SPREAD**2) - 1)  # the variance of a lognormal length of median 1
    return float(TYPICAL * sqrt(factor * (1 + scenario.longer**2)))


def votes(scenario: Scenario, chance: np.random.Generator) -> Games:
    """Both orders of each question."""
    count = scenario.questions
    own, other = lengths(scenario, count, chance)
    bounded = np.tanh((own - other) / difference_spread(scenario))
    lead = scenario.strength + LUCK * chance.standard_normal(count) + scenario.preference * bounded
    win, tie = chances(lead[:, None] + np.array([BIAS, -BIAS]))
    drawn = chance.random(win.shape)
    verdict = np.where(drawn < win, "first", np.where(drawn < win + tie, "tie", "second")).ravel()
    p = np.stack([win, 1 - win - tie, tie], axis=-1).reshape(-1, 3)
    p = p if scenario.soft else np.full_like(p, np.nan)
    return Games(
        ("system", "baseline"),
        pd.DataFrame(
            {
                "question": pd.Series(np.repeat([f"q{place}" for place in range(count)], 2), dtype=object),
                "first": pd.Series(["system"] * 2 * count, dtype=object),
                "second": pd.Series(["baseline"] * 2 * count, dtype=object),
                "order": pd.Series(["ab", "ba"] * count, dtype=object),
                "verdict": pd.Series(verdict, dtype=object),
                "p_first": p[:, 0],
                "p_second": p[:, 1],
                "p_tie": p[:, 2],
                "length_first": np.repeat(own, 2),
                "length_second": np.repeat(other, 2),
                "asked": True,
            }
        ),
    )


def expected(scenario: Scenario, bounded: Numbers) -> Numbers:
    """The mean score of the system, over all luck, at each bounded difference in length."""
    win, tie = over_luck(scenario.strength + scenario.preference * bounded, LUCK)
    return win + tie / 2


def in_the_limit(scenario: Scenario) -> float:
    """The win rate that the regression finds with infinitely many questions."""
    own, other = lengths(scenario, LIMIT, np.random.default_rng(SEED))
    bounded = np.tanh((own - other) / difference_spread(scenario))
    rows = Rows(np.stack([np.ones(LIMIT), bounded], axis=1), expected(scenario, bounded), np.ones(LIMIT))
    return float(logistic(regress(rows, np.arange(LIMIT)).coefficients[:1])[0])


def by_sandwich(games: Games) -> Figure:
    """The same regression's interval by Liang & Zeger's covariance with G / (G - 1), written out."""
    frame = games.frame
    longer = (frame["length_first"] - frame["length_second"]).to_numpy(np.float64)
    columns = np.stack([np.ones(len(longer)), np.tanh(longer / longer.std(ddof=1))], axis=1)
    outcome = frame["verdict"].map({"first": 1.0, "tie": 0.5, "second": 0.0}).to_numpy(np.float64)
    soft = (frame["p_first"] + frame["p_tie"] / 2).to_numpy(np.float64)
    scores = np.where(np.isfinite(soft), soft, outcome)
    question = np.repeat(np.arange(len(scores) // 2), 2)
    at = regress(Rows(columns, scores, np.ones(len(scores))), question).coefficients
    shares = logistic(columns @ at)
    bread = np.linalg.inv((columns * (shares * (1 - shares))[:, None]).T @ columns + np.diag(_prior(at)))
    sums = (columns * (scores - shares)[:, None]).reshape(-1, 2, 2).sum(axis=1)
    count = len(sums)
    error = sqrt((bread @ (sums.T @ sums) @ bread)[0, 0] * count / (count - 1))
    low, high = logistic(at[0] + error * student(count - 1) * np.array([-1.0, 1.0])).tolist()
    return Figure(float(logistic(at[:1])[0]), low, high)


def _prior(at: Numbers) -> Numbers:
    """The information of the vote that each coefficient has beforehand."""
    share = logistic(at)
    information: Numbers = share * (1 - share)
    return information


def coverage(scenario: Scenario, seed: int, trials: int = TRIALS) -> Coverage:
    chance = np.random.default_rng([SEED, seed])
    truth = in_the_limit(scenario)
    ours, theirs, raw = [], [], []
    for _ in range(trials):
        games = votes(scenario, chance)
        [found] = length_controlled(games, "baseline")
        ours.append(found.win_rate)
        theirs.append(by_sandwich(games))
        raw.append(games.frame["verdict"].map({"first": 1.0, "tie": 0.5, "second": 0.0}).mean())
    return Coverage(
        scenario,
        round(truth, 4),
        round(float(expected(scenario, np.zeros(1))[0]), 4),
        round(float(np.mean(raw)), 4),
        round(float(np.mean([one.value for one in ours])) - truth, 4),
        *(round(float(np.mean([one.low <= truth <= one.high for one in part])), 4) for part in (ours, theirs)),
        *(round(float(np.mean([one.high - one.low for one in part])), 4) for part in (ours, theirs)),
    )


def main() -> None:
    found = []
    for seed, scenario in enumerate(SCENARIOS):
        found.append(coverage(scenario, seed))
        print(found[-1], flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    content = {"seed": SEED, "luck": LUCK, "bias": BIAS, "trials": TRIALS, "rows": [asdict(row) for row in found]}
    (OUT / "equal_length.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
