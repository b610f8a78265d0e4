"""Recorded verdicts of a scheme and its baseline -> whether it stays within a margin, and what it took to know.

What was lost is estimated by verdicts and by probabilities, which `paired_losses` keeps apart. One of them is
claimed and decides when to stop. The other is reported too.

Pairs are walked in the order of `sampling.order` as far as both runs have judged them, whole blocks at a time, and
`sequential_test` decides. The answer is about the labelled pairs of these benchmarks, each counting by its votes. The
5 % are of each scheme: who tests a ladder from the widest scheme down and stops at the first that fails keeps them for
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

    def of(self, claim: Claim) -> float | None:
        return self.by_probabilities if claim == "probabilities" else self.by_verdicts


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

    def of(self, claim: Claim) -> Figure:
        return self.by_probabilities if claim == "probabilities" else self.by_verdicts

    @property
    def claimed(self) -> Figure:
        return self.of(self.claim)

    @property
    def other_claim(self) -> Claim:
        return "verdicts" if self.claim == "probabilities" else "probabilities"


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
    losses = {Unit(part.benchmark.name, pair): loss for part in parts for pair, loss in differences(part).items()}
    used = _judged(blocks, losses, max_pairs)
    population = _Population(parts, blocks, losses)
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
    """All labelled pairs in their dealt order, with the losses on those that were judged."""

    def __init__(self, parts: Sequence[Part], blocks: Sequence[Block], losses: Mapping[Unit, Difference]) -> None:
        self._parts, self._losses = parts, losses
        self._units = [unit for block in blocks for unit in block]
        self.ends = np.cumsum([len(block) for block in blocks])
        votes = {Unit(p.benchmark.name, pair.id): len(pair.labels) for p in parts for pair in p.benchmark.pairs}
        self._votes = np.array([votes[unit] for unit in self._units], np.float64)

    def walk(self, blocks: int, claim: Claim) -> Observations | None:
        """What the pairs of the first blocks lost, each counting by its votes; None where one is undefined."""
        ends = self.ends[:blocks]
        losses = [self._losses[unit].of(claim) for unit in self._units[: ends[-1]]]
        if None in losses:
            return None
        values = np.array(losses, np.float64)
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
        places = [place for place, unit in enumerate(self._units) if unit in self._losses]
        means = {claim: self._mean(places, claim) for claim in CLAIMS}
        value = means[claim]
        outcome: Outcome | None = None
        if value is not None and len(places) == len(self._units):
            outcome = "within" if value <= margin + 100 * sequential_test.ROUNDING else "worse"
        return Judged(means["probabilities"], means["verdicts"], len(places), outcome)

    def _mean(self, places: Sequence[int], claim: Claim) -> float | None:
        votes = [float(self._votes[place]) for place in places]
        losses = [self._losses[self._units[place]].of(claim) for place in places]
        weighted = [loss * count for loss, count in zip(losses, votes, strict=True) if loss is not None]
        return 100 * sum(weighted) / sum(votes) if weighted and None not in losses else None


def _judged(blocks: Sequence[Block], losses: Mapping[Unit, Difference], max_pairs: int | None) -> int:
    """How many blocks from the first on are judged whole, and within the budget."""
    pairs = 0
    for count, block in enumerate(blocks):
        pairs += len(block)
        if (max_pairs is not None and pairs > max_pairs) or not all(unit in losses for unit in block):
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
        judges = {f"{run.identity.model} {run.identity.scheme} {run.identity.grammar}" for run in runs}
        if len(judges) > 1 or len({run.run.settings.get("gguf_sha256") for run in runs}) > 1:
            named = " and ".join(sorted(judges))
            raise RunError(f"runs of several files or protocols as one: {named}", "decide for each by itself")
