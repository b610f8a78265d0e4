"""edge-judge report: one page from recorded runs."""

from __future__ import annotations

from pathlib import Path

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command
from edge_judge.quantities import counted
from edge_judge.report.formatting import size
from edge_judge.workflows.options import ReportSettings, RunsOptions

HEADING = "decide"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge report",
        "edge-judge report -o judges.html --results results/0.1.0 --chart judges.svg",
        "edge-judge report results/pocket/pocket/*/pairwise --margin 1",
    ),
)
@options.run_folders
@click.option(
    "-o", "--out", type=options.TARGET, default=Path("report.html"), show_default=True, help="The HTML file to write."
)
@click.option(
    "--baseline",
    default="f16",
    show_default=True,
    shell_complete=completion.schemes,
    help="The scheme that others are compared with.",
)
@options.margin
@click.option("--chart", type=options.TARGET, help="Also draw accuracy against size, as .svg or .png.")
@options.data
@options.results
@options.collected(runs=RunsOptions, settings=ReportSettings)
def report(runs: RunsOptions, settings: ReportSettings) -> None:
    """Write an HTML page of all figures and pairs, readable offline.

    RUNS are folders of runs; the page also includes their baselines.  [default: all complete runs in the results
    folder]
    """
    from edge_judge.workflows import report as workflow

    written = workflow.report(runs, settings, terminal.TerminalListener())
    for path in (written.out, written.chart):
        if path is not None:
            click.echo(path)
    for remark in written.remarks:
        terminal.note(remark)
    terminal.note(f"{counted(written.runs, 'run')}, {size(written.bytes)}: open it in a browser")
