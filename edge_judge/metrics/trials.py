"""Verdicts as aligned arrays, so that every figure is a few array operations.

A *row* is a verdict. A *trial* is a verdict and one human vote on its pair: a pair with four votes, judged in
both orders, makes eight trials; a pair nobody judged makes none.

Knows: benchmarks and verdicts.
Does not know: what is computed from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_judge.errors import DataError, RunError
from edge_judge.records import LABELS, ORDERS, Benchmark, Order, Pair, Verdict

if TYPE_CHECKING:
    from edge_judge.metrics.intervals import Codes, Flags, Numbers

A, B, TIE, NONE = 0, 1, 2, 3  # codes of a verdict; the first three are also columns of p
CODES = {label: code for code, label in enumerate(LABELS)}


@dataclass(frozen=True, slots=True)
class Trials:
    """Rows sorted by the pair's place in the benchmark, then by order ("ab" first), whatever order they came
    in.

    pair, reverse, verdict, cluster, mass, truncated: shape (rows,); p: (rows, 3), nan in all three where there is
    none. reverse is 1 for the order "ba"; cluster counts from 0 in steps of 1; groups is the number of
    clusters. votes: every pair's votes one after the other; those of pair i are
    votes[first_vote[i]:first_vote[i + 1]]. seen: in the same places, 1 where a vote saw the order "ba".
    """

    pair: Codes
    reverse: Codes
    verdict: Codes
    p: Numbers
    mass: Numbers
    cluster: Codes
    groups: int
    truncated: Flags
    votes: Codes
    seen: Codes
    first_vote: Codes

    def trials(self, rows: Codes) -> tuple[Codes, Codes]:
        """Every vote on the pairs of these rows: the place in `rows` it belongs to, and its label's code."""
        place, vote = self._votes_on(rows)
        return place, self.votes[vote]

    def given(self) -> tuple[Codes, Codes]:
        """Every vote that a verdict in the order it saw can be held to: that verdict's row, and its label's code."""
        import numpy as np

        row, vote = self._votes_on(np.arange(len(self.pair)))
        same = self.reverse[row] == self.seen[vote]
        return row[same], self.votes[vote[same]]

    def _votes_on(self, rows: Codes) -> tuple[Codes, Codes]:
        """Every vote on the pairs of these rows: the place in `rows` it belongs to, and its own in `votes`."""
        import numpy as np

        pair = self.pair[rows]
        start = self.first_vote[pair]
        counts = self.first_vote[pair + 1] - start
        place = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        return place, start[place] + within

    def twice(self) -> tuple[Codes, Codes]:
        """The rows of pairs judged in both orders: those of "ab", and in the same places those of "ba"."""
        import numpy as np

        first = np.flatnonzero(self.pair[1:] == self.pair[:-1])  # sorted, so the two orders are neighbours
        return first, first + 1

    def with_p(self) -> Flags:
        """Which rows have probabilities."""
        import numpy as np

        return ~np.isnan(self.p[:, 0])


def align(benchmark: Benchmark, verdicts: Iterable[Verdict]) -> Trials:
    """Aligns verdicts with the benchmark's pairs.

    Raises RunError where a verdict is on no pair of the benchmark or is given twice, and DataError where two
    pairs share an id: either would count something twice or not at all.
    """
    import numpy as np

    ordered = _in_order(benchmark, verdicts)
    places = np.array([place for place, _ in ordered], np.int64)
    rows = [verdict for _, verdict in ordered]
    missing, unknown = (float("nan"),) * 3, float("nan")
    probabilities = [
        missing if row.p is None else tuple(row.p.get(label, 0.0) for label in LABELS) for row in rows
    ]
    clusters: dict[str, int] = {}
    codes = [clusters.setdefault(benchmark.pairs[place].cluster, len(clusters)) for place in places]
    counts = [len(pair.labels) for pair in benchmark.pairs]
    return Trials(
        pair=places,
        reverse=np.array([row.order == "ba" for row in rows], np.int64),
        verdict=np.array([NONE if row.verdict is None else CODES[row.verdict] for row in rows], np.int64),
        p=np.array(probabilities, np.float64).reshape(-1, 3),
        mass=np.array([unknown if row.mass is None else row.mass for row in rows], np.float64),
        cluster=np.array(codes, np.int64),
        groups=len(clusters),
        truncated=np.array([row.truncated for row in rows], np.bool_),
        votes=np.array([CODES[label] for pair in benchmark.pairs for label in pair.labels], np.int64),
        seen=np.array([order == "ba" for pair in benchmark.pairs for order in _vote_orders(pair)], np.int64),
        first_vote=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)]),
    )


def _vote_orders(pair: Pair) -> tuple[Order, ...]:
    """The order in which each vote on the pair saw the answers."""
    orders = pair.given or ORDERS[:1] * len(pair.labels)
    if len(orders) != len(pair.labels):  # every later vote would be held to another's order
        raise DataError(f"pair {pair.id!r}: {len(pair.labels)} votes, {len(orders)} orders in which they saw it")
    return orders


def _in_order(benchmark: Benchmark, verdicts: Iterable[Verdict]) -> list[tuple[int, Verdict]]:
    """The verdicts with their pair's place, sorted by it and by order."""
    places = {pair.id: place for place, pair in enumerate(benchmark.pairs)}
    if len(places) != len(benchmark.pairs):
        raise DataError(
            f"{benchmark.name}: two pairs have the same id", hint="give every pair an id of its own"
        )
    seen: dict[tuple[int, Order], Verdict] = {}
    for verdict in verdicts:
        place = places.get(verdict.id)
        if place is None:
            raise RunError(
                f"{benchmark.name}: a verdict on pair {verdict.id!r}, which the benchmark does not have"
            )
        if (place, verdict.order) in seen:
            raise RunError(
                f"{benchmark.name}: two verdicts on pair {verdict.id!r} in the order {verdict.order}"
            )
        seen[place, verdict.order] = verdict
    keys = sorted(seen, key=lambda key: (key[0], ORDERS.index(key[1])))
    return [(key[0], seen[key]) for key in keys]
