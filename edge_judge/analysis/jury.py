"""Several judges of the same pairs -> what they say together, and how far they say the same.

Two juries. *Majority*: the verdict that most jurors gave, on each pair and order. Where several are given equally often
it is a tie, if ties are legal; if not, the one of them with the greatest mean probability. *Mean probability*: the
most probable verdict by the mean of the jurors' probabilities, a tie where several are greatest and ties are legal. A
juror without a valid verdict has no say; where nobody has one, neither has the jury, which is then wrong.

Where ties are not legal a jury may be *undecided*: votes are even and no probability tells, as an even number of jurors
without probabilities often is. That is no verdict of anybody, right or wrong: it is counted on its own.

Knows: accuracy as `compare` counts it, every verdict against every human vote on its pair.
Does not know: files, where the jurors' differences come from, how a jury is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from edge_judge.analysis.compare import gain, in_common
from edge_judge.errors import RunError
from edge_judge.metrics.alignment import NONE, TIE, most_probable
from edge_judge.metrics.intervals import Bootstrap, Codes, Flags, Numbers, ratio
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.scoring import cohen
from edge_judge.metrics.trials import VERDICT, Frame, codes, probabilities, share
from edge_judge.records import LABELS, Figure, Identity

KINDS = len(LABELS) + 1  # of verdict, none being one
UNDECIDED = KINDS  # the code of a jury's verdict where it has none though jurors have


@dataclass(frozen=True, slots=True)
class Juror:
    """One judge alone, on the verdicts common to all."""

    identity: Identity
    accuracy: Figure
    format_errors: Figure


@dataclass(frozen=True, slots=True)
class CombinedJury:
    """One way to combine the jurors. accuracy: where the jury is decided; undecided: the share of verdicts where it is
    not. gain: points of accuracy over the best juror on the trials that were decided. That juror was chosen on the same
    trials, which flatters the juror, not the jury. Without a value where a juror has no probabilities to be combined.
    """

    name: str
    accuracy: Figure
    gain: Figure
    undecided: Figure = Figure(None)


@dataclass(frozen=True, slots=True)
class JurorPair:
    """Two jurors. agreement: the share of verdicts on which both say the same; kappa: Cohen's (1960)."""

    first: Identity
    second: Identity
    agreement: Figure
    kappa: Figure


@dataclass(frozen=True, slots=True)
class Jury:
    """The jurors alone, together, two by two, and all at once: Fleiss' kappa (1971).

    trials: verdicts against human votes. best: the place among the jurors of the one that is right most often, the
    first where several are; None without a trial.
    """

    pairs: int
    verdicts: int
    trials: int
    jurors: tuple[Juror, ...]
    best: int | None
    together: tuple[CombinedJury, ...]
    twos: tuple[JurorPair, ...]
    fleiss: Figure


@dataclass(frozen=True, slots=True, eq=False)
class JuryVotes:
    """The verdicts of both juries, as codes of shape (rows,). mean: None where a juror has no probabilities; p: the
    mean of the jurors' probabilities, shape (rows, 3).
    """

    majority: Codes
    mean: Codes | None
    p: Numbers


def jury(runs: Sequence[RecordedRun]) -> Jury:
    """At least two runs on one benchmark, over the pairs and orders that all have judged; they may differ in anything.

    Agreement is over verdicts, whether people judged the pair or not. In its rate a missing verdict agrees with
    nothing; in both kappas it is a category of its own, as in `scoring.score`. No kappa is defined where one verdict is
    all that is ever given.

    Raises RunError for fewer than two runs, and where they have no pair and order in common.
    """
    if len(runs) < 2:
        raise RunError("a jury needs at least two runs", "name the folders of several runs on one benchmark")
    tables = in_common(runs)
    opinions = _opinions(tables)
    trials = runs[0].trials.merge(tables[0][VERDICT].assign(row=np.arange(len(tables[0]))), on=VERDICT)
    right = opinions[:, codes(trials, "row")] == codes(trials, "label")
    best = int(right.sum(axis=1).argmax()) if len(trials) else None
    voted = vote(tables, ties=runs[0].benchmark.ties)
    combined = {"majority": voted.majority, "mean probability": voted.mean}
    names = [run.identity for run in runs]
    return Jury(
        pairs=tables[0]["pair"].nunique(),
        verdicts=len(tables[0]),
        trials=len(trials),
        jurors=tuple(
            Juror(name, share(hits, trials), share(codes(table, "verdict") == NONE, table))
            for name, hits, table in zip(names, right, tables, strict=True)
        ),
        best=best,
        together=tuple(
            _combined(name, verdict, tables[0], trials, right[best or 0]) for name, verdict in combined.items()
        ),
        twos=tuple(_juror_pair(*two) for two in combinations(zip(names, tables, strict=True), 2)),
        fleiss=fleiss(opinions, codes(tables[0], "cluster")),
    )


def vote(tables: Sequence[Frame], *, ties: bool) -> JuryVotes:
    """What jurors say together. tables: frames of verdicts, row by row on the same pairs and orders; ties: whether a
    tie is a legal verdict.
    """
    p, all_with_p = mean_probability(tables), all(table["p_a"].notna().any() for table in tables)
    greatest = np.where(np.isnan(p[:, 0]), NONE, _greatest(p, np.ones(p.shape, np.bool_), ties))
    return JuryVotes(majority(_opinions(tables), p, ties=ties), greatest if all_with_p else None, p)


def _opinions(tables: Sequence[Frame]) -> Codes:
    """The codes of the jurors' verdicts, shape (jurors, rows)."""
    return np.stack([codes(table, "verdict") for table in tables])


def majority(opinions: Codes, p: Numbers, *, ties: bool) -> Codes:
    """The verdict that most jurors gave on each row, `UNDECIDED` where nothing tells.

    opinions: codes of verdicts, shape (jurors, rows); p: the mean of their probabilities, shape (rows, 3).
    """
    given = np.stack([(opinions == code).sum(axis=0) for code in range(len(LABELS))], axis=1)
    ahead = (given == given.max(axis=1, keepdims=True)) & (given > 0)
    several = np.full(len(p), TIE) if ties else _greatest(p, ahead, ties)
    verdict = np.where(ahead.sum(axis=1) == 1, ahead.argmax(axis=1), several)
    return np.where(ahead.any(axis=1), verdict, NONE)


def _greatest(p: Numbers, among: Flags, ties: bool) -> Codes:
    """The most probable of some verdicts on each row. p, among: shape (rows, 3)."""
    open_to_all = np.where(among, p, -1.0)
    greatest = most_probable(open_to_all)
    if ties:
        return greatest
    several = (open_to_all == open_to_all.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.where(several | np.isnan(open_to_all).any(axis=1), UNDECIDED, greatest)


def mean_probability(tables: Sequence[Frame]) -> Numbers:
    """The mean of the probabilities of the jurors that have a verdict, shape (rows, 3); nan where none has any.

    tables: frames of verdicts, row by row on the same pairs and orders.
    """
    missing = np.stack([codes(table, "verdict") == NONE for table in tables])
    p = np.where(missing[..., None], np.nan, np.stack([probabilities(table) for table in tables]))
    return ratio(np.nansum(p, axis=0), (~np.isnan(p)).sum(axis=0))


def _combined(name: str, verdict: Codes | None, table: Frame, trials: Frame, best: Flags) -> CombinedJury:
    if verdict is None:
        return CombinedJury(name, Figure(None), Figure(None))
    undecided = verdict == UNDECIDED
    decided = ~undecided[codes(trials, "row")]
    trials, best = trials[decided], best[decided]
    right = verdict[codes(trials, "row")] == codes(trials, "label")
    ahead = gain(right, best, codes(trials, "cluster"))
    return CombinedJury(name, share(right, trials), ahead, share(undecided, table))


def _juror_pair(first: tuple[Identity, Frame], second: tuple[Identity, Frame]) -> JurorPair:
    (name, table), (other, against) = first, second
    ours, theirs, clusters = codes(table, "verdict"), codes(against, "verdict"), codes(table, "cluster")
    cells = np.eye(KINDS * KINDS)[KINDS * ours + theirs]
    kappa = Bootstrap(clusters).figure(cells, clusters, cohen(KINDS, KINDS), (-1.0, 1.0))
    return JurorPair(name, other, share((ours == theirs) & (ours != NONE), table), kappa)


def fleiss(opinions: Codes, clusters: Codes) -> Figure:
    """Agreement of all jurors beyond chance (Fleiss 1971, Psychological Bulletin 76:378-382).

    opinions: codes of verdicts, shape (jurors, rows), at least two jurors; clusters: shape (rows,), from 0 upwards.
    """
    jurors = len(opinions)
    given = np.stack([(opinions == code).sum(axis=0) for code in range(KINDS)], axis=1).astype(float)
    agreeing = ((given**2).sum(axis=1) - jurors) / (jurors * (jurors - 1))
    columns = np.column_stack([agreeing, given / jurors, np.ones(len(given))])
    return Bootstrap(clusters).figure(columns, clusters, _beyond_chance, (-1.0, 1.0))


def _beyond_chance(totals: Numbers) -> Numbers:
    """From the sums of agreement, of each kind's share, and the number of rows."""
    shares = ratio(totals[:, 1:-1], totals[:, -1:].repeat(KINDS, axis=1))
    expected = (shares**2).sum(axis=1)
    return ratio(ratio(totals[:, 0], totals[:, -1]) - expected, 1 - expected)
