"""edge-judge slices: a judge by category, length and author, and what quantizing changed besides the accuracy."""

from __future__ import annotations

from functools import partial

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command
from edge_judge.workflows.options import RunsOptions

HEADING = "look closer"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge slices results/pocket/pocket/q2_k/pairwise",
        "edge-judge slices results/auto-j/*/q4_k_m/pairwise --csv",
        "edge-judge slices results/llmbar-*/*/q4_k_m/pairwise",
    ),
)
@options.run_folders
@click.option(
    "--baseline",
    shell_complete=completion.baselines,
    help="A scheme, a pack, or a run's folder.  [default: f16, if there is one]",
)
@options.data
@options.results
@options.forms
@options.collected(runs=RunsOptions, output=options.Output)
def slices(runs: RunsOptions, baseline: str | None, output: options.Output) -> None:
    """Break a judge's accuracy down by category, length and author.

    Shows the loss against the baseline in each category, with p adjusted for all of them; preference for long answers
    or for one author; position bias, hidden mass and overconfidence. Runs on the sets of LLMBar share a table. RUNS are
    folders of runs.  [default: all complete runs in the results folder]
    """
    from edge_judge.report.slices import slices_json, slices_table
    from edge_judge.workflows import slices as workflow

    found = workflow.slices(runs, baseline, terminal.TerminalListener())
    terminal.show(output.form, lambda: [slices_json(one) for one in found], partial(slices_table, found))
