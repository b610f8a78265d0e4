"""How often a ranking's 95 % intervals hold the truth, beside those of a scheme that resamples single votes.

    python benchmarks/ranking_coverage.py          writes results/ranking/coverage.json and .svg; minutes

Questions are clusters: on each of them every system has its own luck, which all votes on its answer share. Each pair is
judged in both orders by a judge that prefers what is shown first. The truth is what the model makes of infinitely many
questions. Beside our intervals, from resamples of whole questions, stand those of Arena-Hard's scheme on the same votes
and the same model, at 95 %: percentiles of 100 resamples of single votes (lmarena/arena-hard-auto@005ac120
show_result.py: print_leaderboard, which resamples the scores of both orders one by one).

Also counted: how often any two of the systems that are equally strong are told apart, which is to be at most 5 %.

Knows: how votes are made. Does not know: how the figure is drawn (`ranking_chart`).
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
OUT = ROOT / "results" / "ranking"

from ranking_chart import draw  # noqa: E402

from edge_judge.analysis.ranking.davidson import Totals, fit  # noqa: E402
from edge_judge.analysis.ranking.ratings import SCALE, rank_totals  # noqa: E402
from edge_judge.analysis.ranking.resampling import QuestionResamples  # noqa: E402
from edge_judge.analysis.ranking.totals import QuestionTotals  # noqa: E402
from edge_judge.analysis.ranking.win_rates import share_interval  # noqa: E402
from edge_judge.metrics.intervals import RESAMPLES  # noqa: E402

Numbers = NDArray[np.float64]

SEED = 16
BIAS = 0.4  # on the log odds, for the answer shown first
TIE = 0.4  # the parameter of ties of a single vote
LUCK = 1.0  # the standard deviation of a system's luck on a question
POINTS = 41  # of the quadrature over the luck of a pair
ROUNDS = 100  # of resampling single votes, Arena-Hard's default


@dataclass(frozen=True, slots=True)
class Scenario:
    """systems, questions: how many; spread: the strongest is as far above the middle, on the log odds, and strengths
    come in twos; soft: whether a vote has the judge's probabilities, which are then counted; trials: simulated.
    """

    systems: int
    questions: int
    spread: float
    soft: bool
    trials: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares of intervals that hold the truth. ratings, win_rates: ours; single_votes: of ratings, by Arena-Hard's
    scheme. told_apart: share of trials in which any two equal systems were told apart; decided: share of the pairs that
    are not equal. width, single_width: mean widths of the ratings' intervals, in points.
    """

    scenario: Scenario
    ratings: float
    win_rates: float
    single_votes: float
    told_apart: float
    decided: float
    width: float
    single_width: float


@dataclass(frozen=True, slots=True)
class ShareCoverage:
    """Of `share_interval`, at one true share. alike: how alike the two votes on a question are, from 0 to 1; ties: the
    share of questions with two ties beside.
    """

    questions: int
    share: float
    alike: float
    ties: float
    covered: float


SHARE_TRIALS = 4000
SCENARIOS = [
    Scenario(3, 30, 1.0, False, 400),
    Scenario(3, 100, 1.0, False, 400),
    Scenario(3, 100, 0.1, False, 400),
    Scenario(3, 100, 0.1, True, 400),
    Scenario(3, 500, 1.0, True, 200),
    Scenario(10, 30, 1.0, False, 120),
    Scenario(10, 100, 1.0, False, 120),
    Scenario(10, 100, 0.1, False, 120),
    Scenario(10, 100, 0.1, True, 120),
    Scenario(30, 100, 1.0, False, 40),
    Scenario(30, 100, 0.1, True, 40),
]


def strengths(scenario: Scenario) -> Numbers:
    """From the strongest to the weakest, each value twice; the last one once if they are an odd number."""
    steps = np.linspace(scenario.spread, -scenario.spread, (scenario.systems + 1) // 2)
    return np.repeat(steps, 2)[: scenario.systems]


def chances(lead: Numbers) -> tuple[Numbers, Numbers]:
    """Of a win and of a tie, where the first system leads by so much on the log odds."""
    win, loss = np.exp(lead / 2), np.exp(-lead / 2)
    return win / (win + loss + TIE), TIE / (win + loss + TIE)


def over_luck(lead: Numbers, luck: float) -> tuple[Numbers, Numbers]:
    """The chances of a win and of a tie over both orders and all luck. lead: of the strengths, on the log odds; luck:
    the standard deviation of what comes to it on a question.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(POINTS)
    leads = lead[..., None, None] + luck * nodes[:, None] + np.array([BIAS, -BIAS])
    win, tie = ((part.mean(axis=-1) * weights / weights.sum()).sum(axis=-1) for part in chances(leads))
    return win, tie


def truth(
    theta: Numbers, first: NDArray[np.int64], second: NDArray[np.int64], luck: float = LUCK
) -> tuple[Numbers, Numbers]:
    """Each system's rating, the mean at 1000, and its win rate against all others, with infinitely many questions.
    theta: strengths, shape (systems,); luck: of an answer, its standard deviation.
    """
    systems = len(theta)
    win, tie = over_luck(theta[first] - theta[second], luck * np.sqrt(2))
    many = 1e9
    sums = (np.full((1, len(first)), many), many * (win + tie / 2)[None], many * tie[None])
    found = fit(Totals(systems, first, second, *sums)).theta[0]
    score = np.zeros((systems, systems))
    score[first, second], score[second, first] = win + tie / 2, 1 - win - tie / 2
    return SCALE * (found - found.mean()) + 1000, score.sum(axis=1) / (systems - 1)


def votes(
    scenario: Scenario, first: NDArray[np.int64], second: NDArray[np.int64], chance: np.random.Generator
) -> tuple[QuestionTotals, Numbers]:
    """The sums by question, and of all votes, in a row each, wins, losses and ties by pair: shape (votes, 3)."""
    quality = strengths(scenario) + LUCK * chance.standard_normal((scenario.questions, scenario.systems))
    return votes_on(quality, first, second, chance, soft=scenario.soft)


def votes_on(
    quality: Numbers, first: NDArray[np.int64], second: NDArray[np.int64], chance: np.random.Generator, *, soft: bool
) -> tuple[QuestionTotals, Numbers]:
    """The same for answers of known quality, on the log odds: shape (questions, systems)."""
    lead = (quality[:, first] - quality[:, second])[:, :, None] + np.array([BIAS, -BIAS])
    win, tie = chances(lead)
    if not soft:
        drawn = chance.random(win.shape)
        win, tie = (drawn < win).astype(float), ((drawn >= win) & (drawn < win + tie)).astype(float)
    outcomes = np.stack([win, 1 - win - tie, tie], axis=-1)
    count = np.full(win.shape[:2], 2.0)
    return QuestionTotals(first, second, count, (win + tie / 2).sum(axis=2), tie.sum(axis=2)), outcomes


def single_votes(scenario: Scenario, totals: QuestionTotals, outcomes: Numbers, chance: np.random.Generator) -> Numbers:
    """Percentile intervals of ratings from resamples of single votes: shape (2, systems)."""
    pairs = len(totals.first)
    singles = outcomes.transpose(1, 0, 2, 3).reshape(-1, 3)  # a row for each vote, by pair
    pair = np.repeat(np.arange(pairs), len(singles) // pairs)
    sums = np.empty((3, ROUNDS, pairs))
    for number in range(ROUNDS):
        times = np.bincount(chance.integers(0, len(singles), len(singles)), minlength=len(singles))
        won, tied = times * (singles[:, 0] + singles[:, 2] / 2), times * singles[:, 2]
        sums[:, number] = [np.bincount(pair, part, pairs) for part in (times, won, tied)]
    start = fit(Totals(scenario.systems, totals.first, totals.second, *(part[:1] for part in sums)))
    theta = fit(Totals(scenario.systems, totals.first, totals.second, *sums), start=start).theta
    points = SCALE * (theta - theta.mean(axis=1, keepdims=True)) + 1000
    return np.quantile(points, (0.025, 0.975), axis=0)


def win_rate_intervals(scenario: Scenario, totals: QuestionTotals) -> Numbers:
    """Against all others: shape (2, systems)."""
    ends = np.empty((2, scenario.systems))
    for system in range(scenario.systems):
        own, other = totals.first == system, totals.second == system
        scores = totals.scores[:, own].sum(axis=1) + (totals.votes - totals.scores)[:, other].sum(axis=1)
        shares = scores / totals.votes[:, own | other].sum(axis=1)
        ends[:, system] = share_interval(float(shares.mean()), (shares - shares.mean()) / len(shares))
    return ends


def coverage(scenario: Scenario, seed: int) -> Coverage:
    chance = np.random.default_rng([SEED, seed])
    first, second = np.triu_indices(scenario.systems, 1)
    ratings, win_rates = truth(strengths(scenario), first, second)
    names = tuple(f"s{place}" for place in range(scenario.systems))
    resamples = QuestionResamples(scenario.questions)
    equal = {
        frozenset((names[a], names[b]))
        for a, b in zip(first, second, strict=True)
        if strengths(scenario)[a] == strengths(scenario)[b]
    }
    held, won, single, widths, wrong, decided = [], [], [], [], [], []
    for _ in range(scenario.trials):
        totals, outcomes = votes(scenario, first, second, chance)
        ranking = rank_totals(names, totals, resamples=resamples)
        ends = np.array([(ranking.rating(name).rating.low, ranking.rating(name).rating.high) for name in names]).T
        alone = single_votes(scenario, totals, outcomes, chance)
        shares = win_rate_intervals(scenario, totals)
        held.append((ends[0] <= ratings) & (ratings <= ends[1]))
        single.append((alone[0] <= ratings) & (ratings <= alone[1]))
        won.append((shares[0] <= win_rates) & (win_rates <= shares[1]))
        widths.append([(ends[1] - ends[0]).mean(), (alone[1] - alone[0]).mean()])
        apart = {frozenset((pair.better, pair.worse)) for pair in ranking.differences if pair.decided}
        wrong.append(bool(apart & equal))
        decided.append(len(apart - equal) / (len(ranking.differences) - len(equal)))
    width, single_width = np.mean(widths, axis=0).tolist()
    shares = (held, won, single, wrong, decided)
    means = (round(float(np.mean(part)), 4) for part in shares)
    return Coverage(scenario, *means, round(width, 1), round(single_width, 1))


def share_coverage(questions: int, share: float, alike: float, ties: float, seed: int) -> ShareCoverage:
    """Two votes on each question, whose common chance of a win is drawn from a beta distribution."""
    chance = np.random.default_rng([SEED, 1000 + seed])
    spread = (1 - alike) / alike
    luck = chance.beta(share * spread, (1 - share) * spread, (SHARE_TRIALS, questions))
    won = chance.binomial(2, luck) / 2
    won[chance.random(won.shape) < ties] = 0.5
    true = ties / 2 + (1 - ties) * share
    ends = [share_interval(float(row.mean()), (row - row.mean()) / questions) for row in won]
    return ShareCoverage(questions, share, alike, ties, float(np.mean([low <= true <= high for low, high in ends])))


def share_coverages() -> list[ShareCoverage]:
    settings = [
        (questions, share, *kind)
        for questions in (15, 30, 100, 300)
        for share in (0.02, 0.1, 0.5)
        for kind in ((0.3, 0.0), (0.9, 0.0), (0.5, 0.5))
    ]
    return [share_coverage(*setting, seed) for seed, setting in enumerate(settings)]


def table(found: list[Coverage]) -> str:
    """Markdown: a line for each scenario."""
    lines = [
        "| systems | questions | spread | counted | ratings | win rates | single votes | equal told apart | decided |",
        "|" + "---|" * 9,
    ]
    for row in found:
        what = row.scenario
        head = f"| {what.systems} | {what.questions} | {what.spread} | {'p' if what.soft else 'verdicts'} |"
        shares = (row.ratings, row.win_rates, row.single_votes, row.told_apart, row.decided)
        lines.append(head + "".join(f" {100 * share:.1f} % |" for share in shares))
    return "\n".join(lines)


def main() -> None:
    found = []
    for seed, scenario in enumerate(SCENARIOS):
        found.append(coverage(scenario, seed))
        print(table(found).splitlines()[-1], flush=True)
    print(table(found))
    shares = share_coverages()
    covered = [share.covered for share in shares]
    print(f"intervals of single win rates, from {min(covered):.1%} to {max(covered):.1%}")
    OUT.mkdir(parents=True, exist_ok=True)
    settings = {"seed": SEED, "bias": BIAS, "tie": TIE, "luck": LUCK, "resamples": RESAMPLES, "rounds": ROUNDS}
    rows = [asdict(row) for row in found]
    content = {**settings, "rows": rows, "shares": [asdict(share) for share in shares]}
    (OUT / "coverage.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draw(rows, OUT / "coverage.svg")


if __name__ == "__main__":
    main()
