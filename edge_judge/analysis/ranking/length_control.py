"""Win rates at equal lengths, and how much the judge itself prefers the longer answer.

After AlpacaEval 2 (Dubois, Galambosi, Liang & Hashimoto 2024, arXiv:2404.04475; tatsu-lab/alpaca_eval@cd543a14
src/alpaca_eval/metrics/glm_winrate.py): the log odds that a system wins a vote against the baseline are a constant,
plus a coefficient times tanh(difference in length / its standard deviation), plus a coefficient times the difficulty of
the question. The win rate is what the regression predicts with the difference in length at 0. Two things are as there
only where they are given: difficulties, and votes on the baseline's own answers made longer and shorter, which hold the
coefficient of length in place (there with a weight of 0.1 each). Instead of its L1 penalty, chosen by cross-validation,
every coefficient has a prior of one vote.

Knows: votes, lengths in characters. Does not know: whether long answers are better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge_judge.analysis.ranking.games import Games, VoteArrays, score, vote_arrays
from edge_judge.analysis.ranking.logistic import PRIOR, Rows, logistic, regress
from edge_judge.errors import DataError, UsageError, nearest
from edge_judge.metrics.intervals import Codes, Flags, Numbers
from edge_judge.records import Figure


@dataclass(frozen=True, slots=True, eq=False)
class Resized:
    """Votes on the baseline's own answers made longer or shorter, against the answers themselves. Shapes (rows,).

    lengths: tanh of the difference in length (the resized answer's minus the original's) over its standard deviation;
    difficulties: of the questions; scores: of the resized answers; weight: of each, beside 1 for a vote of a system.
    """

    lengths: Numbers
    difficulties: Numbers
    scores: Numbers
    weight: float


@dataclass(frozen=True, slots=True)
class LengthControlled:
    """A system against the baseline at equal lengths.

    win_rate: as predicted for answers as long as the baseline's. length: the coefficient of the difference in length,
    above 0 where longer answers win. longer: how many characters longer the system's answers are than the baseline's,
    on average. votes: valid ones.
    """

    system: str
    win_rate: Figure
    length: Figure
    longer: float | None
    votes: int


@dataclass(frozen=True, slots=True)
class LengthPreference:
    """How much the judge prefers the longer of two answers, whoever wrote them.

    coefficient: of tanh(difference in length / `characters`) on the log odds, with the systems' strengths held equal;
    win_rate: what it makes of two equal systems if the one's answer is `characters` longer: 1/2 is no preference.
    characters: the root mean square of the differences in length.
    """

    coefficient: Figure
    win_rate: Figure
    characters: float | None


def length_controlled(
    games: Games,
    baseline: str,
    *,
    difficulty: Mapping[str, float] | None = None,
    resized: Resized | None = None,
    soft: bool = True,
    prior: float = PRIOR,
) -> tuple[LengthControlled, ...]:
    """Every system but the baseline, against it. The intervals allow for clusters of votes on a question.

    difficulty: of every question, on any scale that is high where systems do well. prior: votes for each coefficient.
    Undefined for a system without a valid vote against the baseline. Raises UsageError for a baseline that is no
    system, DataError for a question without a difficulty where some have one.
    """
    if baseline not in games.systems:
        raise UsageError(f"no system is named {baseline!r}", nearest(baseline, games.systems))
    arrays = vote_arrays(games)
    against = games.systems.index(baseline)
    difficulties = None if difficulty is None else _difficulties(games, difficulty)
    results = []
    for place, system in enumerate(games.systems):
        if place != against:
            rows = arrays.valid & _between(arrays, place, against)
            results.append(_controlled(games, arrays, rows, system, against, difficulties, resized, soft, prior))
    return tuple(results)


def length_preference(games: Games, *, soft: bool = True, prior: float = PRIOR) -> LengthPreference:
    """Over all votes with a verdict that were asked for: a Bradley-Terry regression with the difference in length."""
    arrays = vote_arrays(games)
    rows = arrays.valid & arrays.asked
    longer = _lengths(games)[rows]
    spread = float(np.sqrt((longer * longer).mean())) if len(longer) else 0.0
    if spread == 0:
        return LengthPreference(Figure(None), Figure(None), None)
    columns = np.zeros((len(longer), len(games.systems) + 1))
    votes = np.arange(len(longer))
    columns[votes, arrays.first[rows]], columns[votes, arrays.second[rows]] = 1.0, -1.0
    columns[:, -1] = np.tanh(longer / spread)
    scores = score(arrays.soft if soft else arrays.outcome)[rows]
    found = regress(Rows(columns, scores, np.ones(len(scores))), arrays.question[rows], prior=prior)
    coefficient = found.figure(len(games.systems))
    return LengthPreference(coefficient, _one_longer(coefficient), spread)


def _controlled(
    games: Games,
    arrays: VoteArrays,
    rows: Flags,
    system: str,
    against: int,
    difficulties: Numbers | None,
    resized: Resized | None,
    soft: bool,
    prior: float,
) -> LengthControlled:
    count = int(rows.sum())
    if not count:
        return LengthControlled(system, Figure(None, n=0), Figure(None, n=0), None, 0)
    first = arrays.second[rows] == against
    won = score(arrays.soft if soft else arrays.outcome)[rows]
    longer = np.where(first, 1.0, -1.0) * _lengths(games)[rows]
    spread = float(longer.std(ddof=1)) if count > 1 else 0.0
    columns = [np.ones(count), np.tanh(longer / spread) if spread > 0 else np.zeros(count)]
    if difficulties is not None:
        columns.append(difficulties[rows])
    table = np.stack(columns, axis=1)
    votes = Rows(table, np.where(first, won, 1 - won), np.ones(count))
    found = regress(votes, arrays.question[rows], _fixed(resized, table.shape[1]), prior)
    equal = table * np.array([1.0, 0.0, 1.0])[: table.shape[1]]
    shown = found.mean_share(equal)
    win_rate = Figure(shown.value, shown.low, shown.high, n=count)
    length = found.figure(1) if spread > 0 else Figure(None)
    return LengthControlled(system, win_rate, length, float(longer.mean()), count)


def _fixed(resized: Resized | None, width: int) -> Rows | None:
    """Rows without a constant: an answer that was only resized is as good as it was."""
    if resized is None:
        return None
    columns = np.stack([np.zeros(len(resized.lengths)), resized.lengths, resized.difficulties], axis=1)[:, :width]
    return Rows(columns, resized.scores, np.full(len(resized.lengths), resized.weight))


def _one_longer(coefficient: Figure) -> Figure:
    """The win rate of the answer that is one `characters` longer, of two equal systems."""
    value, low, high = (
        None if end is None else _share(end) for end in (coefficient.value, coefficient.low, coefficient.high)
    )
    return Figure(value, low, high)


def _share(coefficient: float) -> float:
    return float(logistic(np.array(coefficient * np.tanh(1.0))))


def _lengths(games: Games) -> Numbers:
    """How much longer the first system's answer is, in characters: shape (votes,)."""
    longer: Numbers = (games.frame["length_first"] - games.frame["length_second"]).to_numpy(np.float64)
    return longer


def _between(arrays: VoteArrays, one: int, other: int) -> Flags:
    rows: Flags = (np.minimum(one, other) == arrays.first) & (np.maximum(one, other) == arrays.second)
    return rows


def _difficulties(games: Games, difficulty: Mapping[str, float]) -> Numbers:
    questions: Codes = games.frame["question"].to_numpy()
    missing = [question for question in dict.fromkeys(questions) if question not in difficulty]
    if missing:
        raise DataError(f"no difficulty for {len(missing)} questions, the first of them {missing[0]!r}")
    return np.array([difficulty[question] for question in questions], np.float64)
