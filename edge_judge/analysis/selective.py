"""How sure a judge was -> which of its verdicts can be used.

What is answered is a *pair*. Judged in both orders, its verdict is the most probable by the mean of both orders'
probabilities (as in `debiased_accuracy`); judged in one, it is the verdict given. Its *confidence* is the probability
of that verdict. A pair on which an order has no valid verdict has none: its confidence is 0, and it is wrong where it
must be answered. A pair that nobody judged cannot be right or wrong, and is left out.

Knows: the accuracy gained by leaving the least sure pairs to another judge.
Does not know: which judge that is (`cascade` does), files, how a curve is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, fsum

import numpy as np

from edge_judge.errors import RunError
from edge_judge.metrics.alignment import NONE, most_probable
from edge_judge.metrics.bounded_mean import copies_needed, surely_below_zero, unseen_size
from edge_judge.metrics.intervals import Codes, Flags, Numbers, rate
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.trials import Frame, codes
from edge_judge.metrics.verdict_frame import P
from edge_judge.records import Figure, Identity
from edge_judge.settings import run_name

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)  # at which a curve is read
GRID = 20  # thresholds that are tried: those that answer 5 %, 10 %, ... of the pairs
STARTS = 4  # of the thresholds, where the search begins anew: 25 %, 50 %, 75 % and all of the pairs
DELTA = 0.05  # how often a threshold may be chosen that does not hold the risk
HALVINGS = 40  # of an interval, to find the least risk


@dataclass(frozen=True, slots=True)
class SelectivePredictions:
    """A judge's answers to the pairs that people judged too, in the benchmark's order.

    pair (its place in the benchmark), verdict (its code), confidence, cluster: shape (pairs,). place,
    right: shape (trials,), for each human vote the place of its pair among these and whether the verdict is that vote.
    """

    pair: Codes
    verdict: Codes
    confidence: Numbers
    cluster: Codes
    place: Codes
    right: Flags


@dataclass(frozen=True, slots=True)
class Curve:
    """Risk by coverage, from the surest pairs alone to all of them.

    threshold: falling; every pair at least as sure is answered. coverage: the share of pairs answered, rising to 1.
    risk: the share of human votes on them that are not the verdict. Pairs equally sure are answered together. aurc:
    the area under the curve, which is the mean over all pairs of the risk at their confidence; None without pairs.
    """

    threshold: tuple[float, ...]
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    aurc: float | None


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """The curve where at least a wished share of pairs is answered: at what threshold, how many, with what risk."""

    wished: float
    threshold: float
    coverage: float
    risk: Figure


@dataclass(frozen=True, slots=True)
class ThresholdEffect:
    """What a threshold does to some pairs. coverage: the pairs answered; accuracy, risk: of the votes on those;
    unfiltered: the accuracy were all answered."""

    coverage: Figure
    accuracy: Figure
    risk: Figure
    unfiltered: Figure


@dataclass(frozen=True, slots=True)
class Abstention:
    """The threshold from which a risk is shown to be held.

    wished: the risk not to be exceeded. threshold: None where none is shown to hold it; then nothing is answered. best:
    the least risk that could have been asked for. wanted: where there is no threshold, about how many pairs like these
    would show one; None where none is likely to be shown by any number. effect: what the threshold does to these pairs.
    """

    wished: float
    threshold: float | None
    best: float
    wanted: int | None
    effect: ThresholdEffect


def selective_predictions(run: RecordedRun, judged: Frame | None = None) -> SelectivePredictions:
    """The run's answer to each pair that it and people judged, with its confidence.

    judged: the rows of `run.verdicts` to look at, if not all. Raises RunError where there are valid verdicts without
    probabilities, or none with.
    """
    verdicts = run.verdicts if judged is None else judged
    refuse_without_probabilities(verdicts, run.identity)
    pairs = pair_answers(verdicts[verdicts["pair"].isin(run.trials["pair"])])
    votes = run.trials[run.trials["pair"].isin(pairs["pair"])].drop_duplicates(["pair", "vote"])
    place = np.searchsorted(codes(pairs, "pair"), codes(votes, "pair"))
    verdict = codes(pairs, "verdict")
    return SelectivePredictions(
        pair=codes(pairs, "pair"),
        verdict=verdict,
        confidence=pairs["confidence"].to_numpy(),
        cluster=codes(pairs, "cluster"),
        place=place,
        right=verdict[place] == codes(votes, "label"),
    )


def pair_answers(verdicts: Frame) -> Frame:
    """A row for each pair, by its place: its cluster, the verdict on it and its confidence. verdicts: of one run."""
    by_pair = verdicts.groupby("pair")
    pairs = by_pair.agg(cluster=("cluster", "first"), given=("verdict", "first"), times=("verdict", "size"))
    p = by_pair[P].mean().to_numpy()
    verdict = np.where(pairs["times"] == 1, pairs["given"], most_probable(p))
    missing = (by_pair["verdict"].max() == NONE).to_numpy()  # in one order at least
    sure = p[np.arange(len(p)), np.where(missing, 0, verdict)]
    return pairs.assign(
        verdict=np.where(missing, NONE, verdict), confidence=np.where(missing, 0.0, np.clip(sure, 0.0, 1.0))
    ).reset_index()


def risk_coverage(run: RecordedRun) -> Curve:
    """The risk at every coverage that a threshold can give (El-Yaniv & Wiener 2010, JMLR 11:1605-1641).

    The area is that of Geifman & El-Yaniv 2017 (NeurIPS, arXiv:1705.08500): lower is better, and it rewards both
    being right and knowing when. Raises RunError as `selective_predictions` does.
    """
    answers = selective_predictions(run)
    if not len(answers.pair):
        return Curve((), (), (), None)
    threshold, group = np.unique(-answers.confidence, return_inverse=True)
    members = np.bincount(group)
    votes = np.cumsum(np.bincount(group[answers.place], minlength=len(members)))
    wrong = np.cumsum(np.bincount(group[answers.place], ~answers.right, minlength=len(members)))
    risk = wrong / votes
    coverage = np.cumsum(members) / len(answers.pair)
    aurc = fsum(risk * members) / len(answers.pair)
    return Curve(tuple((-threshold).tolist()), tuple(coverage.tolist()), tuple(risk.tolist()), aurc)


def coverage_points(run: RecordedRun) -> tuple[CoveragePoint, ...]:
    """The curve at 100, 90, 80, 70 and 50 % of the pairs or just above, with intervals; none without pairs.

    The intervals take each threshold as given beforehand. Raises RunError as `selective_predictions` does.
    """
    answers = selective_predictions(run)
    if not len(answers.pair):
        return ()
    return tuple(_step(answers, wished) for wished in COVERAGES)


def abstain(run: RecordedRun, risk: float) -> Abstention:
    """The threshold that answers most pairs and is shown to have a risk below `risk`, a share in (0, 1].

    What is shown is about new pairs like these: the risk among those that are as sure. A threshold whose risk is higher
    is chosen in at most 5 % of cases. Thresholds are tried in a fixed sequence, from the most sure to the least, which
    hangs on confidence alone and not on what was right (learn then test, Angelopoulos et al. 2021, arXiv:2110.01052).
    One that is tried after another that passed costs nothing (Bauer 1991, Statistics in Medicine 10:871-890). So that
    one error among the surest does not end the search, it begins anew at every fourth of the pairs, each time with a
    fourth of the 5 %, and takes along what was not lost (the fallback of Wiens 2003, Pharmaceutical Statistics
    2:211-215).
    Each test is `bounded_mean.surely_below_zero`, on clusters: all pairs are used, and few clusters are enough or are
    found too few.

    Raises RunError as `selective_predictions` does, and where no pair was judged that has a human label.
    """
    answers = selective_predictions(run)
    if not len(answers.pair):
        raise RunError(
            f"{run_name(run.identity)}: no pair with a human label was judged, so the error rate is unknown",
            "judge more pairs: edge-judge eval with a larger --limit",
        )
    threshold = least_sure(answers, risk)
    starts = [(answered, level) for answered, level in _sequence(answers) if level]
    return Abstention(
        wished=risk,
        threshold=threshold,
        best=min(_least_risk(answers, answered, level) for answered, level in starts),
        wanted=None if threshold is not None else _pairs_wanted(answers, starts, risk),
        effect=_answered(answers, threshold),
    )


def _sequence(answers: SelectivePredictions) -> list[tuple[float, float]]:
    """The thresholds to try, from the most sure, and how much of DELTA each brings along."""
    falling = np.sort(answers.confidence)[::-1]
    levels: dict[float, float] = {}
    for share in range(1, GRID + 1):
        threshold = float(falling[ceil(len(falling) * share / GRID) - 1])
        brought = DELTA / STARTS if share % (GRID // STARTS) == 0 else 0.0
        levels[threshold] = levels.get(threshold, 0.0) + brought
    return list(levels.items())


def least_sure(answers: SelectivePredictions, risk: float) -> float | None:
    """The threshold of `abstain`, for at least one pair: the last that passes. What a test that fails had is lost."""
    passed, level = None, 0.0
    for threshold, brought in _sequence(answers):
        level += brought
        if level and surely_below_zero(*_excess(answers, threshold, risk)) <= level:
            passed = threshold
        else:
            level = 0.0
    return passed


def _excess(answers: SelectivePredictions, threshold: float, risk: float) -> tuple[Numbers, float]:
    """For each cluster that is answered, how many more votes are wrong than `risk` allows; and in one of the worst."""
    trials = (answers.confidence >= threshold)[answers.place]
    cluster, wrong = answers.cluster[answers.place][trials], ~answers.right[trials]
    votes = np.bincount(cluster)
    excess = (np.bincount(cluster, wrong, len(votes)) - risk * votes)[votes > 0]
    return excess, (1 - risk) * unseen_size(votes[votes > 0])


def _least_risk(answers: SelectivePredictions, threshold: float, level: float) -> float:
    """The upper confidence bound of the risk at one threshold."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        holds = surely_below_zero(*_excess(answers, threshold, middle)) <= level
        low, high = (low, middle) if holds else (middle, high)
    return high


def _pairs_wanted(answers: SelectivePredictions, starts: Sequence[tuple[float, float]], risk: float) -> int | None:
    """About how many pairs like these would show some threshold to hold the risk."""
    times = [copies_needed(*_excess(answers, threshold, risk), level) for threshold, level in starts]
    return min((ceil(copies * len(answers.pair)) for copies in times if copies is not None), default=None)


def refuse_without_probabilities(verdicts: Frame, who: Identity) -> None:
    """A valid verdict without a probability is neither sure nor unsure."""
    with_p = verdicts["p_a"].notna()
    without = int(((verdicts["verdict"] != NONE) & ~with_p).sum())
    if without or (len(verdicts) and not with_p.any()):
        some = f"{without or len(verdicts):,} of {len(verdicts):,}"
        raise RunError(
            f"{run_name(who)}: {some} verdicts have no probability, so their confidence is unknown",
            "use a grammar that gives probabilities: edge-judge eval --grammar pairwise",
        )


def _step(answers: SelectivePredictions, wished: float) -> CoveragePoint:
    threshold = float(np.sort(answers.confidence)[::-1][ceil(wished * len(answers.pair)) - 1])
    answered = answers.confidence >= threshold
    return CoveragePoint(wished, threshold, float(answered.mean()), _rate(answers, answered, right=False))


def _answered(answers: SelectivePredictions, threshold: float | None) -> ThresholdEffect:
    everything = np.ones(len(answers.pair), np.bool_)
    sure = ~everything if threshold is None else answers.confidence >= threshold
    return ThresholdEffect(
        coverage=rate(sure, answers.cluster),
        accuracy=_rate(answers, sure, right=True),
        risk=_rate(answers, sure, right=False),
        unfiltered=_rate(answers, everything, right=True),
    )


def _rate(answers: SelectivePredictions, answered: Flags, *, right: bool) -> Figure:
    trials = answered[answers.place]
    return rate(answers.right[trials] == right, answers.cluster[answers.place][trials])
