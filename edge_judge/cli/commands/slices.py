"""edge-judge slices: a judge by category, length and author, and what quantizing changed besides the accuracy."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command
from edge_judge.errors import UsageError
from edge_judge.workflows.options import RunsOptions

HEADING = "look closer"


@dataclass(frozen=True, slots=True)
class Output:
    """The forms that the options name. Raises UsageError where two are."""

    as_json: bool = False
    as_csv: bool = False

    def __post_init__(self) -> None:
        if self.as_json and self.as_csv:
            raise UsageError("--json and --csv do not go together", "ask for one of them")


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
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, a line for each figure.")
@options.collected(runs=RunsOptions, output=Output)
def slices(runs: RunsOptions, baseline: str | None, output: Output) -> None:
    """Look at a judge by category, length and author.

    What was lost against the baseline in each category, with p adjusted for all of them; a liking for long answers or
    for one author's; position bias, hidden mass and overconfidence beside the baseline's. RUNS are folders of runs;
    without one, all complete runs under the results folder. Runs on the sets of LLMBar are put side by side.
    """
    from edge_judge.report.slices import slices_csv, slices_json, slices_table
    from edge_judge.workflows import slices as workflow

    found = workflow.slices(runs, baseline, terminal.TerminalListener())
    if output.as_json:
        click.echo(json.dumps([slices_json(one) for one in found], indent=2))
    elif output.as_csv:
        click.echo(slices_csv(found), nl=False)
    else:
        click.echo(slices_table(found, width=terminal.width(), color=terminal.color()), nl=False)
