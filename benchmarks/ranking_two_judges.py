"""How often the intervals hold that compare two judges' rankings: of Kendall's tau, and of how far ratings moved.

    python benchmarks/ranking_two_judges.py        # writes results/ranking/two_judges.json; minutes

Two judges read the same answers. An answer's luck is the same for both; beside it each judge has luck of its own, on
every answer. The second judge is of one mind with the first, or sees half of each difference, or has the first and the
second, the third and the fourth and so on the other way round. What is true is what the model makes of infinitely many
questions, for each judge.

Knows: how the votes are made (`ranking_coverage`). Does not know: how an interval is computed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import hypot
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
OUT = ROOT / "results" / "ranking"

from ranking_coverage import LUCK, truth, votes_on  # noqa: E402

from edge_judge.analysis.ranking.ratings import rate_resamples  # noqa: E402
from edge_judge.analysis.ranking.resampling import QuestionResamples  # noqa: E402
from edge_judge.analysis.ranking.totals import QuestionTotals  # noqa: E402
from edge_judge.analysis.ranking.two_judges import kendall_tau, shift_figures, tau_figure  # noqa: E402
from edge_judge.records import Figure  # noqa: E402

Numbers = NDArray[np.float64]

SEED = 17
OWN_LUCK = 0.5  # the standard deviation of a judge's own luck on an answer, on the log odds


def swapped(theta: Numbers) -> Numbers:
    """Each two neighbours the other way round; the last one stays if they are an odd number."""
    turned = theta.copy()
    pairs = len(theta) // 2 * 2
    turned[0:pairs:2], turned[1:pairs:2] = theta[1:pairs:2], theta[0:pairs:2]
    return turned


KINDS: dict[str, Callable[[Numbers], Numbers]] = {
    "of one mind": lambda theta: theta,
    "sees half": lambda theta: theta / 2,
    "neighbours swapped": swapped,
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """systems, questions: how many; spread: the strongest is as far above the middle for the first judge, on the log
    odds; second: one of KINDS; soft: whether votes have probabilities, which are then counted; trials: simulated.
    """

    systems: int
    questions: int
    spread: float
    second: str
    soft: bool
    trials: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares of intervals that hold the truth. true_tau: of the judges' true ratings; tau, tau_width: of its interval,
    the mean width; tau_value: the mean of what was found; shifts, shift_width: of the ratings' shifts, in points.
    """

    scenario: Scenario
    true_tau: float
    tau: float
    tau_value: float
    tau_width: float
    shifts: float
    shift_width: float


SCENARIOS = [
    Scenario(systems, questions, spread, second, soft, trials)
    for systems, questions, trials in ((3, 30, 300), (8, 100, 150))
    for spread, second, soft in (
        (1.0, "of one mind", False),
        (0.1, "of one mind", True),
        (1.0, "sees half", True),
        (1.0, "neighbours swapped", False),
    )
]


def coverage(scenario: Scenario, seed: int) -> Coverage:
    chance = np.random.default_rng([SEED, seed])
    first, second = np.triu_indices(scenario.systems, 1)
    theta = np.linspace(scenario.spread, -scenario.spread, scenario.systems)
    minds = [theta, KINDS[scenario.second](theta)]
    ratings = [truth(mind, first, second, hypot(LUCK, OWN_LUCK))[0] for mind in minds]
    true_tau = float(kendall_tau(*(np.round(one[None], 6) for one in ratings))[0])
    resamples = QuestionResamples(scenario.questions)
    taus, shifts = [], []
    for _ in range(scenario.trials):
        tau, moved = compared(judged(scenario, minds, first, second, chance), scenario.systems, resamples)
        taus.append(tau)
        shifts.append(moved)
    moved_truly = ratings[1] - ratings[0]
    return Coverage(
        scenario,
        round(true_tau, 4),
        round(float(np.mean([holds(tau, true_tau) for tau in taus])), 4),
        round(float(np.mean([tau.value for tau in taus])), 4),
        round(float(np.mean([width(tau) for tau in taus])), 3),
        round(float(np.mean([[*map(holds, moved, moved_truly)] for moved in shifts])), 4),
        round(float(np.mean([[*map(width, moved)] for moved in shifts])), 1),
    )


def judged(
    scenario: Scenario,
    minds: list[Numbers],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    chance: np.random.Generator,
) -> list[QuestionTotals]:
    """The votes of each judge on the same answers."""
    shape = scenario.questions, scenario.systems
    luck = LUCK * chance.standard_normal(shape)
    quality = [mind + luck + OWN_LUCK * chance.standard_normal(shape) for mind in minds]
    return [votes_on(one, first, second, chance, soft=scenario.soft)[0] for one in quality]


def compared(totals: list[QuestionTotals], systems: int, resamples: QuestionResamples) -> tuple[Figure, list[Figure]]:
    """Tau and the shifts, as `two_judges` has them."""
    rated = [rate_resamples(one, systems, resamples, np.arange(systems)) for one in totals]
    points, draws = [one[1][None] for one in rated], [one[2] for one in rated]
    return tau_figure(points, draws, resamples.questions), shift_figures(points, draws, resamples.questions)


def holds(figure: Figure, value: float) -> bool:
    """Whether the interval has the value, which may be its end but for rounding."""
    assert figure.low is not None and figure.high is not None
    return figure.low - 1e-9 <= value <= figure.high + 1e-9


def width(figure: Figure) -> float:
    assert figure.low is not None and figure.high is not None
    return figure.high - figure.low


def main() -> None:
    found = []
    for seed, scenario in enumerate(SCENARIOS):
        found.append(coverage(scenario, seed))
        print(found[-1], flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    content = {"seed": SEED, "luck": LUCK, "own_luck": OWN_LUCK, "rows": [asdict(row) for row in found]}
    (OUT / "two_judges.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
