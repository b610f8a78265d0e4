"""What each pair shows of two runs: the accuracy that the one lost against the other on it.

It is taken in two ways:

    by verdicts         right under the baseline less right under the scheme, a missing verdict being wrong
    by probabilities    the probability of the human label under the baseline less that under the scheme

each a mean over the orders judged and the votes on the pair. Their means over a benchmark are different things: the
accuracy of the verdicts as given, and the accuracy to be expected were verdicts drawn from the probabilities. The
second scatters far less, and nobody uses it: decisions are about the first.

Knows: two runs on one benchmark. Does not know: how many pairs it takes to believe what they show.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
import pandas as pd

from edge_judge.metrics.intervals import Numbers, ratio
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.trials import Frame, codes, flags, probabilities
from edge_judge.records import ORDERS, Benchmark, Order
from edge_judge.settings import same_conditions


@dataclass(frozen=True, slots=True)
class Part:
    """The verdicts of the scheme and of the baseline on one benchmark, as far as there are any."""

    run: RecordedRun
    baseline: RecordedRun

    @property
    def benchmark(self) -> Benchmark:
        return self.run.benchmark


@dataclass(frozen=True, slots=True)
class Difference:
    """Accuracy lost on a pair, in [-1, 1]; None where a verdict has no probabilities. verdicts: of the scheme."""

    by_verdicts: float
    by_probabilities: float | None
    verdicts: int


def differences(part: Part) -> dict[str, Difference]:
    """By the pair's id, for every labelled pair that both runs judged in all orders that both were to judge.

    Raises RunError where the runs differ in anything that decides a verdict but the weights.
    """
    same_conditions(part.run.run, part.baseline.run)
    judged_orders = orders(part)
    ours, theirs = (_by_pair(side, judged_orders) for side in (part.run, part.baseline))
    places = ours.index.intersection(theirs.index)
    lost = theirs.loc[places] - ours.loc[places]
    return {
        part.benchmark.pairs[place].id: Difference(verdicts, _defined(probable), len(judged_orders))
        for place, verdicts, probable in zip(lost.index, lost["verdicts"], lost["probabilities"], strict=True)
    }


def orders(part: Part) -> frozenset[Order]:
    """The orders that both runs were to judge: as their settings say, else as they did."""
    common = frozenset(ORDERS)
    for run in (part.run, part.baseline):
        setting = run.run.settings.get("order")
        if setting == "given":
            common &= {ORDERS[0]}
        elif setting != "both" and run.run.verdicts:
            common &= {verdict.order for verdict in run.run.verdicts}
    return common


def _by_pair(run: RecordedRun, judged_orders: frozenset[Order]) -> Frame:
    """How right a run is on each labelled pair that it judged in all these orders, over orders and votes, in both
    ways; nan by probabilities where one is missing. The index is the pair's place.
    """
    trials = run.trials[run.trials["order"].isin([ORDERS.index(order) for order in judged_orders])]
    complete = trials.groupby("pair")["order"].nunique() == len(judged_orders)
    place = complete.index.get_indexer(pd.Index(trials["pair"]))
    votes = np.bincount(place, minlength=len(complete)).astype(np.float64)

    def mean(values: Numbers) -> Numbers:
        sums = np.bincount(place, values, len(complete))  # in the order of the rows, so the same everywhere
        return ratio(sums.astype(np.float64), votes)

    p = probabilities(trials)[np.arange(len(trials)), codes(trials, "label")]
    right = {"verdicts": mean(flags(trials, "right").astype(np.float64)), "probabilities": mean(p)}
    return pd.DataFrame(right, index=complete.index)[complete]


def _defined(value: float) -> float | None:
    return float(value) if isfinite(value) else None
