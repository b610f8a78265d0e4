"""One judge, looked at in slices: by category of the task, by length, by author; and what quantizing changed beside it.

A *slice* is some of the trials (a verdict against one human vote). A figure of all pairs may hide a category in which
the judge has become useless, a liking for long answers, or for the answers of one system.

Knows: a run and, where there is one, its baseline, over the verdicts that both have; how many things are looked at, so
that the worst of them is not named by chance. Does not know: files, where a baseline is found, how slices are shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from edge_judge.analysis.compare import THEIRS, gain
from edge_judge.errors import RunError
from edge_judge.metrics.alignment import NONE, TIE, A, B
from edge_judge.metrics.contrast import correlation, difference, equal_means_p
from edge_judge.metrics.intervals import Bootstrap, Codes, Flags, Numbers
from edge_judge.metrics.many_tests import adjusted
from edge_judge.metrics.multiway import two_way
from edge_judge.metrics.paired_mean import paired_mean
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.sign_flip import holm, sign_flip
from edge_judge.metrics.trials import TRIAL, VERDICT, Frame, codes, flags, share
from edge_judge.metrics.verdict_frame import P
from edge_judge.records import Figure, Identity
from edge_judge.settings import WEIGHTS, run_name, same_conditions

FEWEST = 10  # clusters of a slice on which anything is tested
SHARE = (0.0, 1.0)
POINTS = (-100.0, 100.0)
TURNED = 2.0  # by how much a pair whose verdict is another in both orders moves a sum, at least

Part: TypeAlias = tuple[RecordedRun, RecordedRun | None]


@dataclass(frozen=True, slots=True)
class Slice:
    """The trials of one kind. clusters: of pairs; was: the baseline's accuracy; drop: percentage points lost.

    p: of the drop, two-sided and exact (`sign_flip`); adjusted_p: for all categories that are tested. Both are None
    where nothing is tested: without a baseline, and on fewer than ten clusters, which are too few to tell.
    """

    name: str
    pairs: int
    clusters: int
    accuracy: Figure
    was: Figure = Figure(None)
    drop: Figure = Figure(None)
    p: float | None = None
    adjusted_p: float | None = None

    @property
    def is_small(self) -> bool:
        """Whether it has too few clusters for a test."""
        return self.clusters < FEWEST


@dataclass(frozen=True, slots=True)
class Parity:
    """Two slices that a fair judge is equally often right on, and percentage points by which it is not.

    gap: accuracy of `favoured` less that of `other`. p: of the gap, None where a slice is small or nothing varies. was,
    change: the baseline's gap, and what the run has more.
    """

    favoured: Slice
    other: Slice
    gap: Figure
    p: float | None
    was: Figure = Figure(None)
    change: Figure = Figure(None)


@dataclass(frozen=True, slots=True)
class AuthorPreference:
    """What the judge makes of one system's answers. own: whether the judge's name begins as the author's does.

    judge, people: the share of trials that the system wins, a tie being half a win, a missing verdict left out. They
    differ for any judge that errs, and more for a system that often wins. So the preference is `parity`: `favoured` are
    the trials in which people chose the system, `other` those in which they chose what stood beside it.
    adjusted_p: the parity's p, for all authors.
    """

    author: str
    own: bool
    pairs: int
    judge: Figure
    people: Figure
    parity: Parity
    adjusted_p: float | None = None


@dataclass(frozen=True, slots=True)
class Trait:
    """One figure of the run, of its baseline on the same verdicts, and the paired difference run - baseline."""

    value: Figure
    was: Figure = Figure(None)
    change: Figure = Figure(None)


@dataclass(frozen=True, slots=True)
class Traits:
    """What may change although the accuracy does not.

    position_bias: as in `score`, in [-1, 1]. hidden_mass: the mean share of all probability off the legal verdicts, a
    hidden format error. overconfidence: the mean probability of the verdict given, less the share of right verdicts:
    the calibration error with its sign. brier: the squared distance of the probabilities from the vote, in [0, 2].
    """

    position_bias: Trait
    hidden_mass: Trait
    overconfidence: Trait
    brier: Trait


@dataclass(frozen=True, slots=True)
class Slices:
    """A judge on one benchmark, or on the sets of one suite.

    whole: all trials. categories: by name, empty where the benchmark names none; worst: the one that lost most points
    of those tested, None where none lost. length: `favoured` are the trials whose right answer is the longer; None
    where the right answer is never the shorter, or never the longer. authors: by name, empty where they are unknown.
    two_way: whether the intervals of `whole` and `categories` know the pairs of answering systems, not only questions.
    """

    identity: Identity
    baseline: Identity | None
    verdicts: int
    trials: int
    whole: Slice
    categories: tuple[Slice, ...]
    worst: Slice | None
    length: Parity | None
    traits: Traits
    authors: tuple[AuthorPreference, ...]
    two_way: bool


def slices(parts: Sequence[Part], name: str) -> Slices:
    """One judge's runs on the parts of a benchmark, at least one, in slices. name: of the benchmark or the suite.

    With baselines (all parts or none) run and baseline are held to the verdicts that both have. Raises RunError where
    they differ in more than the weights, or have no verdict in common.
    """
    verdicts, trials = _frames(parts)
    categories = _categories(trials)
    tested = [one for one in categories if one.adjusted_p is not None and (one.drop.value or 0.0) > 0]
    run, baseline = parts[0]
    return Slices(
        identity=replace(run.identity, benchmark=name),
        baseline=None if baseline is None else replace(baseline.identity, benchmark=name),
        verdicts=len(verdicts),
        trials=len(trials),
        whole=_slice(trials, "all"),
        categories=categories,
        worst=max(tested, key=lambda one: (one.drop.value or 0.0, -(one.p or 0.0)), default=None),
        length=_length(trials),
        traits=_traits(verdicts, trials),
        authors=_authors(trials, run.identity.model),
        two_way=_has_authors(trials),
    )


def family(name: str) -> str:
    """The letters that a model's name begins with, which tell its family: "llama" of "llama-7b" and of "Llama2-13b"."""
    found = re.match(r"[^\W\d_]+", name)
    return (found[0] if found else name).casefold()


def _frames(parts: Sequence[Part]) -> tuple[Frame, Frame]:
    """The verdicts and trials of all parts, with what is known of their pairs; the baseline's columns end in THEIRS.

    cluster and models (the two systems that answered, in either order) are codes from 0; models is -1 where unknown.
    """
    for run, baseline in parts:
        if baseline is not None:
            same_conditions(run.run, baseline.run, WEIGHTS)
    verdicts = pd.concat([_joined(run, baseline, "verdicts", VERDICT) for run, baseline in parts], ignore_index=True)
    trials = pd.concat([_joined(run, baseline, "trials", TRIAL) for run, baseline in parts], ignore_index=True)
    if verdicts.empty:
        names = ", ".join(run_name(run.identity) for run, _ in parts)
        raise RunError(f"{names}: no pair and order in common with the baseline", "evaluate both on the same pairs")
    clusters = {name: code for code, name in enumerate(dict.fromkeys(verdicts["cluster_name"]))}
    return _coded(verdicts, clusters), _coded(trials, clusters)


def _joined(run: RecordedRun, baseline: RecordedRun | None, table: str, key: list[str]) -> Frame:
    """The rows of a table that both runs have, with their pairs' category, authors and lengths."""
    rows: Frame = getattr(run, table)
    if baseline is not None:
        theirs: Frame = getattr(baseline, table)
        measured = [name for name in ("verdict", "mass", *P, "right") if name in theirs]
        rows = rows.merge(theirs[[*key, *measured]], on=key, suffixes=("", THEIRS))
    pairs, where = [run.benchmark.pairs[place] for place in codes(rows, "pair")], run.benchmark.name
    return rows.assign(
        cluster_name=_objects([(where, pair.cluster) for pair in pairs]),
        pair_name=_objects([(where, pair.id) for pair in pairs]),
        category=_objects([pair.category for pair in pairs]),
        author_a=_objects([pair.authors[0] if pair.authors else None for pair in pairs]),
        author_b=_objects([pair.authors[1] if pair.authors else None for pair in pairs]),
        longer=np.array([np.sign(len(pair.a) - len(pair.b)) for pair in pairs], np.int64),
    )


def _objects(values: Sequence[Any]) -> pd.Series[Any]:
    return pd.Series(list(values), dtype=object)


def _coded(frame: Frame, clusters: dict[tuple[str, str], int]) -> Frame:
    authors = zip(frame["author_a"], frame["author_b"], strict=True)
    models: dict[tuple[str, ...], int] = {}
    numbers = [-1 if a is None else models.setdefault(tuple(sorted((a, b))), len(models)) for a, b in authors]
    cluster = np.array([clusters[name] for name in frame["cluster_name"]], np.int64)
    return frame.assign(cluster=cluster, models=np.array(numbers, np.int64))


def _has_authors(trials: Frame) -> bool:
    return bool(len(trials)) and bool((trials["models"] >= 0).all())


def _compared(frame: Frame) -> bool:
    return f"verdict{THEIRS}" in frame


def _right(trials: Frame, end: str = "") -> Codes:
    """1 where the verdict is the vote, else 0. end: THEIRS for the baseline's."""
    right: Codes = flags(trials, f"right{end}").astype(np.int64)
    return right


def _lost(trials: Frame) -> Codes:
    """1 for a trial lost against the baseline, -1 for one won, else 0."""
    return _right(trials, THEIRS) - _right(trials)


def _slice(trials: Frame, name: str) -> Slice:
    """Accuracy and drop of these trials; tested where there is a baseline and the clusters are not too few."""
    pairs, clusters = int(trials["pair_name"].nunique()), codes(trials, "cluster")
    groups = len(np.unique(clusters))
    accuracy = _widened(share(flags(trials, "right"), trials), _right(trials), trials, SHARE)
    if not _compared(trials) or not len(trials):
        return Slice(name, pairs, groups, accuracy)
    was = flags(trials, f"right{THEIRS}")
    return Slice(
        name,
        pairs,
        groups,
        accuracy,
        was=_widened(share(was, trials), _right(trials, THEIRS), trials, SHARE),
        drop=_widened(gain(was, flags(trials, "right"), clusters), _lost(trials), trials, POINTS),
        p=sign_flip(_lost(trials), clusters) if groups >= FEWEST else None,
    )


def _widened(figure: Figure, values: Codes, trials: Frame, bounds: tuple[float, float]) -> Figure:
    """A figure with an interval for two kinds of clusters, where the answering systems are known."""
    if not _has_authors(trials):
        return figure
    return two_way(figure, values, codes(trials, "cluster"), codes(trials, "models"), bounds)


def _categories(trials: Frame) -> tuple[Slice, ...]:
    """A slice for each category, with p adjusted for all that are tested; which are does not hang on any verdict."""
    if not len(trials) or not trials["category"].any():
        return ()
    by_name = {str(name): rows for name, rows in trials.groupby("category", sort=True)}
    found = {name: _slice(rows, name) for name, rows in by_name.items()}
    tested = [name for name, one in found.items() if one.p is not None]
    tests = [(_lost(by_name[name]), codes(by_name[name], "cluster")) for name in tested]
    fair = dict(zip(tested, adjusted(tests), strict=True))
    return tuple(replace(one, adjusted_p=fair.get(name)) for name, one in found.items())


def _length(trials: Frame) -> Parity | None:
    """Accuracy parity by length (Saito et al. 2023, arXiv:2310.10076), over the trials whose vote is for one of two
    answers with different numbers of characters.

    A logistic model of the verdict with the lengths as a covariate (Dubois et al. 2024, arXiv:2404.04475) has no finite
    estimate for a judge that is nearly always right, nor for one that never is; this difference always has one.
    """
    label, longer = codes(trials, "label"), codes(trials, "longer")
    chosen = np.where(label == A, longer, np.where(label == B, -longer, 0))
    return _parity(trials[chosen > 0], "the longer is right", trials[chosen < 0], "the shorter is right")


def _parity(favoured: Frame, name: str, other: Frame, other_name: str) -> Parity | None:
    """The gap between two kinds of trials; None where there are none of one kind.

    Its interval is made of those of the two accuracies, or of the two drops (`contrast.difference`). They know the
    questions and not the pairs of systems: both kinds have the same systems, and so the gap does not move with them as
    an accuracy does.
    """
    if favoured.empty or other.empty:
        return None
    favoured, other = favoured.assign(models=-1), other.assign(models=-1)
    one, two = _slice(favoured, name), _slice(other, other_name)
    gap = _gap(one.accuracy, two.accuracy, _right(favoured), _right(other), favoured, other)
    clusters = codes(favoured, "cluster"), codes(other, "cluster")
    p = equal_means_p(_right(favoured), clusters[0], _right(other), clusters[1])
    parity = Parity(one, two, gap, None if one.is_small or two.is_small else p)
    if not _compared(favoured):
        return parity
    was = _gap(one.was, two.was, _right(favoured, THEIRS), _right(other, THEIRS), favoured, other)
    r = correlation(_lost(favoured), clusters[0], _lost(other), clusters[1])
    return replace(parity, was=was, change=difference(two.drop, one.drop, r, 200.0))


def _gap(one: Figure, two: Figure, values: Codes, others: Codes, favoured: Frame, other: Frame) -> Figure:
    """The difference of two accuracies in percentage points."""
    r = correlation(values, codes(favoured, "cluster"), others, codes(other, "cluster"))
    gap = difference(one, two, r, 1.0)
    if gap.value is None or gap.low is None or gap.high is None:
        return gap
    return Figure(100 * gap.value, 100 * gap.low, 100 * gap.high)


def _authors(trials: Frame, model: str) -> tuple[AuthorPreference, ...]:
    """Each author's preference, with p adjusted for all authors by Holm's procedure."""
    if not _has_authors(trials):
        return ()
    names = sorted(set(trials["author_a"]) | set(trials["author_b"]))
    found = [one for name in names if (one := _author(trials, name, model)) is not None]
    fair = holm([one.parity.p for one in found])
    return tuple(replace(one, adjusted_p=p) for one, p in zip(found, fair, strict=True))


def _author(trials: Frame, name: str, model: str) -> AuthorPreference | None:
    """What the judge makes of one system's answers to whoever else answered, or None where people never chose either.

    The preference is the equal opportunity difference of Wataoka et al. 2024 (arXiv:2410.21819): a judge that guesses
    prefers nobody by it, and neither does one that is always right.
    """
    first, second = flags(trials, "author_a") == name, flags(trials, "author_b") == name
    rows, is_a = trials[first != second], first[first != second]
    label = codes(rows, "label")
    own, theirs = np.where(is_a, A, B), np.where(is_a, B, A)
    parity = _parity(rows[label == own], f"{name} is right", rows[label == theirs], "the other is right")
    if parity is None:
        return None
    valid = codes(rows, "verdict") != NONE
    clusters = codes(rows, "cluster")[valid]
    bootstrap = Bootstrap(codes(trials, "cluster"))
    judge, people = (
        bootstrap.mean(_wins(codes(rows, said), own)[valid], clusters, SHARE) for said in ("verdict", "label")
    )
    pairs = int(rows["pair_name"].nunique())
    return AuthorPreference(name, family(model) == family(name), pairs, judge, people, parity)


def _wins(said: Codes, own: Codes) -> Numbers:
    """1 where the author's answer is chosen, a half for a tie."""
    wins: Numbers = np.where(said == own, 1.0, np.where(said == TIE, 0.5, 0.0))
    return wins


def _traits(verdicts: Frame, trials: Frame) -> Traits:
    """Means over verdicts or trials, each with a clustered bootstrap; the change is a mean of paired differences.

    Only rows count of which both runs have what is needed.
    """
    bootstrap = Bootstrap(codes(verdicts, "cluster"))
    both_orders = (verdicts.groupby("pair_name")["order"].transform("size") == 2).to_numpy()
    massed = _everywhere(verdicts, lambda end: verdicts[f"mass{end}"].notna().to_numpy())
    scored = _everywhere(trials, lambda end: trials[f"p_a{end}"].notna().to_numpy())
    valid = _everywhere(trials, lambda end: codes(trials, f"verdict{end}") != NONE)
    return Traits(
        position_bias=_trait(verdicts[both_orders], _toward_first, bootstrap, (-1.0, 1.0), TURNED),
        hidden_mass=_trait(verdicts[massed], _hidden_mass, bootstrap, SHARE),
        overconfidence=_trait(trials[scored & valid], _overconfidence, bootstrap, (-1.0, 1.0), TURNED),
        brier=_trait(trials[scored], _brier, bootstrap, (0.0, 2.0)),
    )


def _ends(frame: Frame) -> tuple[str, ...]:
    """What the columns of each run end in: the run's, then the baseline's where there is one."""
    return ("", THEIRS) if _compared(frame) else ("",)


def _everywhere(frame: Frame, holds: Callable[[str], Flags]) -> Flags:
    """The rows in which something holds for every run."""
    everywhere: Flags = np.all([holds(end) for end in _ends(frame)], axis=0)
    return everywhere


def _trait(
    rows: Frame,
    measure: Callable[[Frame, str], Numbers],
    bootstrap: Bootstrap,
    bounds: tuple[float, float],
    least: float = 0.0,
) -> Trait:
    """A mean for each run, and the mean of the differences. bounds: of what is measured on a row; least: see
    `paired_mean`."""
    clusters = codes(rows, "cluster")
    values = [measure(rows, end) for end in _ends(rows)]
    means = [bootstrap.mean(one, clusters, bounds) for one in values]
    if len(values) == 1:
        return Trait(means[0])
    most = bounds[1] - bounds[0]
    return Trait(means[0], means[1], paired_mean(values[0] - values[1], clusters, (-most, most), least))


def _toward_first(rows: Frame, end: str) -> Numbers:
    """1 for a verdict for the answer shown first, -1 for the other, 0 for a tie and none: see `scoring`."""
    verdict, reverse = codes(rows, f"verdict{end}"), codes(rows, "order") == 1
    first: Numbers = (verdict == np.where(reverse, B, A)).astype(np.float64) - (verdict == np.where(reverse, A, B))
    return first


def _hidden_mass(rows: Frame, end: str) -> Numbers:
    hidden: Numbers = np.clip(1.0 - rows[f"mass{end}"].to_numpy(np.float64), 0.0, 1.0)
    return hidden


def _overconfidence(rows: Frame, end: str) -> Numbers:
    given = _probabilities(rows, end)[np.arange(len(rows)), codes(rows, f"verdict{end}")]
    return given - _right(rows, end)


def _brier(rows: Frame, end: str) -> Numbers:
    squares: Numbers = ((_probabilities(rows, end) - np.eye(3)[codes(rows, "label")]) ** 2).sum(axis=1)
    return squares


def _probabilities(rows: Frame, end: str) -> Numbers:
    p: Numbers = rows[[f"{name}{end}" for name in P]].to_numpy()
    return p
