"""A benchmark and verdicts on it -> the two tables that every figure is computed from, as numpy arrays.

A *row* is a verdict. A *trial* is a verdict and one human vote on its pair: a pair with four votes, judged in
both orders, makes eight trials; a pair nobody judged makes none. `trials.py` makes data frames of these arrays. Scoring
takes the arrays alone, so that judging does not wait for pandas.

Knows: benchmarks and verdicts.
Does not know: what is computed from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edge_judge.errors import DataError, RunError
from edge_judge.metrics.intervals import Codes, Flags, Numbers
from edge_judge.records import LABELS, ORDERS, Benchmark, Order, Pair, Verdict

A, B, TIE, NONE = 0, 1, 2, 3  # codes of a verdict; the first three are also columns of p
LEFT = 1e-3  # probability that rounding may leave over
CODES = {label: code for code, label in enumerate(LABELS)}


@dataclass(frozen=True, slots=True)
class Alignment:
    """Rows sorted by the pair's place in the benchmark, then by order ("ab" first), whatever order they came
    in; trials in the order of their rows, then of the votes on the pair.

    benchmark: the one that was aligned with. pair (its place there), reverse, verdict, cluster, mass, truncated: shape
    (rows,); p: (rows, 3), nan in all three where there is none. reverse is 1 for the order "ba"; cluster counts from
    0 in steps of 1. row, vote, label, in_order: shape (trials,): the verdict's row,
    the vote's number among those on its pair, its label's code, and whether it saw the answers in the verdict's order.
    """

    benchmark: Benchmark
    pair: Codes
    reverse: Codes
    verdict: Codes
    p: Numbers
    mass: Numbers
    cluster: Codes
    truncated: Flags
    row: Codes
    vote: Codes
    label: Codes
    in_order: Flags

    def both_orders(self) -> tuple[Codes, Codes]:
        """The rows of pairs judged in both orders: those of "ab", and in the same places those of "ba"."""
        first = np.flatnonzero(self.pair[1:] == self.pair[:-1])  # sorted, so the two orders are neighbours
        return first, first + 1

    def with_p(self) -> Flags:
        """Which rows have probabilities."""
        return ~np.isnan(self.p[:, 0])

    def trials_on(self, rows: Codes) -> tuple[Codes, Codes]:
        """The trials of these rows, which rise, and the place in `rows` that each belongs to."""
        trials = np.flatnonzero(np.isin(self.row, rows))
        return trials, np.searchsorted(rows, self.row[trials])


def align(benchmark: Benchmark, verdicts: Iterable[Verdict]) -> Alignment:
    """Aligns verdicts with the benchmark's pairs.

    Raises RunError where a verdict is on no pair of the benchmark or is given twice, and DataError where two
    pairs share an id: either would count something twice or not at all.
    """
    ordered = _in_order(benchmark, verdicts)
    places = [place for place, _ in ordered]
    rows = [verdict for _, verdict in ordered]
    clusters: dict[str, int] = {}
    codes = [clusters.setdefault(benchmark.pairs[place].cluster, len(clusters)) for place in places]
    votes = [tuple(zip(pair.labels, _vote_orders(pair), strict=True)) for pair in benchmark.pairs]
    trials = [(row, number, *vote) for row, place in enumerate(places) for number, vote in enumerate(votes[place])]
    return Alignment(
        benchmark=benchmark,
        pair=np.array(places, np.int64),
        reverse=np.array([row.order == "ba" for row in rows], np.int64),
        verdict=np.array([NONE if row.verdict is None else CODES[row.verdict] for row in rows], np.int64),
        p=np.array([_probabilities(row) for row in rows], np.float64).reshape(-1, 3),
        mass=np.array([np.nan if row.mass is None else row.mass for row in rows], np.float64),
        cluster=np.array(codes, np.int64),
        truncated=np.array([row.truncated for row in rows], np.bool_),
        row=np.array([row for row, _, _, _ in trials], np.int64),
        vote=np.array([number for _, number, _, _ in trials], np.int64),
        label=np.array([CODES[label] for _, _, label, _ in trials], np.int64),
        in_order=np.array([rows[row].order == order for row, _, _, order in trials], np.bool_),
    )


def most_probable(p: Numbers) -> Codes:
    """The label of the greatest probability in each row, a tie where several are greatest. p: shape (n, 3)."""
    if not len(p):
        return np.empty(0, np.int64)
    single = (p == p.max(axis=1, keepdims=True)).sum(axis=1) == 1
    return np.where(single, p.argmax(axis=1), TIE)


def _probabilities(verdict: Verdict) -> tuple[float, ...]:
    """In the order of LABELS. A label without a probability has 0 where the others leave it nothing, as one does that
    is not legal; where they leave it something nobody knows how much is its own, and all are undefined.
    """
    if verdict.p is None or (len(verdict.p) < len(LABELS) and sum(verdict.p.values()) < 1 - LEFT):
        return (np.nan,) * len(LABELS)
    return tuple(verdict.p.get(label, 0.0) for label in LABELS)


def _vote_orders(pair: Pair) -> tuple[Order, ...]:
    """The order in which each vote on the pair saw the answers."""
    orders = pair.given or ORDERS[:1] * len(pair.labels)
    if len(orders) != len(pair.labels):  # every later vote would be compared in another's order
        raise DataError(f"pair {pair.id!r}: {len(pair.labels)} votes, {len(orders)} orders in which they saw it")
    return orders


def _in_order(benchmark: Benchmark, verdicts: Iterable[Verdict]) -> list[tuple[int, Verdict]]:
    """The verdicts with their pair's place, sorted by it and by order."""
    places = {pair.id: place for place, pair in enumerate(benchmark.pairs)}
    if len(places) != len(benchmark.pairs):
        raise DataError(f"{benchmark.name}: two pairs have the same id", "give every pair a unique id")
    by_key: dict[tuple[int, Order], Verdict] = {}
    for verdict in verdicts:
        place = places.get(verdict.id)
        if place is None:
            raise RunError(f"{benchmark.name}: a verdict on pair {verdict.id!r}, which is not in the benchmark")
        if (place, verdict.order) in by_key:
            raise RunError(f"{benchmark.name}: two verdicts on pair {verdict.id!r} in the order {verdict.order}")
        by_key[place, verdict.order] = verdict
    return [(place, by_key[place, order]) for place, order in sorted(by_key)]
