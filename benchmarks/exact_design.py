"""How many pairs an exact design of fixed size takes, beside the usual formula and beside ours: one verdict a pair.

    python benchmarks/exact_design.py          prints a table, writes results/choose/exact.json; half a minute

The formula for a design of fixed size takes what was lost for normally distributed. With few flips it is not, and a
test by the formula is wrong more often than 2.5 %. The exact test here is wrong in at most 2.5 % whatever the share of
flips: results are sorted by the score statistic (Tango 1998, Statistics in Medicine 17:891-908), and the least are
taken for "within the margin" as long as no share of flips makes them likelier than 2.5 % where just the margin is lost
(Hsueh, Liu & Chen 2001, Biometrics 57:478-483). It is what a sequential test that is always valid compares with.

With one verdict a pair the losses are -1, 0 and 1, so all shares of flips can be tried; with both orders, as judges are
run, they cannot. New pairs, of a population; and own pairs, drawn without replacement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import gammaln
from sequential import ALPHA, CHUNK, FLIPS, MARGIN, ORDERS, OUT, SEED, Numbers, ends, fixed_design, used

from edge_judge.analysis.sequential_test import Observations, not_above  # found by way of `sequential`

POWER = 0.8
SHARES = np.concatenate([[0.0], np.geomspace(1e-4, 0.4, 80)])  # of pairs won, tried against the test
STEP = 1.02  # between the sizes tried
ALONE = 5  # sizes after one with enough power that must have enough, too: power is a saw
MOST = 6000  # pairs of a sample that ours may use


@dataclass(frozen=True, slots=True)
class Design:
    """Pairs until a scheme without loss is known to be within the margin. total: of the benchmark, None for new pairs.

    formula, exact: of the designs of fixed size, with power 0.8; None where all pairs do not suffice. median, mean: of
    ours. by_exact: the share that ours has decided by then.
    """

    total: int | None
    flips: float
    formula: float
    exact: int | None
    median: float
    mean: float
    by_exact: float | None


def chances(lost: float, won: float, n: int, total: int | None, counts: tuple[Numbers, Numbers]) -> Numbers:
    """Of so many lost and won pairs among n; lost, won: shares of all pairs."""
    first, second = counts
    rest = n - first - second
    if total is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = gammaln(n + 1) - gammaln(first + 1) - gammaln(second + 1) - gammaln(rest + 1)
            for count, share in ((first, lost), (second, won), (rest, 1 - lost - won)):
                logs = logs + np.where(count > 0, count * np.log(share), 0.0)
    else:
        of_all = round(lost * total), round(won * total)
        kinds = ((first, of_all[0]), (second, of_all[1]), (rest, total - sum(of_all)))
        logs = sum(choose(all_of_kind, count) for count, all_of_kind in kinds) - choose(total, np.array(float(n)))
    return np.where(rest >= 0, np.exp(logs), 0.0)


def choose(n: int, k: Numbers) -> Numbers:
    """The logarithm of a binomial coefficient, minus infinity where there is none."""
    with np.errstate(invalid="ignore"):
        found = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.where((k >= 0) & (k <= n), found, -np.inf)


def score(n: int, counts: tuple[Numbers, Numbers]) -> Numbers:
    """Tango's statistic of the counts lost and won against a loss of the margin; the lower, the less was lost."""
    lost, won = counts
    b = (2 * n - lost + won) * MARGIN - lost - won
    shared = (np.sqrt(np.maximum(b * b + 8 * n * won * MARGIN * (1 - MARGIN), 0)) - b) / (4 * n)
    variance = n * (2 * shared + MARGIN * (1 - MARGIN))
    return np.asarray((lost - won - n * MARGIN) / np.sqrt(variance))


def power(n: int, flips: float, total: int | None) -> float:
    """Of the exact test of n pairs, where as many are won as lost."""
    kinds = flips / 2
    most = min(n, int(n * kinds + 8 * (n * kinds) ** 0.5) + 12)  # beyond, the test never says "within"
    lost, won = (axis.ravel() for axis in np.meshgrid(*[np.arange(most + 1.0)] * 2, indexing="ij"))
    counts = lost[lost + won <= n], won[lost + won <= n]
    order = np.argsort(score(n, counts), kind="stable")
    worst = np.zeros(len(order))
    for share, margin in nulls(total):
        worst = np.maximum(worst, chances(share + margin, share, n, total, counts)[order].cumsum())
    within = order[: int(np.searchsorted(worst, ALPHA, side="right"))]
    return float(chances(kinds, kinds, n, total, counts)[within].sum())


def nulls(total: int | None) -> Iterator[tuple[float, float]]:
    """The share won, and what is lost beyond it: just the margin, or the least beyond it that a benchmark can lose."""
    if total is None:
        yield from ((share, MARGIN) for share in SHARES if 2 * share + MARGIN <= 1)
    else:
        beyond = round(MARGIN * total) + 1
        shares = sorted({round(share * total) for share in SHARES})
        yield from ((share / total, beyond / total) for share in shares if 2 * share + beyond <= total)


def exact_size(flips: float, total: int | None, start: float) -> int | None:
    """The first size from which on the power is enough."""
    sizes, n = [], max(100.0, 0.8 * start)
    while n <= (total or MOST) and len(sizes) < ALONE:
        sizes = [*sizes, int(n)] if power(int(n), flips, total) >= POWER else []
        n *= STEP
    return sizes[0] if sizes else None


def ours(flips: float, total: int | None) -> tuple[Numbers, float, float]:
    """The pairs that ours needs in random orders or samples, all where it needs more; their median and mean."""
    chance = np.random.default_rng(SEED)
    pairs = total or MOST
    each = round(flips * pairs / 2)
    values = np.repeat([1.0, -1.0, 0.0], [each, each, pairs - 2 * each])
    counts = []
    for _ in range(ORDERS // CHUNK):
        whole = np.tile(values, (CHUNK, 1))
        drawn = chance.choice(values, whole.shape) if total is None else chance.permuted(whole, axis=1)
        walk = Observations(drawn, ends(pairs), total, 1.0, MARGIN)
        counts.append(used(not_above(walk, MARGIN), walk.ends)[0])
    found = np.concatenate(counts).astype(np.float64)
    return found, float(np.median(found)), float(found.mean())


def design(flips: float, total: int | None) -> Design:
    formula = fixed_design(flips, total)
    exact = exact_size(flips, total, formula)
    found, median, mean = ours(flips, total)
    by_exact = None if exact is None else round(float((found <= exact).mean()), 3)
    return Design(total, flips, round(formula, 1), exact, median, round(mean, 1), by_exact)


def table(found: list[Design]) -> str:
    cells: list[Callable[[Design], str]] = [
        lambda row: "new" if row.total is None else f"own, of {row.total:,}",
        lambda row: f"{row.flips:.0%}",
        lambda row: f"{row.formula:.0f}",
        lambda row: "–" if row.exact is None else f"{row.exact:,}",
        lambda row: f"{row.median:,.0f}",
        lambda row: f"{row.mean:,.0f}",
        lambda row: "–" if row.by_exact is None else f"{row.by_exact:.0%}",
    ]
    lines = ["| pairs | flips | formula | exact | ours, median | mean | decided by exact |", "|---" * 7 + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(cell(row) for cell in cells)} |" for row in found)])


def main() -> None:
    found = [design(flips, total) for total in (None, 600, 1400, 3000) for flips in FLIPS]
    print(table(found))
    OUT.mkdir(parents=True, exist_ok=True)
    content = {"margin_points": 100 * MARGIN, "alpha": ALPHA, "power": POWER, "orders": ORDERS, "seed": SEED}
    rows = [asdict(row) for row in found]
    (OUT / "exact.json").write_text(json.dumps({**content, "designs": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
