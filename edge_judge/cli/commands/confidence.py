"""edge-judge confidence: how right a judge is where it is sure."""

from __future__ import annotations

import json

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.command import Command
from edge_judge.workflows.options import RunsOptions

HEADING = "look closer"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge confidence",
        "edge-judge confidence results/pocket/pocket/q2_k/pairwise --abstain 5",
    ),
)
@options.run_folders
@click.option(
    "--abstain",
    type=options.PERCENT,
    metavar="PERCENT",
    callback=options.number,
    help="Find the confidence above which at most this percentage of verdicts is wrong.",
)
@options.data
@options.results
@options.as_json
@options.collected(runs=RunsOptions)
def confidence(runs: RunsOptions, abstain: float | None, as_json: bool) -> None:
    """Show how often a judge is wrong where it is surest.

    RUNS are folders of runs; without one, all complete runs under the results folder that have probabilities.
    """
    from edge_judge.report.selective import confidence_json, confidence_table
    from edge_judge.workflows import selective

    share = None if abstain is None else abstain / 100
    curves = selective.confidence(runs, share, terminal.TerminalListener())
    if as_json:
        click.echo(json.dumps([confidence_json(curve) for curve in curves], indent=2))
    else:
        click.echo(confidence_table(curves, width=terminal.width(), color=terminal.color()), nl=False)
