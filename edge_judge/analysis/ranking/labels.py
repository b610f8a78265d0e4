"""A person's verdicts on some of the judged pairs, and the judge's scores on all: a win rate that is right although the
judge is not.

`prediction_powered` has the estimate and its interval. What a benchmark says of the judge's errors is never used: on
other systems' answers the judge errs otherwise.

Knows: votes, and people's verdicts on pairs. Does not know: files, how pairs are chosen (`suggest`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edge_judge.analysis.ranking.games import Games, Winner
from edge_judge.analysis.ranking.pairs import AnswerPair, PairScores, pair_scores
from edge_judge.analysis.ranking.prediction_powered import Estimate, exact_mean, new_questions, prediction_powered
from edge_judge.errors import DataError
from edge_judge.metrics.bounded_mean import FEWEST
from edge_judge.metrics.intervals import Flags, Numbers, rate
from edge_judge.records import Figure

SCORES: dict[Winner, float] = {"first": 1.0, "tie": 0.5, "second": 0.0}
TURNED: dict[Winner, Winner] = {"first": "second", "second": "first", "tie": "tie"}


@dataclass(frozen=True, slots=True)
class HumanVerdict:
    """What a person said of a pair."""

    pair: AnswerPair
    winner: Winner


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """How often `first` wins, ties counting half. second: against whom; None for all others, each pair counting once.

    own, new: with the judge's scores and the labels, on these pairs and on new questions. labels_alone: on these pairs,
    without the judge's scores. judge: its scores alone, no interval: what the labels correct. weight: how much the
    judge's scores count, the mean over folds. saved: how many times as many labels it would take without the judge, for
    an interval of the same width: the squared ratio of the widths. labels, pairs, questions: of so many pairs of
    so many questions so many are labelled; pairs with equal answers among them, which need no label.
    """

    first: str
    second: str | None
    own: Figure
    new: Figure
    labels_alone: Figure
    judge: Figure
    weight: float
    saved: float | None
    labels: int
    pairs: int
    questions: int


@dataclass(frozen=True, slots=True)
class Correction:
    """systems: each against all others; pairs: those of two systems with enough labels for an interval. accuracy: of
    the judge's verdicts on the labelled pairs, where none counts as wrong. labels: used.
    """

    systems: tuple[CorrectedRate, ...]
    pairs: tuple[CorrectedRate, ...]
    accuracy: Figure
    labels: int


def correct(games: Games, labels: Iterable[HumanVerdict]) -> Correction:
    """Win rates from the judge's votes and labels on a random sample of their pairs.

    A pair may have its systems in either order. A label on equal answers is not needed and not used. Raises DataError
    for a label on a pair without votes, and for two labels that contradict each other.
    """
    scores = pair_scores(games)
    given = _by_place(scores, labels)
    places = np.array([place for place in given if scores.asked[place]], np.int64)
    winners = [given[place] for place in places.tolist()]
    truth = np.full(len(scores.pairs), np.nan)
    truth[places] = [SCORES[winner] for winner in winners]
    truth[~scores.asked] = SCORES["tie"]
    systems = [_system(scores, truth, code) for code in range(len(scores.systems))]
    return Correction(
        systems=tuple(one for one in systems if one is not None),
        pairs=tuple(_of_pairs(scores, truth)),
        accuracy=_accuracy(games, scores, dict(zip(places.tolist(), winners, strict=True))),
        labels=len(places),
    )


def _system(scores: PairScores, truth: Numbers, code: int) -> CorrectedRate | None:
    rows = (scores.first == code) | (scores.second == code)
    return _corrected(scores, truth, rows, code, None) if rows.any() else None


def _of_pairs(scores: PairScores, truth: Numbers) -> list[CorrectedRate]:
    found = []
    for first, second in sorted(set(zip(scores.first.tolist(), scores.second.tolist(), strict=True))):
        rows = (scores.first == first) & (scores.second == second)
        labelled = np.isfinite(truth) & scores.asked & rows
        if len(np.unique(scores.question[labelled])) >= FEWEST:
            found.append(_corrected(scores, truth, rows, first, second))
    return found


def _corrected(scores: PairScores, truth: Numbers, rows: Flags, code: int, other: int | None) -> CorrectedRate:
    """rows: the pairs that count; their scores are turned towards the system `code`."""
    turned = scores.second[rows] == code
    judge = np.where(turned, 1 - scores.score[rows], scores.score[rows])
    people = np.where(turned, 1 - truth[rows], truth[rows])
    asked, questions = scores.asked[rows], scores.question[rows]
    count, known = len(np.unique(questions)), judge[np.isfinite(judge)]
    labels = int(np.isfinite(people[asked]).sum())
    both = alone = None
    if labels:
        both = prediction_powered(judge[asked], people[asked], questions[asked])
        alone = prediction_powered(judge[asked], people[asked], questions[asked], judged=False)
    own, only = (_figure(one, float(asked.mean()), labels) for one in (both, alone))
    return CorrectedRate(
        first=scores.systems[code],
        second=None if other is None else scores.systems[other],
        own=own,
        new=new_questions(own, count),
        labels_alone=only,
        judge=Figure(exact_mean(known) if len(known) else None, n=len(known)),
        weight=float(both.weights.mean()) if both else 0.0,
        saved=_saved(own, only),
        labels=labels,
        pairs=len(judge),
        questions=count,
    )


def _figure(found: Estimate | None, asked: float, labels: int) -> Figure:
    """Of all pairs, a share `asked` of which was asked about, and the others are ties."""
    if found is None:
        return Figure(None)
    ends = (asked * one + (1 - asked) / 2 for one in (found.value, found.low, found.high))
    value, low, high = (min(1.0, max(0.0, end)) for end in ends)
    return Figure(value, low, high, n=labels)


def _saved(own: Figure, alone: Figure) -> float | None:
    """None where one of them has no width: nothing was labelled, or all was."""
    if own.low is None or own.high is None or alone.low is None or alone.high is None:
        return None
    width, other = own.high - own.low, alone.high - alone.low
    return (other / width) ** 2 if width > 0 and other > 0 else None


def _accuracy(games: Games, scores: PairScores, winners: dict[int, Winner]) -> Figure:
    """Of the votes on labelled pairs; questions are the clusters."""
    rows = [row for row, place in enumerate(scores.vote_pair.tolist()) if place in winners]
    places = scores.vote_pair[rows]
    verdicts = games.frame["verdict"].iloc[rows].tolist()
    right = [verdict == winners[place] for verdict, place in zip(verdicts, places.tolist(), strict=True)]
    return rate(np.array(right, np.bool_), scores.question[places])


def _by_place(scores: PairScores, labels: Iterable[HumanVerdict]) -> dict[int, Winner]:
    """What was said of each labelled pair, by its place among the judged."""
    places = {pair: place for place, pair in enumerate(scores.pairs)}
    found: dict[int, Winner] = {}
    unknown = []
    for label in labels:
        pair, winner = label.pair, label.winner
        place = places.get(pair)
        if place is None:
            place, winner = places.get(AnswerPair(pair.question, pair.second, pair.first)), TURNED[winner]
        if place is None:
            unknown.append(pair)
        elif found.setdefault(place, winner) != winner:
            raise DataError(f"two contradicting labels for {named(pair)}", "keep one of them")
    if unknown:
        others = f", and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise DataError(
            f"a label for {named(unknown[0])}{others}, which was not judged",
            "labels count only together with the judge's verdicts on the same pairs",
        )
    return found


def named(pair: AnswerPair) -> str:
    """A pair in a message."""
    return f"{pair.first} and {pair.second}, question {pair.question!r}"
