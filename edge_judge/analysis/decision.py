"""Recorded verdicts of a scheme and its baseline -> whether it stays within a margin, and what it took to know.

What was lost is estimated by verdicts and by probabilities, which `differences` keeps apart. One of them is claimed and
decides when to stop. The other is told beside it.

Pairs are walked in the order of `sampling.order` as far as both runs have judged them, whole blocks at a time, and
`sequential` decides. The answer is about the labelled pairs of these benchmarks, each counting by its votes. The 5 %
are of each scheme: who tests a ladder from the widest scheme down and stops at the first that fails keeps them for
the ladder as a whole (a fixed sequence: Maurer, Hothorn & Lehmacher 1995).

Knows: two runs on the same benchmarks. Does not know: files, how runs are made, what is printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from edge_judge.analysis import sampling, sequential_test
from edge_judge.analysis.paired_losses import CLAIMS, Claim, Difference, Part, differences, orders
from edge_judge.analysis.sampling import Block, Unit
from edge_judge.analysis.sequential_test import Observations, Outcome
from edge_judge.errors import RunError, UsageError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Figure


@dataclass(frozen=True, slots=True)
class SchemeFile:
    """The scheme, or the baseline. bytes: of the GGUF."""

    model: str
    scheme: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What all pairs that both runs judged show, in points lost; nothing is left out, so there is no interval.

    pairs: how many these are; where they are all that there are, `outcome` is certain, else None.
    """

    by_probabilities: float | None
    by_verdicts: float | None
    pairs: int
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a scheme is within `margin` points of its baseline, by the claimed estimate.

    by_probabilities, by_verdicts: points of accuracy lost (negative where gained) over the pairs used, with an interval
    that holds wherever one stops; without a value where nothing was judged or probabilities are missing. blocks: of
    `sampling.order` that were used, so the next one to judge is blocks[decision.blocks]. pairs, verdicts: used (of the
    scheme), of so many in all. more: about how many further pairs it would take, where undecided.
    """

    run: SchemeFile
    baseline: SchemeFile
    benchmarks: tuple[str, ...]
    margin: float
    claim: Claim
    outcome: Outcome
    by_probabilities: Figure
    by_verdicts: Figure
    blocks: int
    pairs: int
    pairs_total: int
    verdicts: int
    verdicts_total: int
    more: int | None
    full: Judged

    @property
    def claimed(self) -> Figure:
        return self.by_probabilities if self.claim == "probabilities" else self.by_verdicts


def decide_scheme(
    parts: Sequence[Part],
    margin: float,
    *,
    claim: Claim = "probabilities",
    seed: int = 0,
    max_pairs: int | None = None,
) -> Decision:
    """The decision at the first block that allows one, or at the last that both runs have judged.

    margin: points of accuracy that may be lost, at least 0. max_pairs: no block that goes beyond is looked at.

    Raises UsageError for a margin or a budget that is none, RunError where parts are not of one scheme and one
    baseline or under other conditions, and where probabilities are claimed that verdicts do not have; DataError
    where no pair has a label.
    """
    _check(parts, margin, max_pairs)
    blocks = sampling.order([part.benchmark for part in parts], seed)
    known = {
        Unit(part.benchmark.name, name): found for part in parts for name, found in differences(part).items()
    }
    used = _judged(blocks, known, max_pairs)
    population = _Population(parts, blocks, known)
    outcome: Outcome = "undecided"
    more = None
    if used:
        walk = population.walk(used, claim)
        if walk is None:
            raise RunError(
                f"{parts[0].run.identity.scheme}: verdicts without probabilities",
                hint="decide by the verdicts as given: --by verdicts",
            )
        outcome, used = sequential_test.first_decision(walk, margin / 100)
        if outcome == "undecided":
            more = sequential_test.more(walk, margin / 100, population.ends[used:], seed)
    return population.decision(margin, claim, outcome, used, more)


class _Population:
    """All labelled pairs in their dealt order, with what is known of them."""

    def __init__(self, parts: Sequence[Part], blocks: Sequence[Block], known: Mapping[Unit, Difference]) -> None:
        self._parts, self._known = parts, known
        self._units = [unit for block in blocks for unit in block]
        self.ends = np.cumsum([len(block) for block in blocks])
        votes = {Unit(p.benchmark.name, pair.id): len(pair.labels) for p in parts for pair in p.benchmark.pairs}
        self._votes = np.array([votes[unit] for unit in self._units], np.float64)

    def walk(self, blocks: int, claim: Claim) -> Observations | None:
        """What the pairs of the first blocks lost, each counting by its votes; None where one is undefined."""
        ends = self.ends[:blocks]
        found = [self._known[unit].of(claim) for unit in self._units[: ends[-1]]]
        values = np.array([np.nan if value is None else value for value in found])
        if np.isnan(values).any():
            return None
        weights = self._votes / self._votes.mean()
        return Observations(values * weights[: len(values)], ends, len(weights), float(weights.max()))

    def decision(self, margin: float, claim: Claim, outcome: Outcome, blocks: int, more: int | None) -> Decision:
        pairs = int(self.ends[blocks - 1]) if blocks else 0
        each = {part.benchmark.name: len(orders(part)) for part in self._parts}
        verdicts = [each[unit.benchmark] for unit in self._units]
        return Decision(
            run=_scheme_file([part.run for part in self._parts]),
            baseline=_scheme_file([part.baseline for part in self._parts]),
            benchmarks=tuple(each),
            margin=margin,
            claim=claim,
            outcome=outcome,
            by_probabilities=self._figure(blocks, "probabilities"),
            by_verdicts=self._figure(blocks, "verdicts"),
            blocks=blocks,
            pairs=pairs,
            pairs_total=len(self._units),
            verdicts=sum(verdicts[:pairs]),
            verdicts_total=sum(verdicts),
            more=more,
            full=self._full(margin, claim),
        )

    def _figure(self, blocks: int, claim: Claim) -> Figure:
        walk = self.walk(blocks, claim) if blocks else None
        if walk is None:
            return Figure(None)
        low, high = sequential_test.interval(walk)
        return Figure(100 * float(walk.values.mean()), 100 * low, 100 * high)

    def _full(self, margin: float, claim: Claim) -> Judged:
        places = [place for place, unit in enumerate(self._units) if unit in self._known]
        lost = {claim: self._mean(places, claim) for claim in CLAIMS}
        value = lost[claim]
        outcome: Outcome | None = None
        if value is not None and len(places) == len(self._units):
            outcome = "within" if value <= margin + 100 * sequential_test.ROUNDING else "worse"
        return Judged(lost["probabilities"], lost["verdicts"], len(places), outcome)

    def _mean(self, places: Sequence[int], claim: Claim) -> float | None:
        found = [(self._known[self._units[place]].of(claim), float(self._votes[place])) for place in places]
        values = [value * votes for value, votes in found if value is not None]
        if not values or len(values) < len(found):
            return None
        return 100 * sum(values) / sum(votes for _, votes in found)


def _judged(blocks: Sequence[Block], known: Mapping[Unit, Difference], max_pairs: int | None) -> int:
    """How many blocks from the first on are judged whole, and within the budget."""
    pairs = 0
    for count, block in enumerate(blocks):
        pairs += len(block)
        if (max_pairs is not None and pairs > max_pairs) or not all(unit in known for unit in block):
            return count
    return len(blocks)


def _scheme_file(runs: Sequence[RecordedRun]) -> SchemeFile:
    return SchemeFile(runs[0].identity.model, runs[0].identity.scheme, runs[0].run.bytes)


def _check(parts: Sequence[Part], margin: float, max_pairs: int | None) -> None:
    if not isfinite(margin) or margin < 0:
        raise UsageError(f"a margin of {margin} points", "say how many points may be lost, for example 2")
    if max_pairs is not None and max_pairs < 1:
        raise UsageError(f"a budget of {max_pairs} pairs", "allow at least one block, 32 pairs")
    if not parts:
        raise UsageError("no benchmark to decide on", "name at least one")
    for runs in ([part.run for part in parts], [part.baseline for part in parts]):
        same = {(run.identity.model, run.identity.scheme, run.identity.grammar): run for run in runs}
        if len(same) > 1 or len({run.run.settings.get("gguf_sha256") for run in runs}) > 1:
            named = " and ".join(sorted(" ".join(names) for names in same))
            raise RunError(f"runs of several files or protocols as one: {named}", "decide for each by itself")
