"""edge-judge cascade: a small judge first, the pairs it is unsure of to a large one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command

HEADING = "look closer"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge cascade results/pocket/pocket/q2_k/pairwise results/pocket/pocket/q8_0/pairwise",
        "edge-judge cascade SMALL LARGE --keep 99.5 --cost bytes",
    ),
)
@click.argument("small", type=options.FOLDER, shell_complete=completion.runs)
@click.argument("large", type=options.FOLDER, shell_complete=completion.runs)
@click.option(
    "--keep",
    type=options.PERCENT,
    callback=options.number,
    default=99.0,
    show_default=True,
    metavar="PERCENT",
    help="Share of the large judge's accuracy to keep.",
)
@click.option(
    "--cost",
    type=click.Choice(["time", "bytes"]),
    default="time",
    show_default=True,
    help="Cost of a verdict: measured seconds, or the size of the weights.",
)
@options.data
@options.as_json
def cascade(
    small: Path, large: Path, keep: float, cost: Literal["time", "bytes"], data: Path | None, as_json: bool
) -> None:
    """Send a large judge only what a small one is unsure of.

    SMALL and LARGE are folders of runs on one benchmark. Nothing is judged anew: both have judged every pair, so what
    each threshold would have gained and cost is known.
    """
    from edge_judge.report.cascade import cascade_json, cascade_table
    from edge_judge.workflows import cascade as workflow

    result = workflow.cascade(small, large, keep / 100, cost, data)
    if as_json:
        click.echo(json.dumps(cascade_json(result), indent=2))
    else:
        click.echo(cascade_table(result, width=terminal.width(), color=terminal.color()), nl=False)
