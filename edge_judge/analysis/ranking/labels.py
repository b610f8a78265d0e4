"""A person's verdicts on some of the judged pairs, and the judge's scores on all: a win rate that is right although the
judge is not.

**The estimate** is prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan & Zrnic 2023, Science
382:669-674, arXiv:2301.09633), tuned (PPI++: Angelopoulos, Duchi & Zrnic 2023, arXiv:2311.01453). A labelled pair with
the person's score y and the judge's f counts

    x = y - w * (f - mean of f over the pairs without a label)

The mean of x is what people would say of the pairs without a label, whatever the judge is like, as long as the labelled
pairs are a random sample of all. The better the judge, the less x varies. A judge that is of no use has the weight 0,
and the labels stand alone. What people said of the labelled pairs is known.

**The weight** w of a pair is found on the labels of other questions (five folds), so that it knows nothing of the
pair's own label. It is the one in [0, 1] that makes the interval narrowest: PPI++'s, which makes the variance smallest,
but for one thing. With a weight x has a wider range than y, and near win rates of 0 and 1 the range decides.

**The interval** is that of a bounded mean (`metrics/bounded_mean.py`): whole questions are its clusters, and something
as bad as can be may just not have been met. It keeps its coverage near 0 and 1, where the normal interval of PPI is too
narrow. It is for a number of labels that was set beforehand. Bets that may be looked at after every label
(`sequential_test`) hold too, but are about half as wide again, so that they would save no labels.
`benchmarks/ranking_labels.py` counts both.

Two statements, as in `decision`:

    own    the judged pairs themselves: what labels on all of them would show. The part of the pairs that has labels
           leaves no doubt, so distances shrink by sqrt(1 - labels / pairs) (Cochran 1977, Sampling Techniques, 2.6)
    new    pairs of new questions like these: the distances of `own` and of Wilson's interval with as many trials as
           there are questions, squared and added up (Zou & Donner 2008, Statistics in Medicine 27:1693-1702)

What a benchmark says of the judge's errors is never used: on other systems' answers the judge errs otherwise.

Knows: votes, and people's verdicts on pairs. Does not know: files, how pairs are chosen (`suggest`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from math import fsum, hypot, sqrt

import numpy as np

from edge_judge.analysis.ranking.games import Games, Winner
from edge_judge.analysis.ranking.pairs import AnswerPair, PairScores, pair_scores
from edge_judge.errors import DataError
from edge_judge.metrics.bounded_mean import FEWEST, mean_interval
from edge_judge.metrics.intervals import Codes, Flags, Numbers, Z, rate, wilson
from edge_judge.records import Figure

FOLDS = 5
WEIGHTS = 21  # that are tried, evenly from 0 to 1
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


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """The mean of what people would say of all pairs. weights: of the judge, one a labelled pair."""

    value: float
    low: float
    high: float
    weights: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class CorrectedScores:
    """The labelled pairs. values: x of each; clusters: their questions' codes, from 0; weights: of the judge. Shapes
    (labels,). bounds: between which a value can lie. labelled: the mean of people's scores; share: of all pairs that
    have a label.
    """

    values: Numbers
    clusters: Codes
    bounds: tuple[float, float]
    weights: Numbers
    labelled: float
    share: float

    @property
    def value(self) -> float:
        """The estimate for all pairs: of those with a label it is known."""
        return self.share * self.labelled + (1 - self.share) * _mean(self.values)

    @property
    def doubt(self) -> float:
        """By what distances shrink as some of the pairs are labelled; 0 where all are."""
        return sqrt(1 - self.share)


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


def prediction_powered(judge: Numbers, truth: Numbers, questions: Codes, *, judged: bool = True) -> Estimate:
    """The mean of people's scores over all pairs, from the scores of a random sample and the judge's of all.

    judge: shape (pairs,), in [0, 1], a pair without a score counting 1/2: any number that no label decides will do;
    truth: the same with people's scores, nan where a pair has no label; questions: codes, shape (pairs,). judged: False
    to leave the judge's scores out. The interval is the one of `own`, see above. Raises ValueError without a label.
    """
    scores = corrected_scores(judge, truth, questions, judged=judged)
    sums: Numbers = np.bincount(scores.clusters, scores.values).astype(np.float64)
    low, high = mean_interval(sums, np.bincount(scores.clusters), scores.bounds)
    value, mean = scores.value, _mean(scores.values)
    return Estimate(value, value - scores.doubt * (mean - low), value + scores.doubt * (high - mean), scores.weights)


def corrected_scores(judge: Numbers, truth: Numbers, questions: Codes, *, judged: bool = True) -> CorrectedScores:
    """What each labelled pair counts. Takes and raises what `prediction_powered` does."""
    labelled = np.isfinite(truth)
    if not labelled.any():
        raise ValueError("no pair has a label")
    y, codes = truth[labelled], questions[labelled]
    off = np.where(np.isfinite(judge), judge, 0.5)
    off = off - _mean(off[~labelled] if not labelled.all() else off)
    weights = _weights(y, off[labelled], codes, off) if judged else np.zeros(len(y))
    most = float(weights.max())
    return CorrectedScores(
        values=y - weights * off[labelled],
        clusters=np.unique(codes, return_inverse=True)[1],
        bounds=(-most * float(off.max()), 1.0 - most * float(off.min())),
        weights=weights,
        labelled=_mean(y),
        share=len(y) / len(truth),
    )


def _mean(values: Numbers) -> float:
    """Of at least one value, rounded once."""
    return fsum(values.tolist()) / len(values)


def _weights(y: Numbers, off: Numbers, questions: Codes, all_off: Numbers) -> Numbers:
    """The judge's weight for each labelled pair, from the labels of other folds. Shape (labels,).

    off: how far the judge's scores lie from their mean, of the labelled pairs and of all.
    """
    folds = _folds(questions)
    weights = np.zeros(len(y))
    for fold in range(FOLDS):
        others = folds != fold
        if others.sum() > 1:
            weights[~others] = narrowest(y[others], off[others], (float(all_off.min()), float(all_off.max())))
    return weights


def narrowest(y: Numbers, off: Numbers, reach: tuple[float, float]) -> float:
    """The weight with the narrowest interval, of 21 from 0 to 1.

    y, off: shape (n,), n > 1; reach: the least and greatest `off` of all pairs. The width is roughly the normal one
    after the farthest value that x can have was added on each side.
    """
    tried = np.linspace(0, 1, WEIGHTS)
    n = len(y)
    covariances = np.cov(y, off, bias=True)
    variance = covariances[0, 0] - 2 * tried * covariances[0, 1] + tried**2 * covariances[1, 1]
    means = y.mean() - tried * off.mean()
    below, above = means + tried * reach[1], 1 - tried * reach[0] - means
    width = sum(far + Z * np.sqrt(n * variance + far**2) for far in (below, above))
    return float(tried[np.argmin(np.round(width, 9))])


def _folds(questions: Codes) -> Codes:
    """A fold for each label, the same for all of a question, of nearly equal size: by chance, but always the same."""
    names = np.unique(questions)
    mixed = sorted(names.tolist(), key=lambda code: sha256(f"fold\n{code}".encode()).digest())
    fold = dict(zip(mixed, np.arange(len(mixed)) % FOLDS, strict=True))
    return np.array([fold[code] for code in questions.tolist()], np.int64)


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
        judge=Figure(_mean(known) if len(known) else None, n=len(known)),
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


def new_questions(own: Figure, questions: int) -> Figure:
    """The interval for new questions, from the one for those that there are; questions: how many these are."""
    if own.value is None or own.low is None or own.high is None:
        return Figure(None)
    low, high = wilson(own.value, questions)
    return Figure(
        own.value,
        max(0.0, own.value - hypot(own.value - own.low, own.value - low)),
        min(1.0, own.value + hypot(own.high - own.value, high - own.value)),
        n=own.n,
    )


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
            raise DataError(f"two labels that contradict each other, on {named(pair)}", "keep one of them")
    if unknown:
        others = f", and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise DataError(
            f"a label on {named(unknown[0])}{others}, which was not judged",
            "labels count only together with the judge's verdicts on the same pairs",
        )
    return found


def named(pair: AnswerPair) -> str:
    """A pair in a message."""
    return f"{pair.first} and {pair.second}, question {pair.question!r}"
