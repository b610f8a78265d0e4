"""What each pair shows of two runs: the accuracy that the one lost against the other on it.

It is taken in two ways that are kept apart:

    by verdicts         right under the baseline less right under the scheme, a missing verdict being wrong
    by probabilities    the probability of the human label under the baseline less that under the scheme

each a mean over the orders judged and the votes on the pair. Their means over a benchmark are different things: the
accuracy of the verdicts as given, and the accuracy to be expected were verdicts drawn from the probabilities. The
second scatters far less.

Knows: two runs on one benchmark. Does not know: how many pairs it takes to believe what they show.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal, TypeAlias

from edge_judge.errors import RunError
from edge_judge.metrics.trials import Trials, align
from edge_judge.records import ORDERS, Benchmark, Order, Run
from edge_judge.settings import same_conditions

if TYPE_CHECKING:
    from edge_judge.metrics.intervals import Numbers

Claim: TypeAlias = Literal["probabilities", "verdicts"]
CLAIMS: tuple[Claim, ...] = ("probabilities", "verdicts")


@dataclass(frozen=True, slots=True)
class Part:
    """One benchmark, and the verdicts of the scheme and of the baseline on it, as far as there are any."""

    benchmark: Benchmark
    run: Run
    baseline: Run


@dataclass(frozen=True, slots=True)
class Difference:
    """Accuracy lost on a pair, in [-1, 1]; None where a verdict has no probabilities. verdicts: of the scheme."""

    by_verdicts: float
    by_probabilities: float | None
    verdicts: int

    def of(self, claim: Claim) -> float | None:
        return self.by_verdicts if claim == "verdicts" else self.by_probabilities


def differences(part: Part) -> dict[str, Difference]:
    """By the pair's id, for every labelled pair that both runs judged in all orders that both were to judge.

    Raises RunError where the runs differ in anything that decides a verdict but the weights, or are not on this
    benchmark.
    """
    same_conditions(part.run, part.baseline)
    for run in (part.run, part.baseline):
        if run.identity.benchmark != part.benchmark.name:
            raise RunError(f"a run on {run.identity.benchmark} is none on {part.benchmark.name}")
    wanted = orders(part)
    complete = _complete(part.run, wanted) & _complete(part.baseline, wanted)
    ours, theirs = (
        align(part.benchmark, (v for v in run.verdicts if v.id in complete and v.order in wanted))
        for run in (part.run, part.baseline)
    )
    lost = {claim: _by_pair(theirs, claim) - _by_pair(ours, claim) for claim in CLAIMS}
    return {
        pair.id: Difference(float(lost["verdicts"][place]), _defined(lost["probabilities"][place]), len(wanted))
        for place, pair in enumerate(part.benchmark.pairs)
        if pair.id in complete and pair.labels
    }


def orders(part: Part) -> frozenset[Order]:
    """The orders that both runs were to judge: as their settings say, else as they did."""
    wanted = frozenset(ORDERS)
    for run in (part.run, part.baseline):
        asked = run.settings.get("order")
        if asked == "given":
            wanted &= {ORDERS[0]}
        elif asked != "both" and run.verdicts:
            wanted &= {verdict.order for verdict in run.verdicts}
    return wanted


def _by_pair(table: Trials, claim: Claim) -> Numbers:
    """How right a run is on each pair of the benchmark, over its rows and votes; nan where that is undefined."""
    import numpy as np

    from edge_judge.metrics.intervals import ratio

    place, label = table.trials(np.arange(len(table.pair)))
    right = table.p[place, label] if claim == "probabilities" else (table.verdict[place] == label).astype(np.float64)
    pair, pairs = table.pair[place], len(table.first_vote) - 1
    ones = np.ones(len(pair))
    sums, counts = (np.bincount(pair, weights, pairs).astype(np.float64) for weights in (right, ones))
    return ratio(sums, counts)


def _complete(run: Run, wanted: frozenset[Order]) -> set[str]:
    """The pairs judged in all these orders."""
    seen: dict[str, set[Order]] = defaultdict(set)
    for verdict in run.verdicts:
        seen[verdict.id].add(verdict.order)
    return {name for name, orders in seen.items() if wanted and wanted <= orders}


def _defined(value: float) -> float | None:
    return float(value) if isfinite(value) else None
