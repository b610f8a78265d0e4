"""Recorded verdicts of schemes and their baseline -> whether they stay within a margin, and what it took to know.

Accuracy is that of the verdicts as given. On each benchmark there are two statements, each with its own interval:

    own    the benchmark's own labelled pairs, each counting by its votes: what judging all of them shows
    new    new pairs like these: the mean over questions that could have come instead of these, each counting once

A scheme has to pass on every benchmark. Each is tested by itself at full level: to pass all of them by chance is no
likelier than to pass the one that it truly fails (an intersection-union test: Berger 1982, Technometrics 24:295-300).

**Own pairs** are walked in the order of `sampling.walk`, whole blocks at a time, as far as both runs have judged them.
`sequential_test` decides, drawing without replacement.

**New pairs.** The benchmark's questions (clusters of pairs) are taken for a sample of a population. In the same walk a
question speaks once: when the one pair comes up that `sampling.speakers` drew for it, with the mean loss of its pairs
seen so far. Which pairs these are depends on chance alone. So each question's value has the mean of the population
whatever the others were, and the order in which questions speak owes nothing to their size or loss. That is all that
the test needs, drawing with replacement.

**A ladder** is a fixed sequence from the widest scheme down, each at full level, ended by the first that fails
(Maurer, Hothorn & Lehmacher 1995, Biometrie in der chemisch-pharmazeutischen Industrie 6:3-18). The two kinds of
statement are two sequences: after a scheme that is not shown to agree on new pairs, no smaller one is said to.

Knows: runs on the same benchmarks. Does not know: files, how runs are made, what is printed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum, isfinite

import numpy as np

from edge_judge.analysis import sampling, sequential_test
from edge_judge.analysis.paired_losses import Part, differences, orders
from edge_judge.analysis.sampling import Block, Unit
from edge_judge.analysis.sequential_test import Observations, Outcome
from edge_judge.errors import RunError, UsageError
from edge_judge.metrics.intervals import Codes
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Figure

LEAST_AIM = 0.005  # bets cannot be made for a margin of nothing


@dataclass(frozen=True, slots=True)
class SchemeFile:
    """The scheme, or the baseline. bytes: of the GGUF."""

    model: str
    scheme: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What all pairs that both runs judged show, in points lost, also those that were not needed.

    pairs: how many these are. outcome: by verdicts, where they are all that there are, else None.
    """

    by_verdicts: float | None
    by_probabilities: float | None
    pairs: int
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class OnBenchmark:
    """What the pairs used of one benchmark show.

    own, new: the outcomes of the two statements. by_verdicts, new_pairs: points of accuracy lost (negative where
    gained), each with the interval of its statement, which holds wherever one stops; new_pairs counts every question
    once. by_probabilities: points that the mean probability of the human label lost, with an interval about the
    benchmark's own pairs; decides nothing. A figure without a value: nothing was judged, or without probabilities.
    blocks: of `sampling.walk` that were used, so the next to judge is blocks[blocks]. pairs, questions, verdicts: used
    (of the scheme), of so many in all; a question counts when it has spoken. settled: whether more pairs of this
    benchmark could change nothing that is asked. more: about how many further pairs `own` would take. needed: about how
    many pairs of this kind, these included, `new` would take; both None where decided or not to be told.
    """

    benchmark: str
    own: Outcome
    new: Outcome
    by_verdicts: Figure
    new_pairs: Figure
    by_probabilities: Figure
    blocks: int
    pairs: int
    pairs_total: int
    questions: int
    questions_total: int
    verdicts: int
    verdicts_total: int
    settled: bool
    more: int | None
    needed: int | None
    full: Judged


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a scheme is within `margin` points of its baseline, on each benchmark by itself.

    claims_new: whether its statement on new pairs counts; not where a wider scheme of the ladder failed. pooled: points
    lost over all benchmarks together, each counting by all its votes; None with one benchmark.
    """

    run: SchemeFile
    baseline: SchemeFile
    margin: float
    claims_new: bool
    parts: tuple[OnBenchmark, ...]
    pooled: float | None

    @property
    def outcome(self) -> Outcome:
        """On the benchmarks' own pairs: within if on each of them, worse if on one."""
        return _all(part.own for part in self.parts)

    @property
    def trusted(self) -> Outcome | None:
        """On new pairs; None where no statement is made."""
        return _all(part.new for part in self.parts) if self.claims_new else None

    @property
    def benchmarks(self) -> tuple[str, ...]:
        return tuple(part.benchmark for part in self.parts)

    @property
    def pairs(self) -> int:
        return sum(part.pairs for part in self.parts)

    @property
    def pairs_total(self) -> int:
        return sum(part.pairs_total for part in self.parts)

    @property
    def verdicts(self) -> int:
        return sum(part.verdicts for part in self.parts)

    @property
    def verdicts_total(self) -> int:
        return sum(part.verdicts_total for part in self.parts)


def decide_ladder(
    schemes: Sequence[Sequence[Part]], margin: float, *, seed: int = 0, stop: bool = False
) -> tuple[list[Decision], list[str]]:
    """The decisions on a ladder, the widest scheme first, and the schemes that are not looked at.

    schemes: the parts of each scheme. stop: as of `decide_scheme`; without it all pairs are used that both runs judged.
    The ladder ends at the first scheme that is not shown to agree on the benchmarks' own pairs, unless all their pairs
    were judged: what they show is then certain, and needs no protection from many looks.

    Raises what `decide_scheme` raises.
    """
    ladder = sorted(schemes, key=lambda parts: parts[0].run.run.bytes, reverse=True)
    decisions: list[Decision] = []
    for parts in ladder:
        decisions.append(decide_scheme(parts, margin, seed=seed, stop=stop, claims_new=passed(decisions)))
        if decisions[-1].outcome != "within" and decisions[-1].pairs < decisions[-1].pairs_total:
            break
    return decisions, [parts[0].run.identity.scheme for parts in ladder[len(decisions) :]]


def passed(decisions: Sequence[Decision]) -> bool:
    """Whether the next scheme of a ladder may be said to agree on new pairs: all before it were."""
    return all(decision.trusted == "within" for decision in decisions)


def decide_scheme(
    parts: Sequence[Part],
    margin: float,
    *,
    seed: int = 0,
    max_pairs: int | None = None,
    claims_new: bool = True,
    stop: bool = True,
) -> Decision:
    """The decision on each benchmark at the first block that settles it, or at the last that both runs have judged.

    parts: of one scheme, a benchmark each. margin: points of accuracy that may be lost, at least 0. max_pairs: no block
    that goes beyond is looked at, see `allowed`. claims_new: whether the statement on new pairs is asked for; pairs are
    used for it as long as it could still be made. stop: False to use all that is judged.

    Raises UsageError for a margin or a budget that is none, RunError where parts are not of one scheme and one
    baseline or under other conditions; DataError where no pair has a label.
    """
    _check(parts, margin, max_pairs)
    walks = [_Walk(part, margin, seed) for part in parts]
    most = allowed([walk.blocks for walk in walks], max_pairs)
    found = []
    for walk, limit in zip(walks, most, strict=True):
        judged = min(limit, walk.judged)
        used = next((n for n in range(1, judged + 1) if stop and walk.settled(n, claims_new)), judged)
        found.append(walk.on_benchmark(used, claims_new, seed))
    return Decision(
        run=_scheme_file([part.run for part in parts]),
        baseline=_scheme_file([part.baseline for part in parts]),
        margin=margin,
        claims_new=claims_new,
        parts=tuple(found),
        pooled=_pooled(found, [walk.votes for walk in walks]),
    )


def allowed(blocks: Sequence[Sequence[Block]], max_pairs: int | None) -> list[int]:
    """How many blocks of each benchmark may be used: benchmarks take turns until a block would go beyond the budget."""
    if max_pairs is None:
        return [len(one) for one in blocks]
    counts, pairs = [0] * len(blocks), 0
    for turn in range(max(map(len, blocks))):
        for place, one in enumerate(blocks):
            if turn < len(one):
                pairs += len(one[turn])
                if pairs > max_pairs:
                    return counts
                counts[place] += 1
    return counts


class _Walk:
    """The labelled pairs of a benchmark in the order drawn, with the losses on those that were judged."""

    def __init__(self, part: Part, margin: float, seed: int) -> None:
        self._part, self._margin = part, margin / 100
        self.blocks = sampling.walk(part.benchmark, seed)
        self._units = [unit for block in self.blocks for unit in block]
        self._ends = np.cumsum([len(block) for block in self.blocks])
        self._losses = {Unit(part.benchmark.name, pair): loss for pair, loss in differences(part).items()}
        counts = {pair.id: len(pair.labels) for pair in part.benchmark.pairs}
        self._votes = [counts[unit.id] for unit in self._units]
        self._speakers = sampling.speakers(part.benchmark, seed)
        self._speaking = np.cumsum([unit in self._speakers for unit in self._units])  # how many have, after each pair
        self.judged = _judged(self.blocks, self._losses.keys())

    @property
    def votes(self) -> int:
        return sum(self._votes)

    @property
    def _mean_votes(self) -> float:
        return self.votes / len(self._votes)

    def own(self, blocks: int) -> Observations:
        """What the pairs of the first blocks lost, in votes."""
        ends = self._ends[:blocks]
        lost = [self._losses[unit].by_verdicts for unit in self._units[: ends[-1]]]
        return self._weighted(lost, ends)

    def _weighted(self, lost: Sequence[float], ends: Codes) -> Observations:
        values = np.array([loss * votes for loss, votes in zip(lost, self._votes, strict=False)], np.float64)
        aim = max(self._margin, LEAST_AIM) * self._mean_votes
        return Observations(values, ends, len(self._units), float(max(self._votes)), aim)

    def new(self, blocks: int) -> Observations | None:
        """What the questions that spoke in the first blocks lost; None where none did."""
        ends = np.unique(self._spoken[:blocks])
        ends = ends[ends > 0]
        if not len(ends):
            return None
        values = np.array(self._said[: ends[-1]], np.float64)
        return Observations(values, ends, None, 1.0, max(self._margin, LEAST_AIM))

    @property
    def _spoken(self) -> Codes:
        """How many questions have spoken after each block."""
        spoken: Codes = self._speaking[self._ends - 1]
        return spoken

    @cached_property
    def _said(self) -> list[float]:
        """The losses of the questions, in the order in which they speak."""
        clusters = {pair.id: pair.cluster for pair in self._part.benchmark.pairs}
        seen: defaultdict[str, list[float]] = defaultdict(list)
        said = []
        for unit in self._units[: int(self._ends[self.judged - 1]) if self.judged else 0]:
            losses = seen[clusters[unit.id]]
            losses.append(self._losses[unit].by_verdicts)
            if unit in self._speakers:
                said.append(fsum(losses) / len(losses))
        return said

    @cached_property
    def _own_outcomes(self) -> list[Outcome]:
        return sequential_test.outcomes(self.own(self.judged), self._margin * self._mean_votes)

    @cached_property
    def _new_outcomes(self) -> dict[int, Outcome]:
        """By how many questions have spoken."""
        walk = self.new(self.judged)
        if walk is None:
            return {}
        return dict(zip(walk.ends.tolist(), sequential_test.outcomes(walk, self._margin), strict=True))

    def outcomes(self, blocks: int) -> tuple[Outcome, Outcome]:
        """Of the two statements, after so many judged blocks."""
        if not blocks:
            return "undecided", "undecided"
        return self._own_outcomes[blocks - 1], self._new_outcomes.get(int(self._spoken[blocks - 1]), "undecided")

    def settled(self, blocks: int, claims_new: bool) -> bool:
        """Whether more pairs could change nothing that is asked: the own pairs are decided, and new ones are too, or
        the benchmark is too small to show that new ones agree, were nothing more lost.
        """
        own, new = self.outcomes(blocks)
        if own != "within" or not claims_new or new != "undecided":
            return own != "undecided"
        walk = self.new(blocks)
        left = len(self._speakers) - int(self._spoken[blocks - 1])
        return left == 0 or (walk is not None and not sequential_test.could_be_within(walk, self._margin, left))

    def on_benchmark(self, blocks: int, claims_new: bool, seed: int) -> OnBenchmark:
        pairs = int(self._ends[blocks - 1]) if blocks else 0
        own, new = self.outcomes(blocks)
        each = len(orders(self._part))
        walk = self.new(blocks) if blocks else None
        return OnBenchmark(
            benchmark=self._part.benchmark.name,
            own=own,
            new=new,
            by_verdicts=_figure(self.own(blocks), self._mean_votes) if blocks else Figure(None),
            new_pairs=_figure(walk, 1.0) if walk else Figure(None),
            by_probabilities=self._by_probabilities(blocks),
            blocks=blocks,
            pairs=pairs,
            pairs_total=len(self._units),
            questions=int(self._spoken[blocks - 1]) if blocks else 0,
            questions_total=len(self._speakers),
            verdicts=pairs * each,
            verdicts_total=len(self._units) * each,
            settled=bool(blocks) and self.settled(blocks, claims_new),
            more=self._more(blocks, seed) if blocks and own == "undecided" else None,
            needed=self._needed(walk, seed) if walk and new == "undecided" else None,
            full=self._full(),
        )

    def _by_probabilities(self, blocks: int) -> Figure:
        """What the pairs of the first blocks lost of the mean probability of the human label."""
        if not blocks:
            return Figure(None)
        ends = self._ends[:blocks]
        lost = [self._losses[unit].by_probabilities for unit in self._units[: ends[-1]]]
        known = [loss for loss in lost if loss is not None]
        return _figure(self._weighted(known, ends), self._mean_votes) if len(known) == len(lost) else Figure(None)

    def _more(self, blocks: int, seed: int) -> int | None:
        return sequential_test.more(self.own(blocks), self._margin * self._mean_votes, self._ends[blocks:], seed)

    def _needed(self, walk: Observations, seed: int) -> int | None:
        """Questions are taken to have as many pairs as here."""
        n = walk.values.shape[-1]
        ends = np.unique(np.geomspace(n + 1, max(sequential_test.HORIZON, 2 * n), 200).astype(np.int64))
        further = sequential_test.more(walk, self._margin, ends, seed)
        return None if further is None else round((n + further) * len(self._units) / len(self._speakers))

    def _full(self) -> Judged:
        places = [place for place, unit in enumerate(self._units) if unit in self._losses]
        losses = [self._losses[self._units[place]] for place in places]
        by_verdicts = self._mean(places, [loss.by_verdicts for loss in losses])
        outcome: Outcome | None = None
        if by_verdicts is not None and len(places) == len(self._units):
            outcome = "within" if by_verdicts <= 100 * (self._margin + sequential_test.ROUNDING) else "worse"
        return Judged(by_verdicts, self._mean(places, [one.by_probabilities for one in losses]), len(places), outcome)

    def _mean(self, places: Sequence[int], losses: Sequence[float | None]) -> float | None:
        votes = [self._votes[place] for place in places]
        weighted = [loss * count for loss, count in zip(losses, votes, strict=True) if loss is not None]
        return 100 * fsum(weighted) / sum(votes) if weighted and len(weighted) == len(votes) else None


def _figure(walk: Observations, unit: float) -> Figure:
    """In points. unit: what a mean is divided by."""
    low, high = sequential_test.interval(walk)
    return Figure(100 * sequential_test.mean(walk) / unit, 100 * low / unit, 100 * high / unit)


def _pooled(found: Sequence[OnBenchmark], votes: Sequence[int]) -> float | None:
    values = [part.by_verdicts.value for part in found]
    weighted = [value * count for value, count in zip(values, votes, strict=True) if value is not None]
    return fsum(weighted) / sum(votes) if len(found) > 1 and len(weighted) == len(found) else None


def _all(outcomes: Iterable[Outcome]) -> Outcome:
    found = set(outcomes)
    return "worse" if "worse" in found else "undecided" if "undecided" in found else "within"


def _judged(blocks: Sequence[Block], judged: Iterable[Unit]) -> int:
    """How many blocks from the first on are judged whole."""
    known = set(judged)
    return next((count for count, block in enumerate(blocks) if not known.issuperset(block)), len(blocks))


def _scheme_file(runs: Sequence[RecordedRun]) -> SchemeFile:
    return SchemeFile(runs[0].identity.model, runs[0].identity.scheme, runs[0].run.bytes)


def _check(parts: Sequence[Part], margin: float, max_pairs: int | None) -> None:
    if not isfinite(margin) or margin < 0:
        raise UsageError(
            f"margin {margin} is not a positive number of points",
            "give the points of accuracy that may be lost, for example 2",
        )
    if max_pairs is not None and max_pairs < 1:
        raise UsageError(f"a budget of {max_pairs} pairs", "allow at least one block, 16 pairs")
    if not parts:
        raise UsageError("no benchmark to decide on", "name at least one")
    for runs in ([part.run for part in parts], [part.baseline for part in parts]):
        judges = {f"{run.identity.model} {run.identity.scheme} {run.identity.grammar}" for run in runs}
        if len(judges) > 1 or len({run.run.settings.get("gguf_sha256") for run in runs}) > 1:
            named = " and ".join(sorted(judges))
            raise RunError(f"runs of several files or protocols as one: {named}", "decide for each of them separately")
