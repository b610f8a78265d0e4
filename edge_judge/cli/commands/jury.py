"""edge-judge jury: several judges' verdicts combined, and how far they agree."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command

HEADING = "look closer"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge jury results/pocket/pocket/q2_k/pairwise results/pocket/pocket/q3_k_m/pairwise "
        "results/pocket/pocket/q4_k_m/pairwise",
    ),
)
@click.argument("runs", nargs=-1, required=True, type=options.FOLDER, shell_complete=completion.runs)
@options.data
@options.as_json
def jury(runs: tuple[Path, ...], data: Path | None, as_json: bool) -> None:
    """Combine the verdicts of several judges.

    They are combined by majority and by mean probability. RUNS are the folders of at least two runs on one benchmark:
    other schemes, protocols or models.
    """
    from edge_judge.report.jury import jury_json, jury_table
    from edge_judge.workflows import jury as workflow

    result = workflow.jury(runs, data)
    if as_json:
        click.echo(json.dumps(jury_json(result), indent=2))
    else:
        click.echo(jury_table(result, width=terminal.width(), color=terminal.color()), nl=False)
