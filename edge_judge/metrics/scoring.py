"""Verdicts -> figures with intervals.

Two profiles, never mixed. `strict`, the headline: a missing verdict is wrong and is counted as a format
error. `paper`: the one figure of the published table, made as that table was made, to be laid beside it; in
what it could not be made so, `DEPARTURES` says how much that can weigh.

Knows: what each figure means, and that a figure that cannot be computed is None.
Does not know: models, files, how a figure is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_judge.metrics.intervals import Bootstrap, mean, rate, ratio
from edge_judge.metrics.trials import NONE, TIE, A, B, Trials, align
from edge_judge.records import ORDERS, Benchmark, Figure, Identity, Label, Order, Pair, Score, Verdict, to_pair_order

if TYPE_CHECKING:
    from edge_judge.metrics.intervals import Codes, Flags, Numbers

CALIBRATION_BINS = 10
AGREEMENT_IN_PAPER = frozenset({"auto-j"})  # every other published figure is an accuracy in the given order
DEPARTURES = {
    "pandalm": (
        "the published figures take a random annotator's label on 49 of 999 items, ours the majority's: "
        "another label on 1.6 % of items on average, on 4.9 % at most"
    )
}


def score(benchmark: Benchmark, verdicts: Iterable[Verdict], identity: Identity) -> Score:
    """Every figure of a run, complete or not. Raises RunError for a verdict on no pair of it.

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
                       width (Naeini et al. 2015, AAAI), a missing verdict left out; in [0, 1]
    mean_mass          the mean share of all probability that lay on legal verdicts; in [0, 1]
    truncated          verdicts on shortened answers among all verdicts

    Under `paper`, where a missing verdict is a tie: `agreement` for Auto-J, over votes on pairs judged in
    both orders, and for the others `accuracy` in the order given. A vote is held to the verdict in the order
    in which it saw the answers; where that order was not judged the vote is left out, which only happens to
    MT-Bench and a run in one order. One thing is not as in the published table: PandaLM's labels, where a
    random draw is replaced by the majority (`DEPARTURES`).

    Baselines and the human ceiling are over the same pairs as the verdicts, and the same orders.
    """
    table = align(benchmark, verdicts)
    judged, orders = judged_in(benchmark, table)
    return Score(
        benchmark=identity.benchmark,
        model=identity.model,
        scheme=identity.scheme,
        grammar=identity.grammar,
        pairs=len(judged.pairs),
        verdicts=len(table.pair),
        strict=_strict(table),
        paper=_paper(table, benchmark.name),
        baselines=baselines(judged, orders),
        human_ceiling=human_ceiling(judged),
    )


def judged_in(benchmark: Benchmark, table: Trials) -> tuple[Benchmark, list[Order]]:
    """The benchmark cut to the pairs that have a verdict, and the orders that any has one in."""
    pairs = tuple(benchmark.pairs[place] for place in sorted({*table.pair.tolist()}))
    return replace(benchmark, pairs=pairs), [order for place, order in enumerate(ORDERS) if place in table.reverse]


def baselines(benchmark: Benchmark, orders: Sequence[Order] = ORDERS) -> Mapping[str, Figure]:
    """What judges that do not read get, as strict accuracy over these orders of every pair.

    always_first, always_second: the answer shown first, or second; over both orders they get exactly the
    same, over one the benchmark's own imbalance tells them apart. longest: the answer with more characters,
    and where they are equally long a tie if ties are legal. random: every legal verdict equally often, given
    as the exact expectation, which has no interval.
    """

    def naming(verdict: Callable[[Pair, Order], Label | None]) -> Figure:
        named = (Verdict(pair.id, order, verdict(pair, order)) for pair in benchmark.pairs for order in orders)
        return accuracy(align(benchmark, named))

    return {
        "always_first": naming(lambda _, order: to_pair_order(order, "a")),
        "always_second": naming(lambda _, order: to_pair_order(order, "b")),
        "longest": naming(lambda pair, _: _longer(pair, benchmark.ties)),
        "random": _expected(benchmark),
    }


def human_ceiling(benchmark: Benchmark) -> Figure:
    """How often a vote agrees with the majority of the other votes on its pair: what a judge can be asked for.

    Over votes whose pair's other votes have a single most frequent label; where they have none (because there
    are no others, or two labels are equally frequent) there is nothing to agree with and the vote is not
    counted. Clustered as everything else. Undefined where no pair has several votes.
    """
    import numpy as np

    found = [(agrees, pair.cluster) for pair in benchmark.pairs for agrees in _with_the_others(pair)]
    clusters = np.unique([cluster for _, cluster in found], return_inverse=True)[1]
    return rate(np.array([agrees for agrees, _ in found], np.bool_), clusters)


def _with_the_others(pair: Pair) -> list[bool]:
    """For each vote that the others have a majority for: whether it is that majority."""
    agreeing = []
    for vote in pair.labels:
        others = (Counter(pair.labels) - Counter([vote])).most_common()
        if others and (len(others) == 1 or others[0][1] > others[1][1]):
            agreeing.append(others[0][0] == vote)
    return agreeing


def near_chance(figure: Figure, without_model: Mapping[str, Figure]) -> bool:
    """Whether an accuracy's interval reaches down to the best baseline. False where it is undefined."""
    values = [baseline.value for baseline in without_model.values() if baseline.value is not None]
    return figure.low is not None and bool(values) and figure.low <= max(values)


def accuracy(table: Trials) -> Figure:
    """Right verdicts over all trials."""
    import numpy as np

    return _right(table, np.arange(len(table.pair)), table.verdict)


def _right(table: Trials, rows: Codes, verdict: Codes) -> Figure:
    """The share of trials on these rows in which the verdict (shape of rows) is the vote."""
    place, label = table.trials(rows)
    return rate(verdict[place] == label, table.cluster[rows][place])


def _strict(table: Trials) -> dict[str, Figure]:
    bootstrap = Bootstrap(table.groups)
    forward, backward = table.twice()
    first, second = table.verdict[forward], table.verdict[backward]
    same = (first == second) & (first != NONE)
    return {
        "accuracy": accuracy(table),
        "agreement": _right(table, forward, _where(same, first)),
        "consistency": rate(same, table.cluster[forward]),
        "position_bias": _position_bias(table, bootstrap),
        "tie_rate": rate(table.verdict == TIE, table.cluster),
        "format_errors": rate(table.verdict == NONE, table.cluster),
        "debiased_accuracy": _debiased(table),
        **_over_confusions(table, bootstrap),
        **_calibration(table, bootstrap),
        "mean_mass": _mean_mass(table, bootstrap),
        "truncated": rate(table.truncated, table.cluster),
    }


def _paper(table: Trials, benchmark: str) -> dict[str, Figure]:
    name = "agreement" if benchmark in AGREEMENT_IN_PAPER else "accuracy"
    return {name: rate(*paper_trials(table, benchmark))}


def paper_trials(table: Trials, benchmark: str) -> tuple[Flags, Codes]:
    """The trials of the one figure under `paper`: whether each is right, and its cluster, both of shape (trials,).

    As UnlimitedJudge@f7d6167d src/build_dataset.py counts them: an unreadable verdict is a tie. Which trials there
    are depends on the pairs and orders alone, so those of two runs on the same are paired.
    """
    lenient = _where(table.verdict != NONE, table.verdict, TIE)
    if benchmark in AGREEMENT_IN_PAPER:
        forward, backward = table.twice()
        said = _where(lenient[forward] == lenient[backward], lenient[forward])
        place, label = table.trials(forward)
        return said[place] == label, table.cluster[forward][place]
    rows, label = table.given()
    return lenient[rows] == label, table.cluster[rows]


def _where(keep: Flags, verdict: Codes, otherwise: int = NONE) -> Codes:
    import numpy as np

    return np.where(keep, verdict, otherwise)


def _position_bias(table: Trials, bootstrap: Bootstrap) -> Figure:
    """Share of verdicts for the answer shown first minus share for the one shown second; 0 is none.

    Over pairs judged in both orders, ties and missing verdicts counting in the denominator: only there does a
    judge without the bias get 0 whatever the labels are, because every verdict that survives the swap
    cancels. What is left are the verdicts that follow the position ("biased toward first" minus "biased
    toward second" in Zheng et al. 2023, arXiv:2306.05685, table 2). Figures about the order shown keep their
    sign when A and B are renamed.
    """
    import numpy as np

    rows = np.concatenate(table.twice())
    reverse, verdict = table.reverse[rows], table.verdict[rows]
    first = verdict == np.where(reverse == 1, B, A)
    second = verdict == np.where(reverse == 1, A, B)
    columns = np.stack([first.astype(float) - second, np.ones(len(rows))], axis=1)
    return bootstrap.figure(columns, table.cluster[rows], mean, (-1.0, 1.0))


def _debiased(table: Trials) -> Figure:
    import numpy as np

    forward, backward = table.twice()
    usable = table.with_p()[forward] & table.with_p()[backward]
    rows = forward[usable]
    both = (table.p[rows] + table.p[backward[usable]]) / 2
    if not len(rows):
        return Figure(None)
    alone = (both == both.max(axis=1, keepdims=True)).sum(axis=1) == 1
    return _right(table, rows, np.where(alone, both.argmax(axis=1), TIE))


def _over_confusions(table: Trials, bootstrap: Bootstrap) -> dict[str, Figure]:
    """Macro-F1 and kappa, from counts of (vote, verdict): 3 x 4 columns, of which each trial fills one."""
    import numpy as np

    place, label = table.trials(np.arange(len(table.pair)))
    columns = np.eye(12)[label * 4 + table.verdict[place]]
    clusters = table.cluster[place]
    return {
        "macro_f1": bootstrap.figure(columns, clusters, _macro_f1(np.unique(label)), (0.0, 1.0)),
        "kappa": bootstrap.figure(columns, clusters, _kappa, (-1.0, 1.0)),
    }


def _macro_f1(classes: Codes) -> Callable[[Numbers], Numbers]:
    def statistic(totals: Numbers) -> Numbers:
        counts = totals.reshape(-1, 3, 4)
        hits = counts[:, classes, classes]
        votes, verdicts = counts.sum(axis=2)[:, classes], counts.sum(axis=1)[:, classes]
        shares: Numbers = ratio(2 * hits, votes + verdicts).mean(axis=1)
        return shares

    return statistic


def _kappa(totals: Numbers) -> Numbers:
    counts = totals.reshape(-1, 3, 4)
    n = counts.sum(axis=(1, 2))
    observed = ratio(counts[:, range(3), range(3)].sum(axis=1), n)
    expected = ratio((counts.sum(axis=2) * counts.sum(axis=1)[:, :3]).sum(axis=1), n**2)
    return ratio(observed - expected, 1 - expected)


def _calibration(table: Trials, bootstrap: Bootstrap) -> dict[str, Figure]:
    """Brier and expected calibration error over the trials that have probabilities."""
    import numpy as np

    rows = np.flatnonzero(table.with_p())
    place, label = table.trials(rows)
    squares = ((table.p[rows][place] - np.eye(3)[label]) ** 2).sum(axis=1)
    columns = np.stack([squares, np.ones(len(place))], axis=1)
    return {
        "brier": bootstrap.figure(columns, table.cluster[rows][place], mean, (0.0, 2.0)),
        "ece": _ece(table, bootstrap),
    }


def _ece(table: Trials, bootstrap: Bootstrap) -> Figure:
    import numpy as np

    rows = np.flatnonzero(table.with_p() & (table.verdict != NONE))
    place, label = table.trials(rows)
    said = table.verdict[rows][place]
    confidence = table.p[rows][place, said]
    cell = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    apart = np.eye(CALIBRATION_BINS)[cell] * (confidence - (said == label))[:, None]
    columns = np.concatenate([apart, np.ones((len(place), 1))], axis=1)
    return bootstrap.figure(columns, table.cluster[rows][place], _mean_gap, (0.0, 1.0))


def _mean_gap(totals: Numbers) -> Numbers:
    """From every bin's sum of confidence minus right, and the number of trials."""
    return ratio(abs(totals[:, :-1]).sum(axis=1), totals[:, -1])


def _mean_mass(table: Trials, bootstrap: Bootstrap) -> Figure:
    import numpy as np

    rows = np.flatnonzero(~np.isnan(table.mass))
    columns = np.stack([table.mass[rows], np.ones(len(rows))], axis=1)
    return bootstrap.figure(columns, table.cluster[rows], mean, (0.0, 1.0))


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
