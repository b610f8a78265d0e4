"""Which of two systems is better, question by question, as soon as it is known: one may stop after any block.

The judge's score of a question for one pair of systems is the mean over both orders, in [0, 1]. Its mean over questions
is the win rate, and what is asked is on which side of 1/2 it lies. Questions come in the order of `walk`, all orders
equally likely, and `sequential_test` bets on their scores. As in `decision` there are two statements, each with an
interval of its own, which holds wherever one stops:

    own    these questions: what judging all of them would show (drawing without replacement)
    new    questions like these, of which these are a sample

**Several pairs.** With k pairs of systems each interval leaves out the truth in 5 % / k of cases at most (Bonferroni).
So all statements of one kind are true together in 95 %, at all times: who beats whom, and who is within a margin.

**A margin** is a difference that does not matter. Where the win rate is known to lie no further from 1/2, more
questions are not needed, even if it is not known who is ahead.

**Without a verdict** in either order a question says nothing. In the test it counts 1/2, which moves no mean across
1/2. What is printed is the rate of the other questions: the mean is stretched, and so are the ends of its interval, as
if the share of questions without a verdict were the same among those to come.

Knows: votes. Does not know: how votes are made, what is printed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isfinite
from typing import Literal, TypeAlias

import numpy as np

from edge_judge.analysis import sampling, sequential_test
from edge_judge.analysis.ranking.games import Games
from edge_judge.analysis.ranking.pairs import AnswerPair, pair_scores
from edge_judge.analysis.sequential_test import ALPHA, Observations
from edge_judge.errors import UsageError
from edge_judge.metrics.intervals import Flags, Numbers
from edge_judge.records import Figure

Outcome: TypeAlias = Literal["first", "second", "equal", "undecided"]
Claim: TypeAlias = Literal["own", "new"]

LOOK = 16  # questions of a block
SEED = 0
AIM = 0.06  # the distance from 1/2 that should be seen soon
GUESS = 0.5  # the second moment of scores about 1/2, over 1/4: scores are seldom all near 0 and 1, or all near 1/2
FARTHEST = 4000  # new questions beyond which `more` does not look, nor beyond eight times those judged
STEPS = 100
HALF = 0.5  # how far a score can lie from 1/2


@dataclass(frozen=True, slots=True)
class Statement:
    """What is known of a win rate.

    outcome: first or second where one is known to be ahead; equal where the rate is known to be 1/2, or within the
    margin of it while it is not known who is ahead. rate: of `first`, ties counting half, with the interval, and n, the
    questions with a verdict; undefined before the first block. within: whether it is known to lie no further from 1/2
    than the margin; False without a margin. questions: used. more: about how many further questions it would take until
    it is decided, were those to come like those seen; None where it is, where it was not asked for, and where it would
    take more than there are, or than 4,000 new ones.
    """

    outcome: Outcome
    rate: Figure
    within: bool
    questions: int
    more: int | None


@dataclass(frozen=True, slots=True)
class PairDecision:
    """Two systems. questions: judged in order, of so many; without_verdict: of these in neither order."""

    first: str
    second: str
    own: Statement
    new: Statement
    questions: int
    questions_total: int
    without_verdict: int

    def settled(self, claim: Claim) -> bool:
        """Whether more questions could change nothing that is asked: it is decided, or none is left."""
        statement = self.own if claim == "own" else self.new
        return statement.outcome != "undecided" or self.questions == self.questions_total


@dataclass(frozen=True, slots=True)
class Missing:
    """A question that a system did not answer."""

    system: str
    question: str


@dataclass(frozen=True, slots=True)
class Decided:
    """All pairs that are asked about. seed: of the walk; margin: in shares of wins, None without one."""

    pairs: tuple[PairDecision, ...]
    margin: float | None
    seed: int

    def settled(self, claim: Claim = "new") -> bool:
        return all(pair.settled(claim) for pair in self.pairs)

    def open(self, claim: Claim = "new") -> tuple[PairDecision, ...]:
        """The pairs that need more questions."""
        return tuple(pair for pair in self.pairs if not pair.settled(claim))


def walk(questions: Iterable[str], seed: int = SEED) -> tuple[tuple[str, ...], ...]:
    """The questions in random order, in blocks of at most 16: that in which they have to be judged."""
    order = sampling.shuffled(list(dict.fromkeys(questions)), "rank", seed)
    return tuple(tuple(order[start : start + LOOK]) for start in range(0, len(order), LOOK))


def decide(
    games: Games,
    questions: Iterable[str],
    *,
    against: str | None = None,
    missing: Collection[Missing] = (),
    margin: float | None = None,
    soft: bool = True,
    stop: bool = True,
    outlook: bool = True,
    seed: int = SEED,
) -> Decided:
    """Who beats whom, as far as the questions of `walk` have been judged.

    questions: all that there are, also those not yet judged. against: a system, to compare only it with each other one.
    missing: answers that do not exist; a pair is compared on the questions that both answered. margin: as above, in
    shares of wins, for example 0.02. soft: score by probabilities where votes have them. stop: use the questions up to
    the block in which a pair is decided; False to use all that is judged. outlook: whether to estimate what more it
    would take, for which many walks are simulated.

    A pair's votes count up to the first question of the walk that it has none on. Raises UsageError for a margin
    outside [0, 1/2), an unknown system, or fewer than two systems.
    """
    _check(games, against, margin)
    order = [name for block in walk(questions, seed) for name in block]
    unanswered = {(one.system, one.question) for one in missing}
    scores = pair_scores(games, soft=soft)
    known = dict(zip(scores.pairs, scores.score.tolist(), strict=True))
    named = [pair for pair in combinations(games.systems, 2) if against is None or against in pair]
    pairs = []
    for first, second in named:
        asked = [name for name in order if not {(first, name), (second, name)} & unanswered]
        found = _judged(known, asked, first, second)
        pairs.append(_Walk(found, len(asked), margin, ALPHA / len(named), stop, outlook, seed).decision(first, second))
    return Decided(tuple(pairs), margin, seed)


def observations(scores: Numbers, total: int | None) -> Observations:
    """The distances of scores from 1/2, in blocks of 16. scores: shape (..., n), nan without a verdict; total: of all
    questions, None for new ones.
    """
    n = scores.shape[-1]
    ends = np.array([*range(LOOK, n, LOOK), n], np.int64)
    values = np.where(np.isfinite(scores), scores, HALF) - HALF
    return Observations(values, ends, total, HALF, AIM, GUESS)


def ahead(seen: Observations, alpha: float) -> Flags:
    """After which blocks the mean is known to be greater than 1/2: shape (..., blocks)."""
    return sequential_test.above(seen, 0.0, alpha)


def _judged(known: dict[AnswerPair, float], asked: Sequence[str], first: str, second: str) -> Numbers:
    """The scores of the questions that were judged, up to the first that was not; nan without a verdict."""
    found = []
    for name in asked:
        score = known.get(AnswerPair(name, first, second))
        if score is None:
            break
        found.append(score)
    return np.array(found, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """One pair of systems. scores: of the judged questions in order; total: of all; alpha: of each side."""

    scores: Numbers
    total: int
    margin: float | None
    alpha: float
    stop: bool
    outlook: bool
    seed: int

    def decision(self, first: str, second: str) -> PairDecision:
        n, without = len(self.scores), int(np.isnan(self.scores).sum())
        own, new = self._statement(self.total), self._statement(None)
        return PairDecision(first, second, own, new, n, self.total, without)

    def _statement(self, total: int | None) -> Statement:
        """total: None for new questions."""
        if not len(self.scores):
            return Statement("undecided", Figure(None), False, 0, None)
        seen = observations(self.scores, total)
        known = self._known(seen)
        if self.stop and known.any():
            blocks = int(known.argmax()) + 1
            seen = replace(seen, values=seen.values[: seen.ends[blocks - 1]], ends=seen.ends[:blocks])
        outcome = self._outcome(seen)
        return Statement(
            outcome=outcome,
            rate=self._rate(seen),
            within=self.margin is not None and _ever(self._within(seen), seen),
            questions=int(seen.ends[-1]),
            more=self._more(seen) if self.outlook and outcome == "undecided" else None,
        )

    def _known(self, seen: Observations) -> Flags:
        """After which blocks something is decided."""
        return ahead(seen, self.alpha) | ahead(seen.mirrored(), self.alpha) | self._within(seen)

    def _within(self, seen: Observations) -> Flags:
        """After which blocks the mean is known to be within the margin of 1/2; exactly 1/2 without one."""
        first, second = (
            sequential_test.not_above(side, self.margin or 0.0, self.alpha) for side in (seen, seen.mirrored())
        )
        return first & second

    def _outcome(self, seen: Observations) -> Outcome:
        if _ever(ahead(seen, self.alpha), seen):
            return "first"
        if _ever(ahead(seen.mirrored(), self.alpha), seen):
            return "second"
        return "equal" if _ever(self._within(seen), seen) else "undecided"

    def _rate(self, seen: Observations) -> Figure:
        n = len(seen.values)
        valid = int(np.isfinite(self.scores[:n]).sum())
        if not valid:
            return Figure(None)
        ends = sequential_test.interval_of_all_blocks(seen, self.alpha)
        value, low, high = (HALF + one * n / valid for one in (sequential_test.mean(seen), *ends))
        return Figure(value, max(0.0, low), min(1.0, high), n=valid)

    def _more(self, seen: Observations) -> int | None:
        """Of new questions twice as many are tried at a time, as most pairs need no long look."""
        n = len(seen.values)
        if seen.total is not None:
            ends = np.unique(np.append(np.arange(n + LOOK, self.total, LOOK), self.total))
            return sequential_test.more_until(self._known, seen, ends if n < self.total else ends[:0], self.seed)
        for last in (2 * n, 4 * n, max(8 * n, FARTHEST)):
            ends = np.unique(np.geomspace(n + 1, last, STEPS).astype(np.int64))
            needed = sequential_test.more_until(self._known, seen, ends, self.seed)
            if needed is not None:
                return needed
        return None


def _ever(known: Flags, seen: Observations) -> bool:
    """Whether it was known after some block; where all questions are seen, whether it is so."""
    return bool(known[-1] if seen.whole()[-1] else known.any())


def _check(games: Games, against: str | None, margin: float | None) -> None:
    if len(games.systems) < 2:
        raise UsageError(f"{len(games.systems)} system, expected at least two", "rank at least two systems")
    if against is not None and against not in games.systems:
        raise UsageError(f"no system '{against}' to compare with", f"systems: {', '.join(games.systems)}")
    if margin is not None and not (isfinite(margin) and 0 <= margin < HALF):
        raise UsageError(f"a margin of {margin:g}", "give the share of wins that does not matter, for example 0.02")
