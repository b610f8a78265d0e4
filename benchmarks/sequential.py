"""How often the sequential test is wrong, and how few pairs it needs: simulated, because only there the truth is known.

    python benchmarks/sequential.py            writes results/choose/simulation.json and .svg; about four minutes

*Wrong*: populations of pairs that lose slightly more than the margin, so that "within" is an error, under several
stopping rules. *Pairs*: a scheme that loses nothing, against designs of fixed size.

Verdict probabilities come from log-odds of the right answer. Their spread and the correlation of a pair's two orders
are those of the pocket judge's recorded runs (0.7 for the baseline, 0.4 for what quantization adds). Their mean is
lower: that of a judge that is right in three of four verdicts. The noise is scaled to the share of verdicts that become
right or wrong, and shifted so that the mean loss is exact. Needs altair and vl-convert-python (sequential_chart.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from sequential_chart import draw

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
OUT = ROOT / "results" / "choose"

from edge_judge.analysis import sampling, sequential_test  # noqa: E402
from edge_judge.metrics.intervals import wilson  # noqa: E402
from edge_judge.records import LABELS, Benchmark, Pair  # noqa: E402

Numbers = NDArray[np.float64]

MARGIN = 0.02
SIZES = (1400, 3000)
FLIPS = (0.02, 0.04, 0.06, 0.10)
ORDERS = 2000  # random orders of the pairs for each error rate
REPEATS = 500  # populations, each in its own order, for each number of pairs
BUDGET = 400
Z_ALPHA, Z_POWER = 1.959963984540054, 0.8416212335729143  # one-sided 2.5 %, power 0.8
SEED = 6


@dataclass(frozen=True, slots=True)
class Order:
    """A random order: the pairs' places, and the number of pairs after each block."""

    places: NDArray[np.int64]
    ends: NDArray[np.int64]

    def observations(self, values: Numbers, last: int | None = None) -> sequential_test.Observations:
        """The pairs' values in this order. last: at most so many pairs."""
        ends = self.ends if last is None else self.ends[: max(1, int((self.ends <= last).sum()))]
        return sequential_test.Observations(values[self.places[: ends[-1]]], ends, len(values), 1.0)


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """How often a population that loses more than the margin was called within it; low, high: 95 %, Wilson."""

    pairs: int
    population: str
    rule: str
    wrong: int
    orders: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairsNeeded:
    """Pairs until a scheme without loss is called within the margin, and the pairs of fixed designs.

    flips: share of verdicts that are right under only one of the two schemes. mcnemar: pairs of the fixed design with
    one verdict each. both_orders: pairs of the fixed design with the mean of both orders, like the sequential test's.
    tenth, ninetieth: percentiles of `probabilities`. target: whether its median is at most a quarter of mcnemar.
    """

    pairs: int
    flips: float
    probabilities: float
    tenth: float
    ninetieth: float
    within: float
    verdicts: float
    verdicts_within: float
    mcnemar: float
    both_orders: float
    ratio: float
    target: bool


def benchmark(pairs: int) -> Benchmark:
    """Pairs of which a tenth are ties; in the others both answers win equally often."""
    labels = [LABELS[2] if place % 10 == 9 else LABELS[place % 2] for place in range(pairs)]
    return Benchmark("made", tuple(Pair(str(i), "", "", "", (label,)) for i, label in enumerate(labels)), "", True, "")


def orders(pairs: Benchmark, count: int) -> Iterator[Order]:
    for seed in range(count):
        blocks = sampling.order([pairs], seed)
        places = np.array([int(unit.id) for block in blocks for unit in block])
        yield Order(places, np.cumsum([len(block) for block in blocks]))


def log_odds(pairs: int, rng: np.random.Generator, spread: float, correlation: float) -> Numbers:
    """Normal values of shape (pairs, 2), with this correlation between the two orders."""
    shared, own = rng.standard_normal((pairs, 1)), rng.standard_normal((pairs, 2))
    return spread * (correlation**0.5 * shared + (1 - correlation) ** 0.5 * own)


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of an increasing function, by bisection."""
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if function(middle) > 0 else (middle, high)
    return (low + high) / 2


def sigmoid(values: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-values))


def losses(pairs: int, flips: float, loss: float, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """The loss of each pair between two schemes, by probabilities and by verdicts, both of shape (pairs,).

    flips: the share of verdicts that become right or wrong; loss: the exact mean of the loss by probabilities.
    """
    before, noise = 1.2 + log_odds(pairs, rng, 1.8, 0.7), log_odds(pairs, rng, 1.0, 0.4)

    def quantized(scale: float) -> Numbers:
        shift = root(lambda s: sigmoid(before + scale * noise + s).mean() - sigmoid(before).mean() + loss, -5, 5)
        return before + scale * noise + shift

    scale = root(lambda s: float(((quantized(s) > 0) != (before > 0)).mean()) - flips, 0, 8)
    after = quantized(scale)
    by_verdicts = (before > 0).astype(float) - (after > 0)
    return (sigmoid(before) - sigmoid(after)).mean(axis=1), by_verdicts.mean(axis=1)


def populations(simulated: Benchmark, rng: np.random.Generator) -> dict[str, Numbers]:
    """The losses of all pairs under several distributions; the mean of each is the margin."""
    pairs = len(simulated.pairs)
    lost = round(MARGIN * pairs)
    spread, flipped, small = np.zeros(pairs), np.zeros(pairs), rng.normal(0, 0.02, pairs)
    spread[rng.permutation(pairs)[:lost]] = 1
    places = rng.permutation(pairs)
    flipped[places[: 3 * lost]], flipped[places[3 * lost : 5 * lost]] = 1, -1
    stratum = np.zeros(pairs)
    stratum[[i for i, pair in enumerate(simulated.pairs) if pair.labels == ("tie",)][:lost]] = 1
    return {
        "all lost in 2 % of pairs": spread,
        "6 % lost, 4 % won": flipped,
        "all lost among ties": stratum,
        "a little everywhere": small - small.mean() + MARGIN,
        "noisy probabilities": losses(pairs, 0.06, MARGIN, rng)[0],
    }


RULES: dict[str, Callable[[Order, Numbers, float], bool]] = {
    "stop at the first chance": lambda order, values, margin: (
        sequential_test.first_decision(order.observations(values), margin)[0] == "within"
    ),
    f"the same, at most {BUDGET} pairs": lambda order, values, margin: (
        sequential_test.first_decision(order.observations(values, BUDGET), margin)[0] == "within"
    ),
    f"one look after {BUDGET} pairs": lambda order, values, margin: (
        bool(sequential_test.not_above(order.observations(values, BUDGET), margin)[-1])
    ),
}


def error_rates(pairs: int) -> Iterator[ErrorRate]:
    simulated = benchmark(pairs)
    random_orders = list(orders(simulated, ORDERS))
    for name, values in populations(simulated, np.random.default_rng(SEED)).items():
        margin = float(values.mean()) - 1e-7  # so that the mean of the whole benchmark is above the margin
        for rule, says_within in RULES.items():
            count = sum(says_within(order, values, margin) for order in random_orders)
            yield ErrorRate(pairs, name, rule, count, ORDERS, count / ORDERS, *wilson(count / ORDERS, ORDERS))


def fixed_design(variance: float) -> float:
    """Pairs of a design of fixed size for non-inferiority where the true difference is 0.

    (z(0.975) + z(0.8))^2 * variance / margin^2; for one verdict a pair the variance is the share of discordant pairs:
    Liu, Hsueh, Hsieh & Chen 2002, Statistics in Medicine 21:231-245; Nam 1997, Biometrics 53:1422-1430.
    """
    return (Z_ALPHA + Z_POWER) ** 2 * variance / MARGIN**2


def decision(order: Order, values: Numbers) -> tuple[bool, int]:
    """Whether the test decides for within the margin, and after how many pairs."""
    outcome, blocks = sequential_test.first_decision(order.observations(values), MARGIN)
    return outcome == "within", int(order.ends[blocks - 1])


def pairs_needed(pairs: int, flips: float) -> PairsNeeded:
    rng = np.random.default_rng(SEED)
    by_probabilities, by_verdicts, variances = [], [], []
    for order in orders(benchmark(pairs), REPEATS):
        probabilities, verdicts = losses(pairs, flips, 0.0, rng)
        by_probabilities.append(decision(order, probabilities))
        by_verdicts.append(decision(order, verdicts))
        variances.append(float(verdicts.var()))
    used = [count for _, count in by_probabilities]
    ratio = median(used) / fixed_design(flips)
    return PairsNeeded(
        pairs=pairs,
        flips=flips,
        probabilities=median(used),
        tenth=float(np.quantile(used, 0.1)),
        ninetieth=float(np.quantile(used, 0.9)),
        within=sum(within for within, _ in by_probabilities) / REPEATS,
        verdicts=median(count for _, count in by_verdicts),
        verdicts_within=sum(within for within, _ in by_verdicts) / REPEATS,
        mcnemar=round(fixed_design(flips), 1),
        both_orders=round(fixed_design(median(variances)), 1),
        ratio=round(ratio, 4),
        target=ratio <= 0.25,
    )


def record(errors: list[ErrorRate], needed: list[PairsNeeded]) -> dict[str, object]:
    """The settings and results of the simulation, with the decisive figures on top."""
    return {
        "margin_points": 100 * MARGIN,
        "alpha_each_side": sequential_test.ALPHA,
        "fractions": sequential_test.FRACTIONS,
        "shares": sequential_test.SHARES,
        "block": sampling.BLOCK,
        "seed": SEED,
        "largest_wrong_rate": max(row.rate for row in errors),
        "quarter_of_mcnemar_reached": [f"{row.pairs} pairs, {row.flips:.0%} flips" for row in needed if row.target],
        "quarter_of_mcnemar_missed": [f"{row.pairs} pairs, {row.flips:.0%} flips" for row in needed if not row.target],
        "wrong": [asdict(row) for row in errors],
        "pairs": [asdict(row) for row in needed],
    }


def main() -> None:
    errors = [row for pairs in SIZES for row in error_rates(pairs)]
    for row in errors:
        print(f"{row.pairs} pairs, {row.population}, {row.rule}: {row.rate:.4f} [{row.low:.4f}, {row.high:.4f}]")
    needed = [pairs_needed(pairs, flips) for pairs in SIZES for flips in FLIPS]
    for line in needed:
        print(line)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "simulation.json").write_text(json.dumps(record(errors, needed), indent=1) + "\n", encoding="utf-8")
    largest = [asdict(row) for row in errors if row.pairs == SIZES[-1]]
    draw(largest, [asdict(row) for row in needed if row.pairs == SIZES[-1]], 100 * MARGIN, OUT / "simulation.svg")


if __name__ == "__main__":
    main()
