"""edge-judge report: one page from recorded runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.runs import found, whole
from edge_judge.errors import DataError, RunError, UsageError, nearest
from edge_judge.records import Run

if TYPE_CHECKING:
    from edge_judge.analysis.compare import Comparison
    from edge_judge.metrics.recorded import RecordedRun
    from edge_judge.report.page.data import Entry, Report

PICTURES: dict[str, Literal["svg", "png"]] = {".svg": "svg", ".png": "png"}
TARGET = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog=options.example(
        "edge-judge report",
        "edge-judge report -o judges.html --results results/0.1.0 --chart judges.svg",
        "edge-judge report results/pocket/pocket/*/pairwise --margin 1",
    )
)
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, file_okay=False))
@click.option("-o", "--out", type=TARGET, default=Path("report.html"), show_default=True, help="The page's file.")
@click.option("--baseline", default="f16", show_default=True, help="The scheme that others are compared with.")
@options.margin
@click.option("--chart", type=TARGET, help="Also draw accuracy against size, as .svg or .png.")
@options.data
@options.results
def report(
    runs: tuple[Path, ...],
    out: Path,
    baseline: str,
    margin: float,
    chart: Path | None,
    data: Path | None,
    results: Path,
) -> None:
    """Write one page of all figures and all pairs, to read offline.

    RUNS are folders of runs; without one, all complete runs under the results folder. The runs that they are compared
    with are on the page too.
    """
    from edge_judge.report.page.document import build
    from edge_judge.runs import folder as run_folder

    if chart is not None and chart.suffix.lower() not in PICTURES:
        raise UsageError(f"{chart}: a chart is made as {' or '.join(PICTURES)}", "say for example: --chart chart.svg")
    content = _report(runs, results, data, _scheme(baseline), margin)
    page = build(content).encode()
    drawn = _drawn(content, chart) if chart else None  # before anything is written
    run_folder.write_whole(out, page)
    click.echo(out)
    if chart and drawn is not None:
        run_folder.write_whole(chart, drawn)
        click.echo(chart)
    for remark in content.remarks:
        terminal.note(remark)
    terminal.note(f"{len(content.entries)} runs, {terminal.size(len(page))}: open it in a browser")


def _scheme(named: str) -> str:
    from quantize import schemes

    if named.lower() not in schemes.SCHEMES:
        raise UsageError(f"unknown baseline '{named}'", nearest(named, schemes.SCHEMES))
    return named.lower()


def _report(named: tuple[Path, ...], results: Path, data: Path | None, baseline: str, margin: float) -> Report:
    from edge_judge.analysis import leaderboard as tables
    from edge_judge.cli.eval import published_csv
    from edge_judge.metrics import published
    from edge_judge.report.page import answer
    from edge_judge.report.page.data import Report
    from edge_judge.runs import folder as run_folder

    chosen = dict(found(tuple(dict.fromkeys(named)), results, data))
    if not chosen:
        if run_folder.find_runs(results):
            raise RunError(f"{results}: no run there can be scored", "--data names the folder of the benchmarks' files")
        raise RunError(f"{results}: no complete run there", "edge-judge eval makes one")
    remarks: list[str] = []
    entries = _entries(_with_baselines(chosen, baseline, data, remarks), baseline, data, remarks)
    judges = tables.build([entry.run for entry in entries], published.read_published(published_csv()))
    said = answer.alone(entries, margin), answer.together(entries, margin)
    return Report(tuple(entries), judges, margin, baseline, *said, tuple(dict.fromkeys(remarks)))


def _beside(path: Path, baseline: str) -> Path:
    """Where the baseline of the run in this folder lies."""
    return path.parent.parent / baseline / path.name


def _with_baselines(chosen: dict[Path, Run], baseline: str, data: Path | None, remarks: list[str]) -> dict[Path, Run]:
    """The runs and those beside them that they are compared with; a remark on one that cannot be scored."""
    from edge_judge.runs import folder as run_folder

    runs = {path.resolve(): run for path, run in chosen.items()}
    beside = {_beside(path, baseline) for path in runs} - runs.keys()
    for path in sorted(path for path in beside if (path / "score.json").exists()):
        try:
            run = run_folder.read_run(path)
            whole(run, data)
        except (DataError, RunError) as error:
            remarks.append(f"no comparison with {baseline}: {error}")
        else:
            runs[path] = run
    return runs


def _entries(runs: dict[Path, Run], baseline: str, data: Path | None, remarks: list[str]) -> list[Entry]:
    """The runs with their figures, each beside its baseline; remarks on those that have none."""
    from edge_judge.metrics.recorded import RecordedRun
    from edge_judge.report.page.data import Entry

    places = {path: place for place, path in enumerate(runs)}
    recorded = {path: RecordedRun(run, whole(run, data)) for path, run in runs.items()}
    entries = []
    for path, run in recorded.items():
        beside = _beside(path, baseline)
        lost = _comparison(run, recorded.get(beside), baseline, remarks)
        entries.append(Entry(run, lost, places[beside] if lost else None))
    return entries


def _comparison(
    run: RecordedRun, beside: RecordedRun | None, baseline: str, remarks: list[str]
) -> Comparison | None:
    from edge_judge.analysis.compare import compare

    if beside is None:
        who = run.identity
        where = f"{who.model} on {who.benchmark} with --grammar {who.grammar}"
        remarks.append(f"no {baseline} run of {where} to compare with")
        return None
    try:
        return compare(run, beside)
    except RunError as error:
        remarks.append(f"not compared: {error}")
        return None


def _drawn(content: Report, chart: Path) -> bytes:
    from edge_judge.report.page.picture import picture

    return picture(content, PICTURES[chart.suffix.lower()])
