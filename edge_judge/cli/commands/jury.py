"""edge-judge jury: several judges' verdicts combined, and how far they agree."""

from __future__ import annotations

from functools import partial
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
@options.forms
@options.collected(output=options.Output)
def jury(runs: tuple[Path, ...], data: Path | None, output: options.Output) -> None:
    """Combine the verdicts of several judges.

    Combines them by majority and by mean probability. RUNS are the folders of at least two runs on one benchmark, of
    different schemes, protocols or models.
    """
    from edge_judge.report.jury import jury_json, jury_table
    from edge_judge.workflows import jury as workflow

    result = workflow.jury(runs, data)
    terminal.show(output.form, lambda: jury_json(result), partial(jury_table, result))
