"""A few human labels beside a judge's scores: how often the interval covers the truth, and how many labels it saves.

    python benchmarks/ranking_labels.py        # half an hour; writes results/ranking/labels.json

Each row is a kind of population: what people would say of every pair, and what a judge of some quality says of it. Each
trial draws a population and labels on pairs drawn evenly. Beside our interval stand the same one from the labels alone,
PPI++'s normal interval, and the bets of `sequential_test` on the same corrected scores, which may be looked at after
every label. Is the truth within? It is the mean of what people would say of the pairs that there are, and for `new` of
the population that they were drawn from.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, hypergeom

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
OUT = ROOT / "results" / "ranking"

from edge_judge.analysis import sequential_test  # noqa: E402
from edge_judge.analysis.ranking.prediction_powered import (  # noqa: E402
    CorrectedScores,
    corrected_scores,
    new_questions,
    prediction_powered,
)
from edge_judge.analysis.sequential_test import Observations  # noqa: E402
from edge_judge.metrics import bounded_mean  # noqa: E402
from edge_judge.metrics.intervals import wilson  # noqa: E402
from edge_judge.records import Figure  # noqa: E402

Numbers = NDArray[np.float64]
Codes = NDArray[np.int64]

RATES = (0.02, 0.5, 0.98)
LABELS = (30, 80, 200)
QUESTIONS = 805  # as in AlpacaEval
TRIALS = 400
LONGER = 8  # times as many, of one kind
WHOLE = 40  # trials in which intervals are computed; in the others, whether they cover
SEED = 16
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Drawn:
    """judge, people: scores of all pairs; questions: codes. Shape (pairs,)."""

    judge: Numbers
    people: Numbers
    questions: Codes


@dataclass(frozen=True, slots=True)
class Row:
    """covered: the share of trials in which the interval has the truth; covered_new: the one for new questions the rate
    of the population; width: the mean width, clipped to [0, 1], in the first `whole` trials.

    judge_off: how far the judge's own win rate lies from the truth, the mean absolute distance. saved: (width of the
    labels alone / width)^2. weight: of the judge, the mean.
    """

    judge: str
    rate: float
    labels: int
    pairs: int
    judge_off: float
    covered: float
    covered_new: float
    covered_labels_alone: float
    covered_normal: float
    covered_bets: float
    width: float
    width_labels_alone: float
    width_normal: float
    width_bets: float
    weight: float
    saved: float
    trials: int
    whole: int


def good(chance: np.random.Generator, people: Numbers) -> Numbers:
    """Right in 85 % of orders, with probabilities."""
    return _judged(chance, people, 0.85, 0.0, soft=True)


def biased(chance: np.random.Generator, people: Numbers) -> Numbers:
    """Right in 75 % of orders, and in another 10 % for the first system whatever its answer; verdicts only."""
    return _judged(chance, people, 0.75, 0.10, soft=False)


def useless(chance: np.random.Generator, people: Numbers) -> Numbers:
    """Chance."""
    return _judged(chance, people, 0.5, 0.0, soft=True)


def _judged(chance: np.random.Generator, people: Numbers, right: float, towards: float, *, soft: bool) -> Numbers:
    orders = []
    for _ in range(2):
        luck = chance.random(len(people))
        tie = np.where(chance.random(len(people)) < 0.5, 1.0, 0.0)
        truth = np.where(people == 0.5, tie, people)
        said = np.where(luck < right, truth, np.where(luck < right + towards, 1.0, 1 - truth))
        sure = 0.5 + 0.5 * chance.beta(2, 2, len(people)) if soft else np.ones(len(people))
        orders.append(np.where(said == 1, sure, 1 - sure))
    scores: Numbers = np.mean(orders, axis=0)
    return scores


def two_systems(chance: np.random.Generator, rate: float, judge: Callable[..., Numbers]) -> Drawn:
    """A pair a question; a tenth of the verdicts are ties where the win rate allows it."""
    ties = min(0.1, rate, 1 - rate)
    people = chance.choice([1.0, 0.5, 0.0], QUESTIONS, p=[rate - ties / 2, ties, 1 - rate - ties / 2])
    return Drawn(judge(chance, people), people, np.arange(QUESTIONS))


def one_of_six(chance: np.random.Generator, rate: float, judge: Callable[..., Numbers]) -> Drawn:
    """A system against five others on each of 161 questions; on a question it tends to win against all or none."""
    questions = np.repeat(np.arange(QUESTIONS // 5), 5)
    ease = chance.beta(2 * rate, 2 * (1 - rate), QUESTIONS // 5)[questions]
    people = (chance.random(len(questions)) < ease).astype(float)
    return Drawn(judge(chance, people), people, questions)


def normal(drawn: Drawn, labelled: Codes) -> tuple[float, float]:
    """PPI++'s interval for a mean, as its paper has it: the labelled pairs and the others, power tuning, a normal law.

    Angelopoulos, Duchi & Zrnic 2023, arXiv:2311.01453, sections 3 and 6.
    """
    y, f = drawn.people[labelled], drawn.judge[labelled]
    others = np.delete(drawn.judge, labelled)
    n, more = len(y), len(others)
    spread = drawn.judge.var()
    weight = min(1.0, max(0.0, np.cov(y, f, bias=True)[0, 1] / ((1 + n / more) * spread) if spread else 0.0))
    value = y.mean() + weight * (others.mean() - f.mean())
    half = Z * sqrt((y - weight * f).var() / n + weight**2 * others.var() / more)
    return value - half, value + half


def bets(scores: CorrectedScores, total: int, chance: np.random.Generator) -> tuple[float, float]:
    """The interval of the betting test for the same values, drawn without replacement; one may look after each."""
    low, high = scores.bounds
    middle, bound = (low + high) / 2, (high - low) / 2
    values = chance.permutation(scores.values) - middle
    ends = sequential_test.interval(Observations(values, np.arange(1, len(values) + 1), total, bound, 0.15, 0.5))
    return ends[0] + middle, ends[1] + middle


def covers(scores: CorrectedScores, truth: float) -> bool:
    """Whether our interval has the truth: the test of that one mean, without the search for the interval's ends."""
    sums, sizes = np.bincount(scores.clusters, scores.values), np.bincount(scores.clusters)
    mean, unseen = float(sums.sum() / sizes.sum()), bounded_mean.unseen_size(sizes)
    end = mean + (truth - scores.value) / scores.doubt
    far, towards = (scores.bounds[1], 1) if end > mean else (scores.bounds[0], -1)
    if towards * (end - far) >= 0:
        return False
    p = bounded_mean.surely_below_zero(towards * (sums - end * sizes), towards * (far - end) * unseen)
    return p > bounded_mean.TAIL


def covers_new(scores: CorrectedScores, rate: float, questions: int) -> bool:
    """Whether our interval for new questions has the rate, likewise: what Wilson's end leaves of the squared distance
    (`new_questions`) our own end must reach.
    """
    value = min(1.0, max(0.0, scores.value))
    end = wilson(value, questions)[rate > value]
    left = (rate - value) ** 2 - (end - value) ** 2
    return left <= 0 or covers(scores, value + (sqrt(left) if rate > value else -sqrt(left)))


@dataclass(frozen=True, slots=True)
class Trial:
    """covered: by ours, labels alone, the normal one and bets; ends: of the same intervals, where they were computed;
    new: whether the interval for new questions has the rate of the population.
    """

    covered: tuple[bool, ...]
    ends: tuple[tuple[float, float], ...] | None
    new: bool
    judge_off: float
    weight: float


def trial(drawn: Drawn, rate: float, labels: int, chance: np.random.Generator, *, whole: bool) -> Trial:
    labelled = chance.permutation(len(drawn.people))[:labels]
    people = np.full(len(drawn.people), np.nan)
    people[labelled] = drawn.people[labelled]
    truth = float(drawn.people.mean())
    ours, alone = (corrected_scores(drawn.judge, people, drawn.questions, judged=judged) for judged in (True, False))
    others = (normal(drawn, labelled), bets(ours, len(drawn.people), chance))
    covered = (covers(ours, truth), covers(alone, truth), *(low <= truth <= high for low, high in others))
    off, weight = abs(float(drawn.judge.mean()) - truth), float(ours.weights.mean())
    has_rate = covers_new(ours, rate, len(np.unique(drawn.questions)))
    if not whole:
        return Trial(covered, None, has_rate, off, weight)
    found = [prediction_powered(drawn.judge, people, drawn.questions, judged=judged) for judged in (True, False)]
    for has, one in zip(covered, found, strict=False):
        assert has == (one.low <= truth <= one.high) or min(abs(one.low - truth), abs(one.high - truth)) < 1e-6
    own = Figure(*np.clip([found[0].value, found[0].low, found[0].high], 0, 1).tolist())
    new = new_questions(own, len(np.unique(drawn.questions)))
    assert has_rate == (new.low <= rate <= new.high) or min(abs(new.low - rate), abs(new.high - rate)) < 1e-6
    ends = (*((one.low, one.high) for one in found), *others)
    return Trial(covered, ends, has_rate, off, weight)


def row(name: str, drawing: Callable[..., Drawn], judge: Callable[..., Numbers], rate: float, labels: int) -> Row:
    chance = np.random.default_rng([SEED, labels, round(100 * rate)])
    # where our intervals are the least cautious, 400 trials tell 93 % from 95 % badly
    times = LONGER if judge is useless and rate == 0.5 else 1
    trials = []
    for number in range(times * TRIALS):
        drawn = drawing(chance, rate, judge)
        trials.append(trial(drawn, rate, labels, chance, whole=number < times * WHOLE))
    shares = np.mean([one.covered for one in trials], axis=0).tolist()
    ends = np.clip([one.ends for one in trials if one.ends is not None], 0, 1)
    widths = (ends[:, :, 1] - ends[:, :, 0]).mean(axis=0)
    return Row(
        name, rate, labels, len(drawn.people), round(float(np.mean([one.judge_off for one in trials])), 4),
        shares[0], float(np.mean([one.new for one in trials])), *shares[1:],
        *np.round(widths, 4).tolist(), round(float(np.mean([one.weight for one in trials])), 3),
        round(float((widths[1] / widths[0]) ** 2), 3), len(trials), times * WHOLE,
    )  # fmt: skip


KINDS: list[tuple[str, Callable[..., Drawn], Callable[..., Numbers], tuple[float, ...]]] = [
    ("right in 85 % of orders, with probabilities", two_systems, good, RATES),
    ("right in 75 %, biased towards one system, verdicts only", two_systems, biased, RATES),
    ("chance", two_systems, useless, RATES),
    ("right in 85 %, one of six systems, five pairs a question", one_of_six, good, (0.5,)),
]


@dataclass(frozen=True, slots=True)
class Exact:
    """How often intervals from the labels alone cover, summed over all that can be drawn: wins and losses, no ties."""

    rate: float
    labels: int
    pairs: int
    covered: float
    covered_new: float


def exact(rate: float, labels: int, pairs: int = QUESTIONS) -> Exact:
    """The pairs that are won follow a binomial law, and the labelled ones among them a hypergeometric one."""
    counts, won = np.arange(labels + 1), np.arange(pairs + 1)
    found = []
    for count in counts:
        people = np.where(np.arange(pairs) < labels, (np.arange(pairs) < count).astype(float), np.nan)
        found.append(prediction_powered(np.full(pairs, 0.5), people, np.arange(pairs), judged=False))
    new = [new_questions(Figure(one.value, one.low, one.high), pairs) for one in found]
    inside = [(one.low - 1e-9 <= won / pairs) & (won / pairs <= one.high + 1e-9) for one in found]
    drawn = hypergeom.pmf(counts[:, None], pairs, won, labels)
    covered = float((binom.pmf(won, pairs, rate) * (drawn * np.array(inside)).sum(axis=0)).sum())
    covered_new = sum(
        p for p, one in zip(binom.pmf(counts, labels, rate), new, strict=True) if one.low <= rate <= one.high
    )
    return Exact(rate, labels, pairs, round(covered, 4), round(float(covered_new), 4))


def main() -> None:
    rows = []
    for name, drawing, judge, rates in KINDS:
        for rate in rates:
            for labels in LABELS:
                start = time.perf_counter()
                rows.append(row(name, drawing, judge, rate, labels))
                print(rows[-1], f"{time.perf_counter() - start:.0f} s", flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    record: dict[str, object] = {
        "seed": SEED,
        "questions": QUESTIONS,
        "rows": [asdict(one) for one in rows],
        "labels_alone_exactly": [asdict(exact(rate, labels)) for rate in RATES for labels in LABELS],
    }
    (OUT / "labels.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
