"""edge-judge table: judges by benchmarks, beside the published figures."""

from __future__ import annotations

from functools import partial
from typing import Literal

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.command import Command
from edge_judge.workflows.options import RunsOptions

HEADING = "decide"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge table",
        "edge-judge table --profile strict --results results/0.1.0",
        "edge-judge table results/pandalm/*/q4_k_m/pairwise --markdown",
    ),
)
@options.run_folders
@click.option(
    "--profile",
    type=click.Choice(["paper", "strict"]),
    default="paper",
    show_default=True,
    help="Score as the published figures were, or strictly.",
)
@options.data
@options.results
@options.forms
@options.collected(runs=RunsOptions, output=options.Output)
def table(runs: RunsOptions, profile: Literal["paper", "strict"], output: options.Output) -> None:
    """Compare judges with the published table on each benchmark.

    RUNS are folders of runs. Without any run, the published table is shown.  [default: all complete runs in the
    results folder]
    """
    from edge_judge.report import leaderboard
    from edge_judge.workflows import table as workflow

    content = workflow.table(runs, profile, terminal.TerminalListener())
    terminal.show(output.form, lambda: leaderboard.judges_json(content), partial(leaderboard.judges_table, content))
    if output.form == "table":
        for line in workflow.to_fill(content, runs):
            terminal.note(line)
