"""Runs and published figures -> the published table with our judges in it: judges down, benchmarks across.

A published row is a row; a run's row is one (judge, scheme, grammar). A judge published twice (by the user and
by the paper) keeps both rows. A run of it is compared with the first that has a figure for the benchmark, and the cell
names its source. What was not run or not published never becomes a number.

Knows: which figure a cell holds under which profile, and what may be laid beside it.
Does not know: files, how a table is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from edge_judge.analysis.compare import compare, negated, paper_drop
from edge_judge.errors import RunError, UsageError
from edge_judge.metrics.published import Published, against_published, find_published
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.scoring import near_chance
from edge_judge.records import Figure, Identity

Profile: TypeAlias = Literal["paper", "strict"]

BASELINE = "f16"
API = "api"  # the precision of a published judge that nobody can run here
NOTHING = Figure(None)


@dataclass(frozen=True, slots=True)
class Cell:
    """One benchmark of a row. Everything is None, or a figure without a value, where there is nothing to say.

    figure: "accuracy" or "agreement", None where nothing was run; ours: a share with its interval; pairs,
    pairs_total: judged, and in the benchmark. near_chance: whether its strict accuracy is, whatever the profile;
    human_agreement, attainable: as in `Score`. from_f16: points, ours minus the f16 run's over the verdicts that both
    have, with the interval of a paired difference. published: percent, with its precision and source; from_published:
    points, ours minus published; outside: whether the published figure lies outside our interval.
    """

    benchmark: str
    figure: str | None = None
    ours: Figure = NOTHING
    pairs: int | None = None
    pairs_total: int | None = None
    near_chance: bool | None = None
    human_agreement: Figure = NOTHING
    attainable: Figure = NOTHING
    from_f16: Figure = NOTHING
    published: float | None = None
    precision: str | None = None
    source: str | None = None
    from_published: float | None = None
    outside: bool | None = None

    @property
    def partial(self) -> bool:
        """Whether only some of the benchmark's pairs were judged."""
        return self.pairs != self.pairs_total


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """A published row (`published` is set, scheme, grammar and bytes are None), or a judge of ours."""

    model: str
    scheme: str | None
    grammar: str | None
    bytes: int | None
    published: Published | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The rows, a judge's published ones before its own. remarks: why a difference from f16 is missing."""

    profile: Profile
    benchmarks: tuple[str, ...]
    rows: tuple[LeaderboardRow, ...]
    remarks: tuple[str, ...] = ()

    @property
    def published(self) -> tuple[str, ...]:
        """The benchmarks that some published row has a figure for."""
        named = {name for row in self.rows if row.published for name in row.published.figures}
        return tuple(name for name in self.benchmarks if name in named)


def build(
    runs: Sequence[RecordedRun],
    published: Sequence[Published],
    profile: Profile = "paper",
    baselines: Iterable[RecordedRun] = (),
) -> Leaderboard:
    """The table of these runs, which may be none.

    Under `paper` a cell holds the figure of the published table, under `strict` the strict accuracy, which no
    published figure is laid beside. The difference from f16 is of the same figure, so that profiles are never
    mixed, and paired.

    baselines: further runs, not shown, to be searched for the f16 run of the same judge, benchmark and grammar.
    Judges keep the order of the published table, then come ours by name; so do benchmarks. Raises UsageError
    where two runs would share a cell.
    """
    _only_one_each(runs)
    remarks: list[str] = []
    wide = {_setting(run): run for run in (*baselines, *runs) if run.identity.scheme == BASELINE}
    changes = {run.identity: _from_f16(run, wide.get(_setting(run)), profile, remarks) for run in runs}
    columns = _columns(runs, published)
    models = dict.fromkeys(row.model for row in published)
    models |= dict.fromkeys(sorted({run.identity.model for run in runs} - models.keys()))
    rows = [row for model in models for row in _rows(model, columns, runs, changes, published, profile)]
    return Leaderboard(profile, columns, tuple(rows), tuple(remarks))


def _columns(runs: Sequence[RecordedRun], published: Sequence[Published]) -> tuple[str, ...]:
    """The published benchmarks in the table's order, then the others that were run."""
    names = dict.fromkeys(name for row in published for name in row.figures)
    return (*names, *sorted({run.benchmark.name for run in runs} - names.keys()))


def _rows(
    model: str,
    columns: tuple[str, ...],
    runs: Sequence[RecordedRun],
    changes: Mapping[Identity, Figure],
    published: Sequence[Published],
    profile: Profile,
) -> Iterator[LeaderboardRow]:
    for row in published:
        if row.model == model:
            yield LeaderboardRow(model, None, None, None, row, tuple(_published_cell(name, row) for name in columns))
    own = [run for run in runs if run.identity.model == model]
    for scheme, grammar, size in _judges(own):
        judged = {run.benchmark.name: run for run in own if _judge(run) == (scheme, grammar)}
        rows = {name: find_published(published, model, name) for name in columns}
        cells = tuple(_cell(name, row, judged.get(name), changes, profile) for name, row in rows.items())
        yield LeaderboardRow(model, scheme, grammar, size, None, cells)


def _judges(own: Sequence[RecordedRun]) -> list[tuple[str, str, int]]:
    """Every (scheme, grammar) with its file's size, the largest file of a grammar first."""
    sizes: dict[tuple[str, str], int] = {}
    for run in own:
        sizes[_judge(run)] = max(sizes.get(_judge(run), 0), run.run.bytes)
    return sorted(((*judge, size) for judge, size in sizes.items()), key=lambda judge: (judge[1], -judge[2], judge[0]))


def _published_cell(benchmark: str, row: Published | None) -> Cell:
    if row is None or benchmark not in row.figures:
        return Cell(benchmark)
    return Cell(benchmark, published=row.figures[benchmark], precision=row.precision, source=row.source)


def _cell(
    benchmark: str,
    row: Published | None,
    run: RecordedRun | None,
    changes: Mapping[Identity, Figure],
    profile: Profile,
) -> Cell:
    cell = _published_cell(benchmark, row)
    if run is None:
        return cell
    score, accuracy = run.score, run.score.strict["accuracy"]
    name, ours = next(iter(score.paper.items())) if profile == "paper" else ("accuracy", accuracy)
    against = against_published(score, row) if row is not None and profile == "paper" else None
    return replace(
        cell,
        figure=name,
        ours=ours,
        pairs=score.pairs,
        pairs_total=len(run.benchmark.pairs),
        near_chance=None if accuracy.value is None else near_chance(accuracy, score.baselines),
        human_agreement=score.human_agreement,
        attainable=score.attainable,
        from_f16=changes[run.identity],
        from_published=against.difference if against else None,
        outside=against.outside if against else None,
    )


def _from_f16(run: RecordedRun, wide: RecordedRun | None, profile: Profile, remarks: list[str]) -> Figure:
    if wide is None or wide.identity == run.identity:
        return NOTHING
    try:
        return negated(paper_drop(run, wide) if profile == "paper" else compare(run, wide).drop)
    except RunError as error:
        remarks.append(f"no difference from {BASELINE}: {error}")
        return NOTHING


def _only_one_each(runs: Sequence[RecordedRun]) -> None:
    for identity, times in Counter(run.identity for run in runs).items():
        if times > 1:
            who = f"{identity.model} {identity.scheme} on {identity.benchmark} with --grammar {identity.grammar}"
            raise UsageError(f"{times} runs of {who}, expected one", "name only one of them")


def _setting(run: RecordedRun) -> tuple[str, str, str]:
    return run.identity.benchmark, run.identity.model, run.identity.grammar


def _judge(run: RecordedRun) -> tuple[str, str]:
    return run.identity.scheme, run.identity.grammar
