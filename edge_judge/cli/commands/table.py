"""edge-judge table: judges by benchmarks, beside the published figures."""

from __future__ import annotations

import json
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
@options.as_json
@options.as_csv
@options.as_markdown
@options.collected(runs=RunsOptions, output=options.Output)
def table(runs: RunsOptions, profile: Literal["paper", "strict"], output: options.Output) -> None:
    """Lay judges beside the published table, benchmark by benchmark.

    RUNS are folders of runs; without one, all complete runs under the results folder. Without any run it is the
    published table.
    """
    from edge_judge.report import leaderboard
    from edge_judge.workflows import table as workflow

    form = output.form
    content = workflow.table(runs, profile, terminal.TerminalListener())
    if form == "json":
        click.echo(json.dumps(leaderboard.judges_json(content), indent=2))
    elif form == "csv":
        click.echo(leaderboard.judges_csv(content), nl=False)
    elif form == "markdown":
        click.echo(leaderboard.judges_markdown(content), nl=False)
    else:
        click.echo(leaderboard.judges_table(content, width=terminal.width(), color=terminal.color()), nl=False)
