"""How often the sequential test is wrong, and how few pairs it takes: simulated, since only there the truth is known.

    python benchmarks/sequential.py            writes results/choose/simulation.json and .svg; about four minutes

*Wrong*: populations of pairs that lose the margin and a trifle more, so that "within" is an error, under several
rules of when to look. *Pairs*: a scheme that loses nothing, beside what a design of fixed size needs.

Verdict probabilities are made from log-odds of the right answer. Their spread and how far the two orders of a pair
go together are as in the recorded runs of the pocket judge (baseline 0.7, what quantization adds 0.4); the mean is
lower, as of a judge that is right in three of four verdicts. The noise is scaled to the share of verdicts that
become right or wrong, and moved so that no probability is lost on average. Needs altair and vl-convert-python.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
REPEATS = 500  # populations, each in an order of its own, for each number of pairs
BUDGET = 400
Z_ALPHA, Z_POWER = 1.959963984540054, 0.8416212335729143  # one-sided 2.5 %, power 0.8
SEED = 6


@dataclass(frozen=True, slots=True)
class Order:
    """A dealt order: the pairs' places, and how many have been seen after each block."""

    places: NDArray[np.int64]
    ends: NDArray[np.int64]

    def walk(self, values: Numbers, last: int | None = None) -> sequential_test.Observations:
        ends = self.ends if last is None else self.ends[: max(1, int((self.ends <= last).sum()))]
        return sequential_test.Observations(values[self.places[: ends[-1]]], ends, len(values), 1.0)


@dataclass(frozen=True, slots=True)
class Wrong:
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
class Pairs:
    """Pairs until a scheme without loss is called within the margin, beside designs of fixed size.

    flips: share of verdicts right under one of the two schemes only. mcnemar: pairs of the fixed design with a verdict
    each. both_orders: of one that takes the mean of both orders of each pair, as the sequential test does.
    tenth, ninetieth: centiles of `probabilities`. target: whether its median is at most a quarter of mcnemar.
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
    """Pairs of which a tenth are ties, and the answers are equally often better."""
    labels = [LABELS[2] if place % 10 == 9 else LABELS[place % 2] for place in range(pairs)]
    return Benchmark("made", tuple(Pair(str(i), "", "", "", (label,)) for i, label in enumerate(labels)), "", True, "")


def orders(judged: Benchmark, count: int) -> Iterator[Order]:
    for seed in range(count):
        blocks = sampling.order([judged], seed)
        places = np.array([int(unit.id) for block in blocks for unit in block])
        yield Order(places, np.cumsum([len(block) for block in blocks]))


def odds(pairs: int, chance: np.random.Generator, spread: float, together: float) -> Numbers:
    """Shape (pairs, 2): normal, with this correlation between the two orders."""
    shared, own = chance.standard_normal((pairs, 1)), chance.standard_normal((pairs, 2))
    return spread * (together**0.5 * shared + (1 - together) ** 0.5 * own)


def solved(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function passes 0."""
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if function(middle) > 0 else (middle, high)
    return (low + high) / 2


def probable(log_odds: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-log_odds))


def judged_twice(pairs: int, flips: float, loss: float, chance: np.random.Generator) -> tuple[Numbers, Numbers]:
    """What each pair loses between two schemes, by probabilities and by verdicts, both of shape (pairs,).

    flips: the share of verdicts that become right or wrong; loss: the mean of the first, exactly.
    """
    before, noise = 1.2 + odds(pairs, chance, 1.8, 0.7), odds(pairs, chance, 1.0, 0.4)

    def after(scale: float) -> Numbers:
        shift = solved(lambda s: probable(before + scale * noise + s).mean() - probable(before).mean() + loss, -5, 5)
        return before + scale * noise + shift

    scale = solved(lambda s: float(((after(s) > 0) != (before > 0)).mean()) - flips, 0, 8)
    found = after(scale)
    by_verdicts = (before > 0).astype(float) - (found > 0)
    return (probable(before) - probable(found)).mean(axis=1), by_verdicts.mean(axis=1)


def populations(judged: Benchmark, chance: np.random.Generator) -> dict[str, Numbers]:
    """What pairs lose, with a mean of just the margin each."""
    pairs = len(judged.pairs)
    lost = round(MARGIN * pairs)
    spread, flipped, small = np.zeros(pairs), np.zeros(pairs), chance.normal(0, 0.02, pairs)
    spread[chance.permutation(pairs)[:lost]] = 1
    places = chance.permutation(pairs)
    flipped[places[: 3 * lost]], flipped[places[3 * lost : 5 * lost]] = 1, -1
    stratum = np.zeros(pairs)
    stratum[[i for i, pair in enumerate(judged.pairs) if pair.labels == ("tie",)][:lost]] = 1
    return {
        "all lost in 2 % of pairs": spread,
        "6 % lost, 4 % won": flipped,
        "all lost among ties": stratum,
        "a little everywhere": small - small.mean() + MARGIN,
        "noisy probabilities": judged_twice(pairs, 0.06, MARGIN, chance)[0],
    }


RULES: dict[str, Callable[[Order, Numbers, float], bool]] = {
    "stop at the first chance": lambda order, values, margin: (
        sequential_test.first_decision(order.walk(values), margin)[0] == "within"
    ),
    f"the same, at most {BUDGET} pairs": lambda order, values, margin: (
        sequential_test.first_decision(order.walk(values, BUDGET), margin)[0] == "within"
    ),
    f"one look after {BUDGET} pairs": lambda order, values, margin: (
        bool(sequential_test.not_above(order.walk(values, BUDGET), margin)[-1])
    ),
}


def wrong(pairs: int) -> Iterator[Wrong]:
    judged = benchmark(pairs)
    dealt = list(orders(judged, ORDERS))
    for name, values in populations(judged, np.random.default_rng(SEED)).items():
        margin = float(values.mean()) - 1e-7  # so that even the whole benchmark shows more
        for rule, says_within in RULES.items():
            count = sum(says_within(order, values, margin) for order in dealt)
            yield Wrong(pairs, name, rule, count, ORDERS, count / ORDERS, *wilson(count / ORDERS, ORDERS))


def fixed(variance: float) -> float:
    """Pairs of a design of fixed size for non-inferiority where the true difference is 0.

    (z(0.975) + z(0.8))^2 * variance / margin^2; for one verdict a pair the variance is the share of discordant pairs:
    Liu, Hsueh, Hsieh & Chen 2002, Statistics in Medicine 21:231-245; Nam 1997, Biometrics 53:1422-1430.
    """
    return (Z_ALPHA + Z_POWER) ** 2 * variance / MARGIN**2


def needed(order: Order, values: Numbers) -> tuple[bool, int]:
    """Whether a walk ends within the margin, and after how many pairs."""
    outcome, blocks = sequential_test.first_decision(order.walk(values), MARGIN)
    return outcome == "within", int(order.ends[blocks - 1])


def pairs_used(pairs: int, flips: float) -> Pairs:
    chance = np.random.default_rng(SEED)
    by_probabilities, by_verdicts, variances = [], [], []
    for order in orders(benchmark(pairs), REPEATS):
        probabilities, verdicts = judged_twice(pairs, flips, 0.0, chance)
        by_probabilities.append(needed(order, probabilities))
        by_verdicts.append(needed(order, verdicts))
        variances.append(float(verdicts.var()))
    used = [count for _, count in by_probabilities]
    ratio = median(used) / fixed(flips)
    return Pairs(
        pairs=pairs,
        flips=flips,
        probabilities=median(used),
        tenth=float(np.quantile(used, 0.1)),
        ninetieth=float(np.quantile(used, 0.9)),
        within=sum(yes for yes, _ in by_probabilities) / REPEATS,
        verdicts=median(count for _, count in by_verdicts),
        verdicts_within=sum(yes for yes, _ in by_verdicts) / REPEATS,
        mcnemar=round(fixed(flips), 1),
        both_orders=round(fixed(median(variances)), 1),
        ratio=round(ratio, 4),
        target=ratio <= 0.25,
    )


def record(errors: list[Wrong], used: list[Pairs]) -> dict[str, object]:
    """What was simulated and what came of it, with the extremes that matter on top."""
    return {
        "margin_points": 100 * MARGIN,
        "alpha_each_side": sequential_test.ALPHA,
        "fractions": sequential_test.FRACTIONS,
        "shares": sequential_test.SHARES,
        "block": sampling.BLOCK,
        "seed": SEED,
        "largest_wrong_rate": max(row.rate for row in errors),
        "quarter_of_mcnemar_reached": [f"{row.pairs} pairs, {row.flips:.0%} flips" for row in used if row.target],
        "quarter_of_mcnemar_missed": [f"{row.pairs} pairs, {row.flips:.0%} flips" for row in used if not row.target],
        "wrong": [asdict(row) for row in errors],
        "pairs": [asdict(row) for row in used],
    }


def draw(errors: list[Wrong], used: list[Pairs], path: Path) -> None:
    """Both figures side by side, as SVG."""
    import altair as alt

    both = alt.hconcat(_draw_wrong(errors, alt), _draw_pairs(used, alt), spacing=40).resolve_scale(color="independent")
    both.configure_view(stroke=None).configure_axis(grid=False).properties(background="white").save(path)


def _colored(field: str, alt: Any) -> Any:
    legend = alt.Legend(orient="bottom", direction="vertical", labelLimit=300)
    return alt.Color(f"{field}:N", title=None, sort=None, legend=legend)


def _draw_wrong(errors: list[Wrong], alt: Any) -> Any:
    shown = [
        {**asdict(row), "rate": 100 * row.rate, "low": 100 * row.low, "high": 100 * row.high}
        for row in errors
        if row.pairs == SIZES[-1]
    ]
    base = alt.Chart(alt.Data(values=shown)).encode(
        y=alt.Y("population:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)),
        yOffset=alt.YOffset("rule:N", sort=None),
        color=_colored("rule", alt),
    )
    points = base.mark_circle(size=50, opacity=1).encode(x=alt.X("rate:Q", title="% of orders, with 95 % intervals"))
    lines = base.mark_rule().encode(x=alt.X("low:Q", scale=alt.Scale(domain=[0, 6])), x2="high:Q")
    limit = alt.Chart(alt.Data(values=[{"x": 5}])).mark_rule(strokeDash=[4, 3], color="#b00").encode(x="x:Q")
    title = [f"Wrongly called within {100 * MARGIN:g} points", f"{SIZES[-1]:,} pairs; wanted: at most 5 %"]
    return alt.layer(lines, points, limit).properties(title=title, width=300, height=260)


def _draw_pairs(used: list[Pairs], alt: Any) -> Any:
    lines: dict[str, Callable[[Pairs], float]] = {
        "McNemar's design, one verdict a pair": lambda row: row.mcnemar,
        "a quarter of it": lambda row: row.mcnemar / 4,
        "the fixed design with both orders of each pair": lambda row: row.both_orders,
        "sequential, by verdicts": lambda row: row.verdicts,
        "sequential, by probabilities": lambda row: row.probabilities,
    }
    shown = [
        {"flips": 100 * row.flips, "kind": name, "pairs": pairs(row)}
        for row in used
        for name, pairs in lines.items()
        if row.pairs == SIZES[-1]
    ]
    ticks = alt.Axis(values=[100 * flips for flips in FLIPS])
    base = alt.Chart(alt.Data(values=shown)).encode(
        x=alt.X("flips:Q", title="% of verdicts that become right or wrong", axis=ticks),
        y=alt.Y("pairs:Q", title="pairs, median"),
        color=_colored("kind", alt),
    )
    title = [f"Pairs until no loss is known to be within {100 * MARGIN:g} points", f"of {SIZES[-1]:,} pairs"]
    return alt.layer(base.mark_line(), base.mark_circle(size=50, opacity=1)).properties(
        title=title, width=380, height=260
    )


def main() -> None:
    errors = [row for pairs in SIZES for row in wrong(pairs)]
    for row in errors:
        print(f"{row.pairs} pairs, {row.population}, {row.rule}: {row.rate:.4f} [{row.low:.4f}, {row.high:.4f}]")
    used = [pairs_used(pairs, flips) for pairs in SIZES for flips in FLIPS]
    for line in used:
        print(line)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "simulation.json").write_text(json.dumps(record(errors, used), indent=1) + "\n", encoding="utf-8")
    draw(errors, used, OUT / "simulation.svg")


if __name__ == "__main__":
    main()
