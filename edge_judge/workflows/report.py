"""One page of all figures and all pairs, from recorded runs.

Knows: which runs are on the page, and with which each is compared. Does not know: how the page looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_judge.analysis import leaderboard
from edge_judge.analysis.compare import Comparison, adjusted, compare
from edge_judge.analysis.ladders import decide_ladders
from edge_judge.analysis.paired_losses import Part
from edge_judge.analysis.slices import Slices, slices
from edge_judge.errors import RunError, UsageError, nearest
from edge_judge.files import write_whole
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import ProgressListener
from edge_judge.report.page import document
from edge_judge.report.page.data import Entry, Report
from edge_judge.report.page.picture import picture
from edge_judge.runs import folder as run_folder
from edge_judge.workflows.options import ReportSettings, RunsOptions
from edge_judge.workflows.published import read_published
from edge_judge.workflows.recorded import RunReader, read_siblings, require_runs
from edge_judge.workflows.target import check_target
from quantize import schemes

PICTURES: dict[str, Literal["svg", "png"]] = {".svg": "svg", ".png": "png"}


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """What was written. bytes: of the page; remarks: what is missing from it, and why."""

    out: Path
    chart: Path | None
    runs: int
    bytes: int
    remarks: tuple[str, ...]


def report(
    runs: RunsOptions = RunsOptions(),
    settings: ReportSettings = ReportSettings(),
    listener: ProgressListener = ProgressListener(),
) -> WrittenReport:
    """Write the page. The runs that the others are compared with are on it too."""
    out, chart = settings.out, settings.chart
    if chart is not None and chart.suffix.lower() not in PICTURES:
        raise UsageError(
            f"{chart}: unknown kind of chart, expected {' or '.join(PICTURES)}", "use for example: --chart chart.svg"
        )
    check_target(out, "use another name with --out")
    check_target(chart, "use another name with --chart")
    content = read_report(runs, settings, listener)
    page = document.build(content).encode()
    drawn = picture(content, PICTURES[chart.suffix.lower()]) if chart else b""  # before anything is written
    write_whole(out, page)
    if chart:
        write_whole(chart, drawn)
    return WrittenReport(out, chart, len(content.entries), len(page), content.remarks)


def read_report(runs: RunsOptions, settings: ReportSettings, listener: ProgressListener = ProgressListener()) -> Report:
    """All that the page shows."""
    baseline = _scheme(settings.baseline)
    reader, remarks = RunReader(runs.data), list[str]()
    named = {path.resolve(): run for path, run in require_runs(runs, reader, listener).items()}
    siblings = read_siblings(
        named, baseline, reader, lambda _, error: remarks.append(f"no comparison with {baseline}: {error}")
    )
    entries = _entries({**named, **siblings}, baseline, remarks)
    judges = leaderboard.build([entry.run for entry in entries], read_published())
    ladders = decide_ladders(_parts(entries), settings.margin)
    return Report(tuple(entries), judges, settings.margin, baseline, tuple(ladders), tuple(dict.fromkeys(remarks)))


def _scheme(name: str) -> str:
    if not schemes.is_known(name):
        raise UsageError(f"unknown baseline '{name}'", nearest(name, schemes.SCHEMES))
    return schemes.canonical(name)


def _entries(runs: Mapping[Path, RecordedRun], baseline: str, remarks: list[str]) -> list[Entry]:
    """The runs with their figures, each with its baseline; remarks on those that have none."""
    places = {path: place for place, path in enumerate(runs)}
    siblings = {path: run_folder.sibling(path, baseline) for path in runs}
    losses = {path: _comparison(run, runs.get(siblings[path]), baseline, remarks) for path, run in runs.items()}
    compared = [path for path, lost in losses.items() if lost]
    losses |= dict(zip(compared, adjusted([lost for lost in losses.values() if lost]), strict=True))
    baselines = {path: runs[siblings[path]] if losses[path] else None for path in runs}
    return [
        Entry(run, losses[path], places[siblings[path]] if losses[path] else None, _slices(run, baselines[path]))
        for path, run in runs.items()
    ]


def _slices(run: RecordedRun, baseline: RecordedRun | None) -> Slices:
    """Of the run alone where it is its own baseline, or has none."""
    beside = None if baseline is None or baseline.identity == run.identity else baseline
    return slices([(run, beside)], run.benchmark.name)


def _parts(entries: Sequence[Entry]) -> list[Part]:
    return [Part(entry.run, entries[entry.baseline].run) for entry in entries if entry.baseline is not None]


def _comparison(run: RecordedRun, baseline: RecordedRun | None, scheme: str, remarks: list[str]) -> Comparison | None:
    if baseline is None:
        identity = run.identity
        where = f"{identity.model} on {identity.benchmark} with --grammar {identity.grammar}"
        remarks.append(f"no {scheme} run of {where} to compare with")
        return None
    try:
        return compare(run, baseline)
    except RunError as error:
        remarks.append(f"not compared: {error}")
        return None
