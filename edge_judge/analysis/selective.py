"""How sure a judge was -> which of its verdicts can be used.

What is answered is a *pair*. Judged in both orders, its verdict is the most probable by the mean of both orders'
probabilities (as in `debiased_accuracy`); judged in one, it is the verdict given. Its *confidence* is the probability
of that verdict. A pair on which an order has no valid verdict has none: its confidence is 0, and it is wrong where it
must be answered. A pair that nobody judged cannot be right or wrong, and is left out.

Knows: the accuracy gained by leaving the least sure pairs to another judge.
Does not know: which judge that is (`cascade` does), files, how a curve is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import ceil, fsum

import numpy as np
from scipy.special import betaincinv  # type: ignore[import-untyped]

from edge_judge.errors import RunError
from edge_judge.metrics.alignment import NONE, most_probable
from edge_judge.metrics.intervals import SEED, Codes, Flags, Numbers, effective_size, rate
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.trials import Frame, codes
from edge_judge.metrics.verdict_frame import P
from edge_judge.records import Benchmark, Figure, Identity
from edge_judge.settings import run_name

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)  # at which a curve is read
GRID = 20  # thresholds that are tried: those that answer 5 %, 10 %, ... of the pairs
DELTA = 0.05  # how often a threshold may be chosen that does not hold the risk


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
    """A threshold chosen on one half of the clusters, and what it does on either half.

    wished: the risk not to be exceeded. threshold: None where none can be shown to hold it; then there is no bound,
    and nothing is answered. bound: the risk's upper confidence bound on the half it was chosen on. best: the least
    bound of any threshold tried, and so the least risk that could have been asked for. told: on the other half.
    """

    wished: float
    threshold: float | None
    bound: float | None
    best: float
    chosen: ThresholdEffect
    told: ThresholdEffect


def selective_predictions(run: RecordedRun, judged: Frame | None = None) -> SelectivePredictions:
    """The run's answer to each pair that it and people judged, with its confidence.

    judged: the rows of `run.verdicts` to look at, if not all. Raises RunError where there are valid verdicts without
    probabilities, or none with.
    """
    verdicts = run.verdicts if judged is None else judged
    _refuse_without_probabilities(verdicts, run.identity)
    pairs = _answers(verdicts[verdicts["pair"].isin(run.trials["pair"])])
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


def _answers(verdicts: Frame) -> Frame:
    """A row for each pair, by its place: its cluster, the verdict on it and its confidence."""
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
    """The threshold that answers most pairs with a risk surely below `risk`, a share in [0, 1].

    Chosen on one half of the clusters and measured on the other (`half`). After the selection with guaranteed risk of
    Geifman & El-Yaniv 2017 (NeurIPS, arXiv:1705.08500): a threshold passes where the upper confidence bound of its
    risk is at most `risk`, and of those that pass the one that answers most is chosen. The bound is Clopper and
    Pearson's at the effective size of the clustered votes (Korn & Graubard 1998, Survey Methodology 24:193-201), at
    level 0.05 divided by the number of thresholds. These are 20 fixed by coverage, not found by halving as in the
    paper, so that which are tried does not hang on what was right (Angelopoulos et al. 2021, arXiv:2110.01052). So a
    threshold whose true risk is higher is chosen in at most 5 % of cases.

    Raises RunError as `selective_predictions` does, and where there are fewer than two clusters.
    """
    answers = selective_predictions(run)
    choosing = half(run.benchmark, answers)
    grid = _grid(answers, choosing)
    tried = [(threshold, _bound(answers, choosing & (answers.confidence >= threshold))) for threshold in grid]
    passing = [(threshold, bound) for threshold, bound in tried if bound <= risk]
    threshold, bound = min(passing) if passing else (None, None)
    return Abstention(
        wished=risk,
        threshold=threshold,
        bound=bound,
        best=min(bound for _, bound in tried),
        chosen=_answered(answers, choosing, threshold),
        told=_answered(answers, ~choosing, threshold),
    )


def half(benchmark: Benchmark, answers: SelectivePredictions) -> Flags:
    """Which of the pairs are in the half of the clusters to choose on; the others are there to measure on.

    Drawn by a hash of the cluster's name, so it is the same for every run and whatever the order of the file. Raises
    RunError where there are fewer than two clusters.
    """
    names = [benchmark.pairs[place].cluster for place in answers.pair.tolist()]
    drawn = sorted(set(names), key=_chance)
    if len(drawn) < 2:
        raise RunError(
            f"{benchmark.name}: too few pairs with a human label to choose a threshold on half and tell of it on half",
            "judge more pairs: edge-judge eval with a larger --limit",
        )
    chosen = set(drawn[: len(drawn) // 2])
    return np.array([name in chosen for name in names], np.bool_)


def _chance(name: str) -> bytes:
    return sha256(f"{SEED}\nhalf\n{name}".encode(errors="surrogatepass")).digest()  # JSON may name half a cluster


def _refuse_without_probabilities(verdicts: Frame, who: Identity) -> None:
    """A valid verdict without a probability is neither sure nor unsure."""
    with_p = verdicts["p_a"].notna()
    without = int(((verdicts["verdict"] != NONE) & ~with_p).sum())
    if without or (len(verdicts) and not with_p.any()):
        some = f"{without or len(verdicts):,} of {len(verdicts):,}"
        raise RunError(
            f"{run_name(who)}: {some} verdicts have no probability, so nobody knows how sure they are",
            "judge with a grammar that reads probabilities: edge-judge eval --grammar pairwise",
        )


def _step(answers: SelectivePredictions, wished: float) -> CoveragePoint:
    threshold = float(np.sort(answers.confidence)[::-1][ceil(wished * len(answers.pair)) - 1])
    answered = answers.confidence >= threshold
    return CoveragePoint(wished, threshold, float(answered.mean()), _rate(answers, answered, right=False))


def _grid(answers: SelectivePredictions, choosing: Flags) -> list[float]:
    falling = np.sort(answers.confidence[choosing])[::-1]
    places = {ceil(len(falling) * share / GRID) - 1 for share in range(1, GRID + 1)}
    return sorted({float(falling[place]) for place in places}, reverse=True)


def _bound(answers: SelectivePredictions, answered: Flags) -> float:
    """The upper confidence bound of the risk on these pairs, at least one, at one threshold's level of the grid."""
    trials = answered[answers.place]
    wrong = ~answers.right[trials]
    size = effective_size(wrong.astype(int), answers.cluster[answers.place][trials])
    errors = float(wrong.mean()) * size
    return 1.0 if wrong.all() else float(betaincinv(errors + 1, size - errors, 1 - DELTA / GRID))


def _answered(answers: SelectivePredictions, among: Flags, threshold: float | None) -> ThresholdEffect:
    sure = np.zeros_like(among) if threshold is None else answers.confidence >= threshold
    return ThresholdEffect(
        coverage=rate(sure[among], answers.cluster[among]),
        accuracy=_rate(answers, among & sure, right=True),
        risk=_rate(answers, among & sure, right=False),
        unfiltered=_rate(answers, among, right=True),
    )


def _rate(answers: SelectivePredictions, answered: Flags, *, right: bool) -> Figure:
    trials = answered[answers.place]
    return rate(answers.right[trials] == right, answers.cluster[answers.place][trials])
