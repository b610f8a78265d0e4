"""edge-judge table: judges by benchmarks, beside the published figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, TypeAlias

import click

from edge_judge.cli import options, terminal
from edge_judge.errors import UsageError
from edge_judge.workflows.options import RunsOptions

HEADING = "decide"
Form: TypeAlias = Literal["table", "json", "csv", "markdown"]


@dataclass(frozen=True, slots=True)
class Output:
    """The forms that the options name."""

    as_json: bool = False
    as_csv: bool = False
    as_markdown: bool = False

    @property
    def form(self) -> Form:
        """Raises UsageError where two are named."""
        flags: dict[Form, bool] = {"json": self.as_json, "csv": self.as_csv, "markdown": self.as_markdown}
        forms = [form for form, named in flags.items() if named]
        if len(forms) > 1:
            raise UsageError(f"--{forms[0]} and --{forms[1]} do not go together", "ask for one of them")
        return forms[0] if forms else "table"


@click.command(
    epilog=options.example(
        "edge-judge table",
        "edge-judge table --profile strict --results results/0.1.0",
        "edge-judge table results/pandalm/*/q4_k_m/pairwise --markdown",
    )
)
@options.run_folders
@click.option(
    "--profile",
    type=click.Choice(["paper", "strict"]),
    default="paper",
    show_default=True,
    help="Figures made as the published ones were, or strictly.",
)
@options.data
@options.results
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV, a line for each judge and benchmark.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as GitHub shows one.")
@options.collected(runs=RunsOptions, output=Output)
def table(runs: RunsOptions, profile: Literal["paper", "strict"], output: Output) -> None:
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
