"""Runs with their figures -> what the page shows of them, as text and as numbers to draw.

Knows: what stands on the page and how a figure reads there.
Does not know: HTML, files. It computes no figure: each comes from metrics or analysis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from edge_judge.analysis.compare import Comparison, RunSummary, summary
from edge_judge.analysis.ladders import LadderDecision
from edge_judge.analysis.leaderboard import Cell, Leaderboard, LeaderboardRow
from edge_judge.analysis.selective import coverage_points, risk_coverage
from edge_judge.analysis.slices import Slices
from edge_judge.errors import RunError
from edge_judge.metrics.calibration import reliability
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.metrics.scoring import DEPARTURES, near_chance
from edge_judge.quantities import counted
from edge_judge.records import Figure, Identity
from edge_judge.report import formatting, ladder
from edge_judge.report.columns import Column, Row
from edge_judge.report.formatting import DASH, dash
from edge_judge.report.ladder import Rung
from edge_judge.report.leaderboard import OUTSIDE, PARTIAL, PROFILES
from edge_judge.report.page.slices import slice_tables
from edge_judge.report.sentence import sentence

Setting: TypeAlias = tuple[str, str, str]  # benchmark, model, grammar: what may be laid side by side
Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | int | bool | None"

CURVE = 200  # points of a curve that are drawn: as many as a screen can tell apart


@dataclass(frozen=True, slots=True)
class Entry:
    """A run on the page. comparison: with its baseline, itself where it is one; None where there is none to compare
    with. baseline: its place among the entries. slices: the run by category and length, beside its baseline.
    """

    run: RecordedRun
    comparison: Comparison | None = None
    baseline: int | None = None
    slices: Slices | None = None

    @property
    def identity(self) -> Identity:
        return self.run.identity

    @property
    def setting(self) -> Setting:
        return self.identity.benchmark, self.identity.model, self.identity.grammar

    @property
    def summary(self) -> RunSummary:
        strict = self.run.score.strict
        return summary(self.run.run, strict["accuracy"], strict["format_errors"])


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows. margin: points of accuracy that may be lost. ladders: what was decided at that margin,
    where there is anything to decide. remarks: what is missing from the page, and why.
    """

    entries: tuple[Entry, ...]
    judges: Leaderboard
    margin: float
    baseline: str
    ladders: tuple[LadderDecision, ...] = ()
    remarks: tuple[str, ...] = ()

    def settings(self) -> dict[Setting, list[int]]:
        """The places of the entries of each setting."""
        places: dict[Setting, list[int]] = {}
        for place, entry in enumerate(self.entries):
            places.setdefault(entry.setting, []).append(place)
        return places


def figures(report: Report) -> dict[str, Json]:
    """Everything on the page but the pairs. Shares are in percent, differences in points, sizes in bytes."""
    return {
        "headline": headline(report),
        "headings": {
            "ladder": [column.heading_on_page for column in ladder.columns()],
            "behaviour": [column.heading_on_page for column in BEHAVIOUR],
        },
        "runs": [_run(entry, report.margin) for entry in report.entries],
        "settings": list(_settings(report)),
        "judges": _judges(report.judges),
        "remarks": list(report.remarks),
    }


def headline(report: Report) -> str:
    """What was recorded: it stands on top where there is no answer."""
    names = list(dict.fromkeys(entry.identity.benchmark for entry in report.entries))
    runs = f"{len(report.entries)} recorded run{'s' * (len(report.entries) != 1)}"
    return f"{runs} on {', '.join(names)}"


def with_interval(figure: Figure, shown: Callable[[float], str] = formatting.percent) -> str:
    """A figure for a reader."""
    return dash(formatting.interval(figure, shown))


def _run(entry: Entry, margin: float) -> dict[str, Json]:
    drop = entry.comparison.drop if entry.comparison else None
    return {
        **asdict(entry.identity),
        "bias": _percent(entry.run.score.strict["position_bias"]),
        "within": drop is not None and drop.high is not None and drop.high < margin,
        "told": [[name, text] for name, text in _details(entry)],
        "ladder": _cells(ladder.columns(), _rung(entry)),
        "behaviour": _cells(BEHAVIOUR, entry),
        "bins": _bins(entry),
        "risk": _risk(entry),
        "slices": slice_tables(entry.slices),
    }


def _percent(figure: Figure) -> Json:
    """[value, low, high], to draw; None where it is undefined. The ends are None where it has no interval."""
    if figure.value is None:
        return None
    return [None if end is None else round(100 * end, 4) for end in (figure.value, figure.low, figure.high)]


def _details(entry: Entry) -> Iterator[tuple[str, str]]:
    """What a reader sees who points at a run."""
    run, lost = entry.summary, entry.comparison
    right = run.accuracy
    yield "accuracy", f"{with_interval(right)} %" if right.value is not None else DASH
    yield "pairs", f"{entry.run.score.pairs:,} of {len(entry.run.benchmark.pairs):,}"
    if right.n:
        yield "right", f"{right.k:,} of {right.n:,}"
    yield "size", dash(formatting.size(run.bytes))
    yield "verdicts a minute", dash(formatting.count(run.verdicts_per_minute))
    yield "peak RSS", dash(formatting.size(run.peak_rss))
    if lost and entry.identity != lost.baseline.identity:
        yield f"drop from {lost.baseline.identity.scheme}", with_interval(lost.drop, formatting.points)
        yield "p", dash(formatting.probability(lost.p))
        yield "p by Holm", dash(formatting.probability(lost.p_holm))
        if not lost.is_seen and lost.smallest_loss is not None:
            yield "smallest detectable loss", f"{formatting.points(lost.smallest_loss)} points"
        yield "KLD, nats", dash(formatting.value(lost.kld, formatting.divergence))
    yield "without a model", _best(entry)


def _best(entry: Entry) -> str:
    """The best baseline that reads nothing, and what it gets."""
    shares = {name: figure.value for name, figure in entry.run.score.baselines.items() if figure.value is not None}
    if not shares:
        return DASH
    best = max(shares, key=shares.__getitem__)
    return f"{formatting.percent(shares[best])} % ({best.replace('_', ' ')})"


def _rung(entry: Entry) -> Rung:
    """The run's row in the flip table."""
    run, lost = entry.summary, entry.comparison
    weak = near_chance(run.accuracy, entry.run.score.baselines)
    return Rung(run, weak, lost.baseline.identity if lost else None, lost)


def _strict(heading: str, name: str, shown: Callable[[float], str] = formatting.percent) -> Column[Entry]:
    return Column(heading, lambda entry: formatting.interval(entry.run.score.strict[name], shown))


BEHAVIOUR: tuple[Column[Entry], ...] = (  # the columns of the table below position bias
    Column("scheme", lambda entry: entry.identity.scheme),
    _strict("position bias", "position_bias", lambda share: formatting.signed_number(100 * share, "+.1f")),
    _strict("same in both orders %", "consistency"),
    _strict("right by both orders’ mean %", "debiased_accuracy"),
    _strict("ties %", "tie_rate"),
    _strict("no valid verdict %", "format_errors"),
    _strict("mass %", "mean_mass"),
    _strict("calibration error %", "ece"),
)


def _cells(columns: Sequence[Column[Row]], row: Row) -> list[Json]:
    return [dash(column.on_page(row)) for column in columns]


def _bins(entry: Entry) -> Json:
    """The reliability curve: confidence, [share right, low, high], and the text for a reader."""
    return [
        [
            round(100 * row.confidence, 3),
            _percent(row.right),
            f"{formatting.percent(row.confidence)} % sure on average: {with_interval(row.right)} % right"
            f" ({row.right.k:,} of {row.right.n:,})",
        ]
        for row in reliability(entry.run)
    ]


def _risk(entry: Entry) -> Json:
    """The curve of risk over coverage, as points to draw and as the few with a text; None without one."""
    try:
        curve, steps = risk_coverage(entry.run), coverage_points(entry.run)
    except RunError:  # verdicts without probabilities
        return None
    if curve.aurc is None:
        return None
    drawn = sorted({round(place * (len(curve.risk) - 1) / CURVE) for place in range(CURVE + 1)})
    return {
        "line": [[round(100 * curve.coverage[place], 3), round(100 * curve.risk[place], 4)] for place in drawn],
        "points": [
            [
                round(100 * step.coverage, 3),
                _percent(step.risk),
                [
                    ["answered", f"{formatting.percent(step.coverage)} % of pairs"],
                    ["wrong among them", f"{with_interval(step.risk)} %"],
                    ["confidence at least", f"{100 * step.threshold:.2f} %"],
                    ["area under the curve", f"{curve.aurc:.4f}"],
                ],
            ]
            for step in steps
        ],
    }


def _settings(report: Report) -> Iterator[dict[str, Json]]:
    """The schemes of one judge under one protocol on one benchmark, the largest file first, and the sentences on it."""
    entries = report.entries
    for setting, places in report.settings().items():
        benchmark, model, grammar = setting
        largest = max((entries[place].run for place in places), key=lambda run: run.score.pairs)
        ladders = [one for one in report.ladders if (one.model, one.grammar) == (model, grammar)]
        answers = [one for one in reversed(ladders) if benchmark in one.benchmarks]  # on several together first
        runs: list[Json] = [*sorted(places, key=lambda place: -entries[place].run.run.bytes)]
        yield {
            "sentences": [sentence(one.decisions) for one in answers],
            "benchmark": benchmark,
            "model": model,
            "grammar": grammar,
            "runs": runs,
            "pairs": _pairs([entries[place].run for place in places]),
            "agreement": with_interval(largest.score.human_agreement),
            "attainable": dash(formatting.value(largest.score.attainable, formatting.percent)),
        }


def _pairs(group: Sequence[RecordedRun]) -> str:
    """How many pairs the runs judged, of how many there are."""
    judged = sorted({run.score.pairs for run in group})
    number = f"{judged[0]:,}" if len(judged) == 1 else f"{judged[0]:,} to {judged[-1]:,}"
    return f"{number} of {counted(len(group[0].benchmark.pairs), 'pair')}"


def _judges(content: Leaderboard) -> dict[str, Json]:
    """The table of judges by benchmarks: a list of lines for each cell."""
    return {
        "notes": list(_notes(content)),
        "benchmarks": list(content.benchmarks),
        "rows": [
            {
                "judge": row.model,
                "of": _origin(row),
                "published": row.published is not None,
                "cells": [list(_cell(row, cell)) for cell in row.cells],
            }
            for row in content.rows
        ],
    }


def _notes(content: Leaderboard) -> Iterator[str]:
    cells = [cell for row in content.rows for cell in row.cells]
    yield PROFILES[content.profile]
    if both := dict.fromkeys(cell.benchmark for cell in cells if cell.figure == "agreement"):
        yield f"{', '.join(both)}: agreement, right in both orders; the others: accuracy in the order given"
    if any(cell.outside for cell in cells):
        yield f"{OUTSIDE} the published figure lies outside our 95 % interval"
    if any(cell.partial for cell in cells):
        yield f"{PARTIAL} on the part of the benchmark's pairs that was judged"
    compared = dict.fromkeys(cell.benchmark for cell in cells if cell.from_published is not None)
    yield from (f"{name}: {DEPARTURES[name]}" for name in compared if name in DEPARTURES)
    yield from content.remarks


def _origin(row: LeaderboardRow) -> str:
    if row.published:
        return f"published, {row.published.precision} ({row.published.source})"
    return f"{row.scheme} · {row.grammar} · {formatting.size(row.bytes)}"


def _cell(row: LeaderboardRow, cell: Cell) -> Iterator[str]:
    if row.published:
        yield DASH if cell.published is None else f"{cell.published:.2f}"
        return
    mark = PARTIAL if cell.partial and cell.ours.value is not None else ""
    yield f"{mark}{dash(formatting.value(cell.ours, formatting.percent))}"
    if cell.ours.low is not None and cell.ours.high is not None:
        yield f"[{formatting.percent(cell.ours.low)}, {formatting.percent(cell.ours.high)}]"
    if cell.from_f16.value is not None:
        yield f"{formatting.signed_number(cell.from_f16.value, '+.1f')} from f16"
    if cell.from_published is not None:
        apart = formatting.signed_number(cell.from_published, "+.1f")
        yield f"{OUTSIDE if cell.outside else ''}{apart} from published"
