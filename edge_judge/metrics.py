"""Verdicts -> figures with intervals.

Two profiles, never mixed. `strict`, the headline: a missing verdict is wrong and is counted as a format
error. `paper`: the one figure of the published table, made as that table was made, to be laid beside it.

Knows: what each figure means, and that a figure that cannot be computed is None.
Does not know: models, files, how a figure is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from edge_judge.intervals import Bootstrap, mean, rate, ratio
from edge_judge.records import ORDERS, Benchmark, Figure, Identity, Label, Pair, Score, Verdict, undo
from edge_judge.tally import NONE, TIE, A, B, Tally, tally

if TYPE_CHECKING:
    from edge_judge.intervals import Codes, Flags, Numbers

CALIBRATION_BINS = 10
AGREEMENT_IN_PAPER = frozenset({"auto-j"})  # every other published figure is an accuracy in the given order


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
    ece                expected calibration error: the greatest p against the share of right verdicts,
                       in 10 bins of equal width (Naeini et al. 2015, AAAI); in [0, 1]
    mean_mass          the mean share of all probability that lay on legal verdicts; in [0, 1]

    Under `paper`, where a missing verdict is a tie: `agreement` for Auto-J, and for the others `accuracy` in
    the order given.
    """
    table = tally(benchmark, verdicts)
    return Score(
        benchmark=identity.benchmark,
        model=identity.model,
        scheme=identity.scheme,
        grammar=identity.grammar,
        pairs=len(set(table.pair.tolist())),
        verdicts=len(table.pair),
        strict=_strict(table),
        paper=_paper(table, benchmark.name),
    )


def baselines(benchmark: Benchmark) -> Mapping[str, Figure]:
    """What judges that do not read get, as strict accuracy over both orders of every pair.

    always_first: the answer shown first (naming always the second gets exactly the same, both orders being
    asked); longest: the answer with more characters, and where they are equally long a tie if ties are legal;
    random: every legal verdict equally often, given as the exact expectation, which has no interval. Pass the
    benchmark cut to the pairs that were judged to compare like with like.
    """
    first = [Verdict(pair.id, order, undo(order, "a")) for pair in benchmark.pairs for order in ORDERS]
    longest = [
        Verdict(pair.id, order, _longer(pair, benchmark.ties)) for pair in benchmark.pairs for order in ORDERS
    ]
    return {
        "always_first": accuracy(tally(benchmark, first)),
        "longest": accuracy(tally(benchmark, longest)),
        "random": _expected(benchmark),
    }


def near_chance(figure: Figure, without_model: Mapping[str, Figure]) -> bool:
    """Whether an accuracy's interval reaches down to the best baseline. False where it is undefined."""
    values = [baseline.value for baseline in without_model.values() if baseline.value is not None]
    return figure.low is not None and bool(values) and figure.low <= max(values)


def accuracy(table: Tally) -> Figure:
    """Right verdicts over all trials."""
    import numpy as np

    return _right(table, np.arange(len(table.pair)), table.verdict)


def _right(table: Tally, rows: Codes, verdict: Codes) -> Figure:
    """The share of trials on these rows in which the verdict (shape of rows) is the vote."""
    place, label = table.trials(rows)
    return rate(verdict[place] == label, table.cluster[rows][place])


def _strict(table: Tally) -> dict[str, Figure]:
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
    }


def _paper(table: Tally, benchmark: str) -> dict[str, Figure]:
    """As UnlimitedJudge@f7d6167d src/build_dataset.py computes it: an unreadable verdict is a tie."""
    lenient = _where(table.verdict != NONE, table.verdict, TIE)
    if benchmark in AGREEMENT_IN_PAPER:
        forward, backward = table.twice()
        same = lenient[forward] == lenient[backward]
        return {"agreement": _right(table, forward, _where(same, lenient[forward]))}
    rows = table.given()
    return {"accuracy": _right(table, rows, lenient[rows])}


def _where(keep: Flags, verdict: Codes, otherwise: int = NONE) -> Codes:
    import numpy as np

    return np.where(keep, verdict, otherwise)


def _position_bias(table: Tally, bootstrap: Bootstrap) -> Figure:
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


def _debiased(table: Tally) -> Figure:
    import numpy as np

    forward, backward = table.twice()
    usable = table.with_p()[forward] & table.with_p()[backward]
    rows = forward[usable]
    both = (table.p[rows] + table.p[backward[usable]]) / 2
    if not len(rows):
        return Figure(None)
    alone = (both == both.max(axis=1, keepdims=True)).sum(axis=1) == 1
    return _right(table, rows, np.where(alone, both.argmax(axis=1), TIE))


def _over_confusions(table: Tally, bootstrap: Bootstrap) -> dict[str, Figure]:
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


def _calibration(table: Tally, bootstrap: Bootstrap) -> dict[str, Figure]:
    """Brier and expected calibration error over the trials that have probabilities."""
    import numpy as np

    rows = np.flatnonzero(table.with_p())
    place, label = table.trials(rows)
    p, clusters = table.p[rows][place], table.cluster[rows][place]
    squares = ((p - np.eye(3)[label]) ** 2).sum(axis=1)
    confidence, right = p.max(axis=1, initial=0.0), table.verdict[rows][place] == label
    cell = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    apart = np.eye(CALIBRATION_BINS)[cell] * (confidence - right)[:, None]
    gaps = np.concatenate([apart, np.ones((len(p), 1))], axis=1)
    return {
        "brier": bootstrap.figure(np.stack([squares, np.ones(len(p))], axis=1), clusters, mean, (0.0, 2.0)),
        "ece": bootstrap.figure(gaps, clusters, _ece, (0.0, 1.0)),
    }


def _ece(totals: Numbers) -> Numbers:
    """From every bin's sum of confidence minus right, and the number of trials."""
    return ratio(abs(totals[:, :-1]).sum(axis=1), totals[:, -1])


def _mean_mass(table: Tally, bootstrap: Bootstrap) -> Figure:
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
