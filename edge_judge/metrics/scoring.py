"""Verdicts -> figures with intervals.

Two profiles, never mixed. `strict`, the headline: a missing verdict is wrong and is counted as a format
error. `paper`: the one figure of the published table, made as that table was made, to be laid beside it; in
what it could not be made so, `DEPARTURES` says how much that can weigh.

Knows: what each figure means, and that a figure that cannot be computed is None.
Does not know: models, files, how a figure is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_judge.metrics.alignment import NONE, TIE, A, Alignment, B, most_probable
from edge_judge.metrics.intervals import Bootstrap, Codes, Flags, Numbers, rate, ratio
from edge_judge.records import LABELS, ORDERS, Benchmark, Figure, Identity, Label, Order, Pair, Score, to_pair_order

CALIBRATION_BINS = 10
AGAINST_MAJORITY = frozenset({"pandalm"})  # several people voted, and verdicts are held to what most of them said
AGREEMENT_IN_PAPER = frozenset({"auto-j"})  # every other published figure is an accuracy in the given order
DEPARTURES = {
    "pandalm": (
        "the published figures take a random annotator's label on 49 of 999 items, ours the majority's: "
        "another label on 1.6 % of items on average, on 4.9 % at most"
    )
}


def score(aligned: Alignment, identity: Identity) -> Score:
    """Every figure of a run, complete or not.

    Rates are shares in [0, 1], with k and n. The figures under `strict`:

    accuracy           right verdicts, over every verdict given and every human vote on its pair
    agreement          right in both orders, over votes on pairs judged in both
    consistency        the same verdict in both orders (none is not a verdict), over pairs judged in both
    position_bias      see `_position_bias`; in [-1, 1], not a rate
    tie_rate           ties among all verdicts
    format_errors      missing verdicts among all verdicts
    debiased_accuracy  of the verdict from the mean of both orders' probabilities, over votes on pairs with
                       both (after the balanced position calibration of Wang et al. 2023,
                       arXiv:2305.17926). Equal maxima are a tie.
    macro_f1           the unweighted mean of F1 over the labels that occur among the votes; in [0, 1]
    kappa              agreement with the votes beyond chance (Cohen 1960), a missing verdict being a category
                       of its own; in [-1, 1]
    brier              squared distance of p from the vote, summed over the labels (Brier 1950); in [0, 2]
    ece                expected calibration error: p of the verdict given (not always the greatest: a verdict
                       may come from more than p) against the share of right verdicts, in 10 bins of equal
                       width (Naeini et al. 2015, AAAI), a missing verdict left out, less what chance alone adds
                       (after Kumar, Liang & Ma 2019, see `Bootstrap.absolute_sum`); in [0, 1]
    mean_mass          the mean share of all probability that lay on legal verdicts; in [0, 1]
    truncated          verdicts on shortened answers among all verdicts

    Under `paper`, where a missing verdict is a tie: `agreement` for Auto-J, over votes on pairs judged in
    both orders, and for the others `accuracy` in the order given. A vote is held to the verdict in the order
    in which it saw the answers; where that order was not judged the vote is left out, which only happens to
    MT-Bench and a run in one order. One thing is not as in the published table: PandaLM's labels, where a
    random draw is replaced by the majority (`DEPARTURES`).

    Baselines, human agreement and what is attainable are over the same pairs as the verdicts, and the same orders.
    """
    judged, orders = judged_in(aligned.benchmark, aligned.pair, aligned.reverse)
    return Score(
        benchmark=identity.benchmark,
        model=identity.model,
        scheme=identity.scheme,
        grammar=identity.grammar,
        pairs=len(judged.pairs),
        verdicts=len(aligned.pair),
        strict=_strict(aligned),
        paper=_paper(aligned),
        baselines=baselines(judged, orders),
        human_agreement=human_agreement(judged),
        attainable=attainable(judged),
    )


def judged_in(benchmark: Benchmark, places: Codes, reverse: Codes) -> tuple[Benchmark, list[Order]]:
    """The benchmark cut to the pairs that have a verdict, and the orders that any has one in.

    places, reverse: of each verdict, its pair's place in the benchmark and the code of its order.
    """
    pairs = tuple(benchmark.pairs[place] for place in np.unique(places))
    return replace(benchmark, pairs=pairs), [order for code, order in enumerate(ORDERS) if code in reverse]


def baselines(benchmark: Benchmark, orders: Sequence[Order] = ORDERS) -> Mapping[str, Figure]:
    """What judges that do not read get, as strict accuracy over these orders of every pair.

    always_first, always_second: the answer shown first, or second; over both orders they get exactly the
    same, over one the benchmark's own imbalance tells them apart. longest: the answer with more characters,
    and where they are equally long a tie if ties are legal. random: every legal verdict equally often, given
    as the exact expectation, which has no interval.
    """
    trials = [(pair, order, vote) for pair in benchmark.pairs for order in orders for vote in pair.labels]
    clusters = _clusters([pair for pair, _, _ in trials])

    def naming(verdict: Callable[[Pair, Order], Label | None]) -> Figure:
        return rate(np.array([verdict(pair, order) == vote for pair, order, vote in trials], np.bool_), clusters)

    return {
        "always_first": naming(lambda _, order: to_pair_order(order, "a")),
        "always_second": naming(lambda _, order: to_pair_order(order, "b")),
        "longest": naming(lambda pair, _: _longer(pair, benchmark.ties)),
        "random": _expected(benchmark),
    }


def human_agreement(benchmark: Benchmark) -> Figure:
    """How often a vote agrees with the majority of the other votes on its pair.

    That is not the most a judge can reach: a vote is held to the others alone, a judge to all (see `attainable`).
    Over votes whose pair's other votes have a single most frequent label; where they have none (because there
    are no others, or two labels are equally frequent) there is nothing to agree with and the vote is not
    counted. Clustered as everything else. Undefined where no pair has several votes.
    """
    votes = [(agrees, pair) for pair in benchmark.pairs for agrees in _with_the_others(pair)]
    return rate(np.array([agrees for agrees, _ in votes], np.bool_), _clusters([pair for _, pair in votes]))


def attainable(benchmark: Benchmark) -> Figure:
    """The share of votes that the best possible judge agrees with: always what most votes on the pair say.

    That judge knows the votes; one that knows only what people tend to say gets less. It says a tie only where ties are
    legal. Over every vote on every pair, as accuracy is, but for the benchmarks `AGAINST_MAJORITY`, where an accuracy
    of 1 can be reached. Undefined where no pair has several votes.
    """
    votes = [
        (place < _most(pair, benchmark.ties), pair) for pair in benchmark.pairs for place in range(len(pair.people))
    ]
    if all(len(pair.people) < 2 for pair in benchmark.pairs):
        return Figure(None)
    return rate(np.array([agrees for agrees, _ in votes], np.bool_), _clusters([pair for _, pair in votes]))


def _most(pair: Pair, ties: bool) -> int:
    """How many votes agree with the legal verdict that most of them give."""
    return max(pair.people.count(label) for label in LABELS if ties or label != "tie")


def _clusters(pairs: Sequence[Pair]) -> Codes:
    """A code for the cluster of each pair."""
    return np.unique([pair.cluster for pair in pairs], return_inverse=True)[1].astype(np.int64)


def _with_the_others(pair: Pair) -> list[bool]:
    """For each vote that the others have a majority for: whether it is that majority."""
    others = [(vote, majority(Counter(pair.people) - Counter([vote]))) for vote in pair.people]
    return [vote == label for vote, label in others if label is not None]


def majority(votes: Counter[Label]) -> Label | None:
    """The label that more votes gave than any other; None where two are ahead, or there are no votes."""
    first = votes.most_common(2)
    return first[0][0] if first and (len(first) == 1 or first[0][1] > first[1][1]) else None


def near_chance(figure: Figure, without_model: Mapping[str, Figure]) -> bool:
    """Whether an accuracy's interval reaches down to the best baseline. False where it is undefined."""
    values = [baseline.value for baseline in without_model.values() if baseline.value is not None]
    return figure.low is not None and bool(values) and figure.low <= max(values)


def _right(aligned: Alignment, rows: Codes, verdict: Codes) -> Figure:
    """The share of trials on these rows in which the verdict (shape of rows) is the vote."""
    trials, place = aligned.trials_on(rows)
    return rate(verdict[place] == aligned.label[trials], aligned.cluster[rows][place])


def _strict(aligned: Alignment) -> dict[str, Figure]:
    bootstrap = Bootstrap(aligned.cluster)
    forward, backward = aligned.both_orders()
    first, second = aligned.verdict[forward], aligned.verdict[backward]
    same = (first == second) & (first != NONE)
    massed = ~np.isnan(aligned.mass)
    return {
        "accuracy": _right(aligned, np.arange(len(aligned.verdict)), aligned.verdict),
        "agreement": _right(aligned, forward, np.where(same, first, NONE)),
        "consistency": rate(same, aligned.cluster[forward]),
        "position_bias": _position_bias(aligned, bootstrap),
        "tie_rate": rate(aligned.verdict == TIE, aligned.cluster),
        "format_errors": rate(aligned.verdict == NONE, aligned.cluster),
        "debiased_accuracy": _debiased(aligned),
        **_over_confusions(aligned, bootstrap),
        **_calibration(aligned, bootstrap),
        "mean_mass": bootstrap.mean(aligned.mass[massed], aligned.cluster[massed], (0.0, 1.0)),
        "truncated": rate(aligned.truncated, aligned.cluster),
    }


def _paper(aligned: Alignment) -> dict[str, Figure]:
    name = "agreement" if aligned.benchmark.name in AGREEMENT_IN_PAPER else "accuracy"
    trials, right = paper_trials(aligned)
    return {name: rate(right, aligned.cluster[aligned.row[trials]])}


def paper_trials(aligned: Alignment) -> tuple[Codes, Flags]:
    """The trials of the one figure under `paper`, and whether each is right.

    As UnlimitedJudge@f7d6167d src/build_dataset.py counts them: an unreadable verdict is a tie. An agreement's trials
    are those of the order "ab". Which trials there are depends on the pairs and orders alone, so those of two runs on
    the same are paired.
    """
    lenient = np.where(aligned.verdict == NONE, TIE, aligned.verdict)
    if aligned.benchmark.name in AGREEMENT_IN_PAPER:
        forward, backward = aligned.both_orders()
        agreed = np.where(lenient[forward] == lenient[backward], lenient[forward], NONE)
        trials, place = aligned.trials_on(forward)
        return trials, agreed[place] == aligned.label[trials]
    trials = np.flatnonzero(aligned.in_order)
    return trials, lenient[aligned.row[trials]] == aligned.label[trials]


def _position_bias(aligned: Alignment, bootstrap: Bootstrap) -> Figure:
    """Share of verdicts for the answer shown first minus share for the one shown second; 0 is none.

    Over pairs judged in both orders, ties and missing verdicts counting in the denominator: only there does a
    judge without the bias get 0 whatever the labels are, because every verdict that survives the swap
    cancels. What is left are the verdicts that follow the position ("biased toward first" minus "biased
    toward second" in Zheng et al. 2023, arXiv:2306.05685, table 2). Figures about the order shown keep their
    sign when A and B are renamed.
    """
    rows = np.concatenate(aligned.both_orders())
    reverse, verdict = aligned.reverse[rows], aligned.verdict[rows]
    first = verdict == np.where(reverse == 1, B, A)
    second = verdict == np.where(reverse == 1, A, B)
    return bootstrap.mean(first.astype(float) - second, aligned.cluster[rows], (-1.0, 1.0))


def _debiased(aligned: Alignment) -> Figure:
    forward, backward = aligned.both_orders()
    usable = aligned.with_p()[forward] & aligned.with_p()[backward]
    rows = forward[usable]
    return _right(aligned, rows, most_probable((aligned.p[rows] + aligned.p[backward[usable]]) / 2))


def _over_confusions(aligned: Alignment, bootstrap: Bootstrap) -> dict[str, Figure]:
    """Macro-F1 and kappa, from counts of (vote, verdict): 3 x 4 columns, of which each trial fills one."""
    columns = np.eye(12)[aligned.label * 4 + aligned.verdict[aligned.row]]
    clusters = aligned.cluster[aligned.row]
    return {
        "macro_f1": bootstrap.figure(columns, clusters, _macro_f1(np.unique(aligned.label)), (0.0, 1.0)),
        "kappa": bootstrap.figure(columns, clusters, cohen(3, 4), (-1.0, 1.0)),
    }


def _macro_f1(classes: Codes) -> Callable[[Numbers], Numbers]:
    def statistic(totals: Numbers) -> Numbers:
        counts = totals.reshape(-1, 3, 4)
        hits = counts[:, classes, classes]
        votes, verdicts = counts.sum(axis=2)[:, classes], counts.sum(axis=1)[:, classes]
        shares: Numbers = ratio(2 * hits, votes + verdicts).mean(axis=1)
        return shares

    return statistic


def cohen(rows: int, columns: int) -> Callable[[Numbers], Numbers]:
    """The kappa of Cohen 1960 (Educational and Psychological Measurement 20:37-46) as a statistic of a table of counts.

    The kinds of the rows and of the columns have the same order. There may be more kinds of columns than of rows.
    """

    def statistic(totals: Numbers) -> Numbers:
        counts = totals.reshape(-1, rows, columns)
        n = counts.sum(axis=(1, 2))
        observed = ratio(counts[:, range(rows), range(rows)].sum(axis=1), n)
        expected = ratio((counts.sum(axis=2) * counts.sum(axis=1)[:, :rows]).sum(axis=1), n**2)
        return ratio(observed - expected, 1 - expected)

    return statistic


def _calibration(aligned: Alignment, bootstrap: Bootstrap) -> dict[str, Figure]:
    """Brier and expected calibration error over the trials that have probabilities."""
    trials, _ = aligned.trials_on(np.flatnonzero(aligned.with_p()))
    row = aligned.row[trials]
    squares = ((aligned.p[row] - np.eye(3)[aligned.label[trials]]) ** 2).sum(axis=1)
    return {"brier": bootstrap.mean(squares, aligned.cluster[row], (0.0, 2.0)), "ece": _ece(aligned, bootstrap)}


def _ece(aligned: Alignment, bootstrap: Bootstrap) -> Figure:
    trials, _ = aligned.trials_on(np.flatnonzero(aligned.with_p() & (aligned.verdict != NONE)))
    row = aligned.row[trials]
    verdict = aligned.verdict[row]
    confidence = aligned.p[row, verdict]
    gap = (confidence - (verdict == aligned.label[trials]))[:, None]
    columns = np.eye(CALIBRATION_BINS)[calibration_bin(confidence)] * gap
    return bootstrap.absolute_sum(columns, aligned.cluster[row], 1.0)


def calibration_bin(confidence: Numbers) -> Codes:
    """The bin of each confidence, of ten of equal width; 1 is in the last."""
    return np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)


def _longer(pair: Pair, ties: bool) -> Label | None:
    if len(pair.a) == len(pair.b):
        return "tie" if ties else None
    return "a" if len(pair.a) > len(pair.b) else "b"


def _expected(benchmark: Benchmark) -> Figure:
    """The accuracy to expect of verdicts drawn evenly from the legal ones: exact, so without an interval."""
    votes = [label for pair in benchmark.pairs for label in pair.labels]
    if not votes:
        return Figure(None)
    if benchmark.ties:
        return Figure(1 / 3)
    return Figure(sum(label != "tie" for label in votes) / len(votes) / 2)
