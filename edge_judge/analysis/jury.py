"""Several judges of the same pairs -> what they say together, and how far they say the same.

Two juries. *Majority*: the verdict that most jurors gave, on each pair and order. Where several are given equally often
it is a tie, if ties are legal; if not, the one of them with the greatest mean probability. *Mean probability*: the
most probable verdict by the mean of the jurors' probabilities, a tie where several are greatest. A juror without a
valid verdict has no say; where nobody has one, neither has the jury.

Knows: accuracy as `compare` counts it, every verdict against every human vote on its pair.
Does not know: files, where the jurors' differences come from, how a jury is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from edge_judge.analysis.compare import common, gain
from edge_judge.analysis.selective import most_probable
from edge_judge.errors import RunError
from edge_judge.metrics.intervals import Bootstrap, rate, ratio
from edge_judge.metrics.scoring import accuracy
from edge_judge.metrics.trials import NONE, TIE, Trials, align
from edge_judge.records import LABELS, Benchmark, Figure, Identity, Run

if TYPE_CHECKING:
    from edge_judge.metrics.intervals import Codes, Flags, Numbers

KINDS = len(LABELS) + 1  # of verdict, none being one


@dataclass(frozen=True, slots=True)
class Juror:
    """One judge alone, on the verdicts common to all."""

    identity: Identity
    accuracy: Figure
    format_errors: Figure


@dataclass(frozen=True, slots=True)
class CombinedJury:
    """One way to combine the jurors. gain: points of accuracy over the best juror, whose choice is on the same trials
    and so flatters the juror, not the jury. Without a value where a juror has no probabilities to be combined."""

    name: str
    accuracy: Figure
    gain: Figure


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


def jury(benchmark: Benchmark, runs: Sequence[Run]) -> Jury:
    """At least two runs on one benchmark, over the pairs and orders that all have judged; they may differ in anything.

    Agreement is over verdicts, whether people judged the pair or not. In its rate a missing verdict agrees with
    nothing; in both kappas it is a category of its own, as in `metrics.score`. No kappa is defined where one verdict is
    all that is ever said.

    Raises RunError for fewer than two runs, and where they have no pair and order in common.
    """
    import numpy as np

    if len(runs) < 2:
        raise RunError("a jury needs two runs", "name the folders of several runs on one benchmark")
    runs = common(benchmark, runs)
    tables = [align(benchmark, run.verdicts) for run in runs]
    opinions, p = np.stack([table.verdict for table in tables]), mean_probability(tables)
    place, label = _trials(tables[0])
    right = opinions[:, place] == label
    best = int(right.sum(axis=1).argmax()) if len(place) else None
    said = {
        "majority": majority(opinions, p, ties=benchmark.ties),
        "mean probability": _likeliest(p) if all(table.with_p().any() for table in tables) else None,
    }
    return Jury(
        pairs=len({*tables[0].pair.tolist()}),
        verdicts=len(tables[0].pair),
        trials=len(place),
        jurors=tuple(_juror(run, table) for run, table in zip(runs, tables, strict=True)),
        best=best,
        together=tuple(_combined(name, verdict, tables[0], right[best or 0]) for name, verdict in said.items()),
        twos=tuple(_juror_pair(*two) for two in combinations(zip(runs, tables, strict=True), 2)),
        fleiss=fleiss(opinions, tables[0].cluster),
    )


def _juror(run: Run, table: Trials) -> Juror:
    return Juror(run.identity, accuracy(table), rate(table.verdict == NONE, table.cluster))


def majority(opinions: Codes, p: Numbers, *, ties: bool) -> Codes:
    """The verdict that most jurors gave on each row.

    opinions: codes of verdicts, shape (jurors, rows); p: the mean of their probabilities, shape (rows, 3).
    """
    import numpy as np

    given = np.stack([(opinions == code).sum(axis=0) for code in range(len(LABELS))], axis=1)
    ahead = (given == given.max(axis=1, keepdims=True)) & (given > 0)
    several = np.full(len(p), TIE) if ties else most_probable(np.where(ahead, p, -1.0))
    verdict = np.where(ahead.sum(axis=1) == 1, ahead.argmax(axis=1), several)
    return np.where(ahead.any(axis=1), verdict, NONE)


def mean_probability(tables: Sequence[Trials]) -> Numbers:
    """The mean of the probabilities of the jurors that have a verdict, shape (rows, 3); nan where none has any."""
    import numpy as np

    p = np.stack([np.where((table.verdict == NONE)[:, None], np.nan, table.p) for table in tables])
    jurors = (~np.isnan(p)).sum(axis=0)
    return ratio(np.nansum(p, axis=0), jurors)


def _likeliest(p: Numbers) -> Codes:
    import numpy as np

    return np.where(np.isnan(p[:, 0]), NONE, most_probable(p))


def _trials(table: Trials) -> tuple[Codes, Codes]:
    import numpy as np

    return table.trials(np.arange(len(table.pair)))


def _combined(name: str, verdict: Codes | None, table: Trials, best: Flags) -> CombinedJury:
    if verdict is None:
        return CombinedJury(name, Figure(None), Figure(None))
    place, label = _trials(table)
    right, clusters = verdict[place] == label, table.cluster[place]
    return CombinedJury(name, rate(right, clusters), gain(right, best, clusters))


def _juror_pair(first: tuple[Run, Trials], second: tuple[Run, Trials]) -> JurorPair:
    import numpy as np

    (run, table), (other, against) = first, second
    same = (table.verdict == against.verdict) & (table.verdict != NONE)
    cells = np.eye(KINDS * KINDS)[KINDS * table.verdict + against.verdict]
    kappa = Bootstrap(table.groups).figure(cells, table.cluster, _cohen, (-1.0, 1.0))
    return JurorPair(run.identity, other.identity, rate(same, table.cluster), kappa)


def _cohen(totals: Numbers) -> Numbers:
    """Cohen 1960, Educational and Psychological Measurement 20:37-46; from counts of (first, second)."""
    counts = totals.reshape(-1, KINDS, KINDS)
    n = counts.sum(axis=(1, 2))
    observed = ratio(counts[:, range(KINDS), range(KINDS)].sum(axis=1), n)
    expected = ratio((counts.sum(axis=2) * counts.sum(axis=1)).sum(axis=1), n**2)
    return ratio(observed - expected, 1 - expected)


def fleiss(opinions: Codes, clusters: Codes) -> Figure:
    """Agreement of all jurors beyond chance (Fleiss 1971, Psychological Bulletin 76:378-382).

    opinions: codes of verdicts, shape (jurors, rows), at least two jurors; clusters: shape (rows,), from 0 upwards.
    """
    import numpy as np

    jurors = len(opinions)
    given = np.stack([(opinions == code).sum(axis=0) for code in range(KINDS)], axis=1).astype(float)
    agreeing = ((given**2).sum(axis=1) - jurors) / (jurors * (jurors - 1))
    columns = np.column_stack([agreeing, given / jurors, np.ones(len(given))])
    return Bootstrap(int(clusters.max()) + 1).figure(columns, clusters, _beyond_chance, (-1.0, 1.0))


def _beyond_chance(totals: Numbers) -> Numbers:
    """From the sums of agreement, of each kind's share, and the number of rows."""
    shares = ratio(totals[:, 1:-1], totals[:, -1:].repeat(KINDS, axis=1))
    expected = (shares**2).sum(axis=1)
    return ratio(ratio(totals[:, 0], totals[:, -1]) - expected, 1 - expected)
