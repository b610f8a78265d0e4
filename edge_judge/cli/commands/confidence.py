"""edge-judge confidence: how right a judge is where it is sure."""

from __future__ import annotations

from functools import partial

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
@options.forms
@options.collected(runs=RunsOptions, output=options.Output)
def confidence(runs: RunsOptions, abstain: float | None, output: options.Output) -> None:
    """Show a judge's error rate where its confidence is high.

    RUNS are folders of runs.  [default: all complete runs with probabilities in the results folder]
    """
    from edge_judge.report.selective import confidence_json, confidence_table
    from edge_judge.workflows import selective

    share = None if abstain is None else abstain / 100
    curves = selective.confidence(runs, share, terminal.TerminalListener())
    terminal.show(output.form, lambda: [confidence_json(curve) for curve in curves], partial(confidence_table, curves))
