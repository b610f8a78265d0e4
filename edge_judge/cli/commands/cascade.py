"""edge-judge cascade: a small judge first, the pairs it is unsure of to a large one."""

from __future__ import annotations

from functools import partial
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
@options.forms
@options.collected(output=options.Output)
def cascade(
    small: Path, large: Path, keep: float, cost: Literal["time", "bytes"], data: Path | None, output: options.Output
) -> None:
    """Send pairs to a large judge only where a small one is unsure.

    SMALL and LARGE are folders of runs on one benchmark. Nothing is judged again: both have judged every pair, so the
    accuracy and cost of each threshold are known.
    """
    from edge_judge.report.cascade import cascade_json, cascade_table
    from edge_judge.workflows import cascade as workflow

    result = workflow.cascade(small, large, keep / 100, cost, data)
    terminal.show(output.form, lambda: cascade_json(result), partial(cascade_table, result))
