"""How many pairs it takes to know that a scheme loses nothing, beside a design of fixed size: like for like.

    python benchmarks/sequential.py            writes results/choose/simulation.json and .svg; about a minute

Both sides decide by verdicts, on the mean of both orders of a pair, at one-sided 2.5 %. The fixed design has power 0.8
where nothing is lost, and the finite-population correction where the benchmark's own pairs are in question. Ours may
stop after any block of 16 pairs. How often statements are wrong is in benchmarks/promises/decisions.py.

A scheme that loses nothing: of the verdicts that flip, as many become wrong as right, exactly. Two of five flip in both
orders of a pair together, as in the pocket judge's recorded runs. Needs altair and vl-convert-python for the figure.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
OUT = ROOT / "results" / "choose"

from edge_judge.analysis import sampling, sequential_test  # noqa: E402
from edge_judge.analysis.sequential_test import ALPHA, Observations  # noqa: E402

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

MARGIN = 0.02
SIZES = (600, 1400, 3000)
FLIPS = (0.0, 0.02, 0.04, 0.06, 0.10)
TOGETHER = 0.4
ORDERS = 2000  # random orders, or samples
CHUNK = 250  # of them walked at once
Z_ALPHA, Z_POWER = 1.959963984540054, 0.8416212335729143  # one-sided 2.5 %, power 0.8
SEED = 6

OLD_FRACTIONS = (0.999, 0.5, 0.25, 0.12, 0.06)  # of version 0.1.0, to show what the bets of today gain
OLD_SHARES = (0.8, 0.08, 0.05, 0.04, 0.03)


@dataclass(frozen=True, slots=True)
class PairsNeeded:
    """Pairs until a scheme without loss is known to be within the margin.

    pairs: of the benchmark; population: whether new pairs are in question, of which these are a sample. flips: share of
    verdicts that become right or wrong. fixed: of the fixed design; above `pairs` where these are too few. least: below
    which no test at all can decide, since a population that loses the margin would look alike too often. median, mean,
    ninetieth: of ours, those that needed more than there are counted as all. by_then: the share decided by the number
    of the fixed design, whose power is 0.8. decided: the share decided before all pairs were used or with them. before:
    the median with the bets of version 0.1.0.
    """

    pairs: int
    population: bool
    flips: float
    fixed: float
    least: int
    median: float
    mean: float
    ninetieth: float
    by_then: float
    decided: float
    before: float


def no_loss(pairs: int, flips: float) -> Numbers:
    """The losses of pairs whose mean is exactly 0: shape (pairs,)."""
    both = round(TOGETHER * flips * pairs / 2)
    one = round((1 - TOGETHER) * flips * pairs)
    values = np.zeros(pairs)
    values[: 2 * both] = np.repeat([1.0, -1.0], both)
    values[2 * both : 2 * (both + one)] = np.repeat([0.5, -0.5], one)
    return values


def ends(pairs: int) -> Counts:
    """Of the blocks of `sampling.walk`."""
    count = max(sampling.FEWEST, -(-pairs // sampling.LOOK))
    return np.array([pairs * number // count for number in range(1, count + 1)])


def fixed_design(variance: float, total: int | None) -> float:
    """Pairs of a design of fixed size for non-inferiority where the true difference is 0.

    n = (z(0.975) + z(0.8))^2 * variance / margin^2 for a population (Liu, Hsueh, Hsieh & Chen 2002, Statistics in
    Medicine 21:231-245); n / (1 + n / total) without replacement (Cochran 1977, Sampling Techniques, 4.6).
    """
    n = (Z_ALPHA + Z_POWER) ** 2 * variance / MARGIN**2
    return n if total is None else n / (1 + n / total)


def least(total: int | None) -> int:
    """The fewest pairs of which none may be lost so that a loss of more than the margin is excluded at 2.5 %."""
    counts = np.arange(1, 1000)
    if total is None:
        chances = (1 - MARGIN) ** counts
    else:
        counts = counts[counts <= total]
        chances = hypergeom.pmf(0, total, round(MARGIN * total) + 1, counts)
    return int(counts[np.argmax(chances <= ALPHA)])


def old_log_capital(walk: Observations, mean: float) -> Numbers:
    """Against "the mean is `mean` or more", with the fixed fractions of version 0.1.0; `rest` was that before a block,
    here before a pair, which is no slower.
    """
    rest = np.full(walk.values.shape, mean)
    if walk.total is not None:
        rest = (walk.total * mean - walk.values.cumsum(axis=-1) + walk.values) / walk.left
    edge = np.minimum(rest, 1 - 1e-9)
    gain = (edge - walk.values) / (1 - edge)
    bets = [
        np.log(share) + np.log1p(fraction * gain).cumsum(axis=-1)[..., walk.ends - 1]
        for fraction, share in zip(OLD_FRACTIONS, OLD_SHARES, strict=True)
    ]
    return np.asarray(np.logaddexp.reduce(bets, axis=0))


def used(flags: NDArray[np.bool_], stops: Counts) -> tuple[Counts, NDArray[np.bool_]]:
    """Pairs until the first block with a flag, all where there is none; and whether there is one."""
    found = flags.any(axis=-1)
    return np.where(found, stops[flags.argmax(axis=-1)], stops[-1]), found


def walks(pairs: int, flips: float, population: bool, rng: np.random.Generator) -> Iterator[Observations]:
    values = no_loss(pairs, flips)
    for _ in range(0, ORDERS, CHUNK):
        if population:
            drawn = rng.choice(values, (CHUNK, pairs))
        else:
            drawn = rng.permuted(np.tile(values, (CHUNK, 1)), axis=1)
        yield Observations(drawn, ends(pairs), None if population else pairs, 1.0, MARGIN)


def pairs_needed(pairs: int, flips: float, population: bool) -> PairsNeeded:
    counts, decided, before = [], [], []
    for walk in walks(pairs, flips, population, np.random.default_rng(SEED)):
        now, found = used(sequential_test.not_above(walk, MARGIN), walk.ends)
        then, _ = used(old_log_capital(walk, MARGIN) >= -np.log(ALPHA), walk.ends)
        counts.append(now)
        decided.append(found)
        before.append(then)
    all_counts, all_decided = np.concatenate(counts), np.concatenate(decided)
    total = None if population else pairs
    fixed = fixed_design(float(no_loss(pairs, flips).var()), total)
    return PairsNeeded(
        pairs=pairs,
        population=population,
        flips=flips,
        fixed=round(fixed, 1),
        least=least(total),
        median=float(np.median(all_counts)),
        mean=round(float(all_counts.mean()), 1),
        ninetieth=float(np.quantile(all_counts, 0.9)),
        by_then=float((all_decided & (all_counts <= max(fixed, least(total)))).mean()),
        decided=float(all_decided.mean()),
        before=float(np.median(np.concatenate(before))),
    )


def record(needed: list[PairsNeeded]) -> dict[str, object]:
    """The settings and results of the simulation."""
    return {
        "margin_points": 100 * MARGIN,
        "alpha_each_side": ALPHA,
        "gaps": sequential_test.GAPS,
        "shares": sequential_test.SHARES,
        "guess": sequential_test.GUESS,
        "weight": sequential_test.WEIGHT,
        "boldest": sequential_test.BOLDEST,
        "block": sampling.LOOK,
        "orders": ORDERS,
        "seed": SEED,
        "pairs": [asdict(row) for row in needed],
    }


def table(needed: list[PairsNeeded]) -> str:
    """Markdown: a line for each number of pairs and share of flips."""
    cells: list[Callable[[PairsNeeded], str]] = [
        lambda row: "new" if row.population else "own",
        lambda row: f"{row.pairs:,}",
        lambda row: f"{row.flips:.0%}",
        lambda row: f"{max(row.fixed, row.least):.0f}",
        lambda row: f"{row.median:.0f}",
        lambda row: f"{row.mean:.0f}",
        lambda row: f"{row.ninetieth:.0f}",
        lambda row: f"{row.decided:.0%}",
        lambda row: f"{row.before:.0f}",
    ]
    lines = [
        "| pairs | of | flips | fixed design | ours, median | mean | 90th | decided | median before |",
        "|" + "---|" * 9,
    ]
    return "\n".join([*lines, *("| " + " | ".join(cell(row) for cell in cells) + " |" for row in needed)])


def main() -> None:
    from sequential_chart import draw  # needs altair

    needed = [
        pairs_needed(pairs, flips, population) for population in (False, True) for pairs in SIZES for flips in FLIPS
    ]
    print(table(needed))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "simulation.json").write_text(json.dumps(record(needed), indent=1) + "\n", encoding="utf-8")
    draw([asdict(row) for row in needed if row.pairs == 1400], 100 * MARGIN, OUT / "simulation.svg")


if __name__ == "__main__":
    main()
