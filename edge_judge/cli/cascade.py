"""edge-judge cascade: a small judge first, the pairs it is unsure of to a large one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.confidence import Percent
from edge_judge.cli.together import together

if TYPE_CHECKING:
    from edge_judge.analysis.cascade import Unit

RUN = click.Path(path_type=Path, file_okay=False)


@click.command(
    epilog=options.example(
        "edge-judge cascade results/pocket/pocket/q2_k/pairwise results/pocket/pocket/q8_0/pairwise",
        "edge-judge cascade SMALL LARGE --keep 99.5 --cost bytes",
    )
)
@click.argument("small", type=RUN)
@click.argument("large", type=RUN)
@click.option(
    "--keep", type=Percent(), default=99.0, show_default=True, metavar="PERCENT", help="Of the large one's accuracy."
)
@click.option(
    "--cost",
    type=click.Choice(["time", "bytes"]),
    default="time",
    show_default=True,
    help="Seconds as measured, or the size of the weights.",
)
@options.data
@options.as_json
def cascade(small: Path, large: Path, keep: float, cost: Unit, data: Path | None, as_json: bool) -> None:
    """Send only the pairs that a small judge is unsure of to a large one.

    SMALL and LARGE are folders of runs on one benchmark. Nothing is judged anew: both have judged every pair, so what
    each threshold would have gained and cost is known.
    """
    from edge_judge.analysis.cascade import cascade as tried
    from edge_judge.report.cascade import cascade_json, cascade_table

    found = tried(*together((small, large), data), keep=keep / 100, unit=cost)
    if as_json:
        click.echo(json.dumps(cascade_json(found), indent=2))
    else:
        click.echo(cascade_table(found, width=terminal.width(), color=terminal.color()), nl=False)
