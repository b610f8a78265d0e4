"""What is promised of slices: of the worst category, of two-way intervals, of a liking for length or for an author, and
of what changed between schemes. Populations are drawn anew in each run, and the truth is that of the population.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_judge.analysis.slices import TURNED
from edge_judge.metrics.contrast import correlation, difference, equal_means_p
from edge_judge.metrics.intervals import paired_difference, rate
from edge_judge.metrics.many_tests import adjusted
from edge_judge.metrics.multiway import two_way
from edge_judge.metrics.paired_mean import paired_mean
from edge_judge.metrics.sign_flip import holm
from edge_judge.records import Figure
from promises.promise import Promise

Random = np.random.Generator
Array = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Flips:
    """How two schemes differ under the null. questions: of a category; pairs: of a question; rate: of pairs that flip.
    together: both orders of a pair flip; whole: all pairs of a question flip together."""

    categories: int
    questions: int
    pairs: int
    rate: float
    together: bool = True
    whole: bool = False


def missed(figure: Figure, truth: float) -> bool:
    """Whether an interval leaves the truth out; an interval that is not there promises nothing."""
    if figure.low is None or figure.high is None:
        return False
    return not figure.low - 1e-9 <= truth <= figure.high + 1e-9


# ---- the worst category ---------------------------------------------------------------------------------


def categories(random: Random, flips: Flips) -> list[tuple[Array, Array]]:
    """Of each category the differences and the clusters of its trials; no category has truly lost anything."""
    found = []
    for _ in range(flips.categories):
        shape = (flips.questions, 1 if flips.whole else flips.pairs)
        signs = (random.random(shape) < flips.rate) * random.choice([-1, 1], shape)
        pairs = np.broadcast_to(signs, (flips.questions, flips.pairs)).reshape(-1)
        orders = np.ones((len(pairs), 2), np.int64) if flips.together else random.integers(0, 2, (len(pairs), 2))
        clusters = np.repeat(np.arange(flips.questions), 2 * flips.pairs)
        found.append(((pairs[:, None] * orders).reshape(-1).astype(np.int64), clusters))
    return found


def wrong_worst(random: Random, runs: int, flips: Flips) -> int:
    """In how many runs some category is called worse or better although none is."""
    return sum(min(adjusted(categories(random, flips))) <= 0.05 for _ in range(runs))


# ---- two kinds of clusters ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crossed:
    """Trials crossed by question and by pair of answering systems, each with an effect of its own on the rate, and
    a part of the cells seen. mean: of the rate; the effects' standard deviations are on the scale of a probit."""

    questions: int
    models: int
    question_effect: float
    models_effect: float
    mean: float
    seen: float = 1.0


def crossed(random: Random, design: Crossed) -> tuple[Array, Array, Array, float]:
    """Hits, questions, pairs of systems, and the population's rate."""
    from scipy.stats import norm

    spread = (1 + design.question_effect**2 + design.models_effect**2) ** 0.5
    threshold = float(norm.ppf(design.mean)) * spread
    latent = (
        threshold
        + design.question_effect * random.standard_normal((design.questions, 1))
        + design.models_effect * random.standard_normal((1, design.models))
        + random.standard_normal((design.questions, design.models))
    )
    first, second = np.nonzero(random.random(latent.shape) < design.seen)
    return (latent[first, second] > 0).astype(np.int64), first, second, design.mean


def wrong_two_way(random: Random, runs: int, design: Crossed) -> int:
    wrong = 0
    for _ in range(runs):
        hits, first, second, truth = crossed(random, design)
        first, second = (np.unique(codes, return_inverse=True)[1] for codes in (first, second))
        wrong += missed(two_way(rate(hits == 1, first), hits, first, second, (0.0, 1.0)), truth)
    return wrong


def wrong_two_way_drop(random: Random, runs: int, design: Crossed) -> int:
    """The same of a paired drop: hits are trials lost, as many are won elsewhere, so that nothing was lost truly."""
    wrong = 0
    for _ in range(runs):
        lost, first, second, _ = crossed(random, design)
        won = crossed(random, design)[0] if design.seen == 1 else np.zeros_like(lost)
        clash = (lost == 1) & (won == 1)
        lost, won = np.where(clash, 0, lost), np.where(clash, 0, won)
        figure = paired_difference(lost == 1, won == 1, first)
        wrong += missed(two_way(figure, lost - won, first, second, (-1.0, 1.0)), 0.0)
    return wrong


# ---- parity: length, authors ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Liking:
    """Questions with pairs whose right answer is the longer, or the shorter. longer, shorter: the judge's accuracy;
    tied: how strongly a question's judgements hang together; pulling: whether a question's liking for length raises the
    one and lowers the other."""

    questions: int
    pairs: int
    longer: float
    shorter: float
    tied: float = 0.0
    pulling: bool = False
    share_longer: float = 0.6


def judged(random: Random, liking: Liking) -> tuple[Array, Array, Array]:
    """Right, whether the longer is right, and the question: both orders of a pair are right or wrong together."""
    from scipy.stats import norm

    questions = np.repeat(np.arange(liking.questions), liking.pairs)
    longer = (random.random(len(questions)) < liking.share_longer).astype(np.int64)
    effect = random.standard_normal(liking.questions)[questions]
    sign = np.where(longer == 1, 1, -1) if liking.pulling else 1
    latent = liking.tied**0.5 * effect * sign + (1 - liking.tied) ** 0.5 * random.standard_normal(len(questions))
    accuracy = np.where(longer == 1, liking.longer, liking.shorter)
    right = (latent < norm.ppf(accuracy)).astype(np.int64)
    return np.repeat(right, 2), np.repeat(longer, 2), np.repeat(questions, 2)


def gap(right: Array, longer: Array, questions: Array) -> Figure:
    sides = [(right[longer == kind], questions[longer == kind]) for kind in (1, 0)]
    figures = [rate(hits == 1, clusters) for hits, clusters in sides]
    return difference(figures[0], figures[1], correlation(*sides[0], *sides[1]), 1.0)


def wrong_gap(random: Random, runs: int, liking: Liking) -> int:
    truth = liking.longer - liking.shorter
    return sum(missed(gap(*judged(random, liking)), truth) for _ in range(runs))


def wrong_gap_change(random: Random, runs: int, liking: Liking, flips: float, extra: float) -> int:
    """The baseline is right as `judged`; the run flips a part of the pairs at random, and `extra` of those whose right
    answer is the shorter to wrong."""
    wrong = 0
    for _ in range(runs):
        was, longer, questions = judged(random, liking)
        pairs = len(was) // 2
        flipped = np.repeat(random.random(pairs) < flips, 2)
        turned = np.repeat(random.random(pairs) < extra, 2) & (longer == 0)
        right = np.where(flipped, 1 - was, was)
        right = np.where(turned, 0, right)
        after = {
            kind: (1 - flips) * mean + flips * (1 - mean) for kind, mean in ((1, liking.longer), (0, liking.shorter))
        }
        after[0] *= 1 - extra
        truth = (after[1] - liking.longer) - (after[0] - liking.shorter)
        sides = [(was[longer == kind] - right[longer == kind], questions[longer == kind]) for kind in (1, 0)]
        drops = [paired_difference(lost > 0, lost < 0, clusters) for lost, clusters in sides]
        change = difference(drops[1], drops[0], correlation(*sides[0], *sides[1]), 2.0)
        wrong += missed(change, truth)
    return wrong


def wrong_author(random: Random, runs: int, systems: int, questions: int, accuracy: float, tied: float) -> int:
    """In how many runs some author's adjusted p is at most 5 % although the judge prefers nobody."""
    wrong = 0
    for _ in range(runs):
        pairs = [(a, b) for a in range(systems) for b in range(a)]
        question = np.repeat(np.arange(questions), len(pairs))
        authors = np.tile(np.array(pairs), (questions, 1))
        strength = np.linspace(-0.8, 0.8, systems)  # some systems win often, as people see it
        chance = 1 / (1 + np.exp(-2 * (strength[authors[:, 0]] - strength[authors[:, 1]])))
        winner = np.where(random.random(len(question)) < chance, authors[:, 0], authors[:, 1])
        latent = tied**0.5 * random.standard_normal(questions)[question]
        latent += (1 - tied) ** 0.5 * random.standard_normal(len(question))
        right = (latent < np.quantile(random.standard_normal(20_000), accuracy)).astype(np.int64)
        kept = random.random(len(question)) < 0.6
        tests: list[float | None] = []
        for system in range(systems):
            mine = kept & (authors == system).any(axis=1)
            won, lost = mine & (winner == system), mine & (winner != system)
            tests.append(equal_means_p(right[won], question[won], right[lost], question[lost]))
        wrong += min(p for p in holm(tests) if p is not None) <= 0.05
    return wrong


# ---- what changed between schemes -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moved:
    """Two schemes on the same questions, each with so many pairs. rate: the share of pairs whose value moves, or by how
    much they move; upward: the share of those that move up."""

    questions: int
    pairs: int
    rate: float
    upward: float


def wrong_bias(random: Random, runs: int, moved: Moved) -> int:
    """Position bias: a verdict that moves goes from one answer to the other, by 2, in one of two orders."""
    wrong = 0
    for _ in range(runs):
        count = moved.questions * moved.pairs
        moves = (random.random(count) < moved.rate) * np.where(random.random(count) < moved.upward, 2, -2)
        values = np.stack([moves, np.zeros(count)], axis=1).reshape(-1).astype(np.float64)
        clusters = np.repeat(np.arange(moved.questions), 2 * moved.pairs)
        truth = moved.rate * (2 * moved.upward - 1)
        wrong += missed(paired_mean(values, clusters, (-2.0, 2.0), TURNED), truth)
    return wrong


def wrong_mass(random: Random, runs: int, moved: Moved) -> int:
    """Hidden mass: skewed on each pair, the scheme's a multiple of the baseline's that differs by question."""
    wrong = 0
    for _ in range(runs):
        clusters = np.repeat(np.arange(moved.questions), 2 * moved.pairs)
        hidden = random.beta(0.5, 4.5, len(clusters))  # 10 % on average
        factor = 1 + moved.rate * random.exponential(1.0, moved.questions)[clusters] * np.sign(moved.upward - 0.5)
        values = hidden * (factor - 1)
        truth = 0.1 * moved.rate * np.sign(moved.upward - 0.5)
        wrong += missed(paired_mean(values, clusters, (-1.0, 1.0)), float(truth))
    return wrong


def wrong_overconfidence(random: Random, runs: int, moved: Moved) -> int:
    """Overconfidence: probabilities of the scheme are sharper by a little, its verdicts flip at some rate."""
    wrong = 0
    for _ in range(runs):
        count = moved.questions * moved.pairs
        clusters = np.repeat(np.arange(moved.questions), 2 * moved.pairs)
        accuracy, flip = 0.85, np.repeat(random.random(count) < moved.rate, 2)
        was = np.repeat(random.random(count) < accuracy, 2)
        right = np.where(flip, ~was, was)
        sharper = 0.05 * random.random(len(clusters))
        values = sharper - (right.astype(np.float64) - was)
        truth = 0.025 - moved.rate * (1 - 2 * accuracy)
        wrong += missed(paired_mean(values, clusters, (-2.0, 2.0), TURNED), truth)
    return wrong


def _promise(statement: str, design: str, broken: Callable[..., int], *arguments: object, runs: int = 2000) -> Promise:
    def count(random: Random, times: int) -> int:
        return broken(random, times, *arguments)

    return Promise(statement, design, 0.05, count, runs)


WORST = "no category is told as worse where none is"
CROSSED = "95 % interval of accuracy for new questions and new pairs of systems"
DROP = "95 % interval of a drop for new questions and new pairs of systems"
GAP = "95 % interval of the gap by length"
CHANGE = "95 % interval of the gap's change between schemes"
AUTHOR = "no author is told as preferred where none is"
BIAS = "95 % interval of the change of position bias"
MASS = "95 % interval of the change of hidden mass"
CALIBRATION = "95 % interval of the change of overconfidence"

PROMISES = [
    _promise(WORST, "5 sets of 80 pairs, 10 % flip, orders together", wrong_worst, Flips(5, 80, 1, 0.10)),
    _promise(WORST, "58 scenarios of 24 pairs, 5 % flip, orders together", wrong_worst, Flips(58, 24, 1, 0.05)),
    _promise(WORST, "58 scenarios of 20 pairs, 10 % flip, orders apart", wrong_worst, Flips(58, 20, 1, 0.10, False)),
    _promise(WORST, "8 categories of 10 questions with 30 pairs that flip together", wrong_worst,
             Flips(8, 10, 30, 0.5, True, True)),
    _promise(CROSSED, "170 questions × 10 pairs of systems, 60 % seen, both matter", wrong_two_way,
             Crossed(170, 10, 0.5, 0.3, 0.8, 0.6), runs=1000),
    _promise(CROSSED, "170 × 10, only questions matter", wrong_two_way,
             Crossed(170, 10, 0.7, 0.0, 0.9, 0.6), runs=1000),
    _promise(CROSSED, "80 × 15, both matter", wrong_two_way, Crossed(80, 15, 0.5, 0.5, 0.7), runs=1000),
    _promise(CROSSED, "10 × 15, both matter", wrong_two_way, Crossed(10, 15, 0.5, 0.3, 0.7), runs=1000),
    _promise(DROP, "170 × 10, 5 % lost and 5 % won, both matter", wrong_two_way_drop,
             Crossed(170, 10, 0.5, 0.3, 0.05), runs=1000),
    _promise(GAP, "600 pairs, 99 % and 98 % right", wrong_gap, Liking(600, 1, 0.99, 0.98)),
    _promise(GAP, "170 questions of 6 pairs, 80 % and 65 %, tied", wrong_gap, Liking(170, 6, 0.8, 0.65, 0.3)),
    _promise(GAP, "100 questions of 4, 80 % and 65 %, pulling apart", wrong_gap, Liking(100, 4, 0.8, 0.65, 0.5, True)),
    _promise(CHANGE, "600 pairs, 2 % flip, 2 % more lost where the shorter is right", wrong_gap_change,
             Liking(600, 1, 0.9, 0.85), 0.02, 0.02),
    _promise(CHANGE, "170 questions of 6, 5 % flip, 5 % more lost", wrong_gap_change,
             Liking(170, 6, 0.8, 0.65, 0.3), 0.05, 0.05),
    _promise(AUTHOR, "5 systems, 170 questions, 75 % right", wrong_author, 5, 170, 0.75, 0.0, runs=1000),
    _promise(AUTHOR, "6 systems, 80 questions, 70 % right, tied", wrong_author, 6, 80, 0.7, 0.3, runs=1000),
    _promise(BIAS, "600 pairs, 3 % move, evenly", wrong_bias, Moved(600, 1, 0.03, 0.5), runs=1000),
    _promise(BIAS, "100 pairs, 3 % move, all to the first", wrong_bias, Moved(100, 1, 0.03, 1.0)),
    _promise(BIAS, "200 pairs, 5 % move, all to the first", wrong_bias, Moved(200, 1, 0.05, 1.0), runs=1000),
    _promise(BIAS, "170 questions of 6, 5 % move, most to the first", wrong_bias, Moved(170, 6, 0.05, 0.8), runs=1000),
    _promise(MASS, "170 questions of 3, up by a fifth, differing by question", wrong_mass,
             Moved(170, 3, 0.2, 1.0), runs=1000),
    _promise(MASS, "60 questions of 1, down by a fifth", wrong_mass, Moved(60, 1, 0.2, 0.0), runs=1000),
    _promise(CALIBRATION, "600 pairs, 3 % flip", wrong_overconfidence, Moved(600, 1, 0.03, 0.5), runs=1000),
    _promise(CALIBRATION, "100 pairs, 2 % flip", wrong_overconfidence, Moved(100, 1, 0.02, 0.5)),
    _promise(CALIBRATION, "100 pairs, 5 % flip", wrong_overconfidence, Moved(100, 1, 0.05, 0.5), runs=1000),
]  # fmt: skip
