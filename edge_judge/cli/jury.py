"""edge-judge jury: several judges' verdicts combined, and how far they agree."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.together import together
from edge_judge.errors import UsageError


@click.command(
    epilog=options.example(
        "edge-judge jury results/pocket/pocket/q2_k/pairwise results/pocket/pocket/q3_k_m/pairwise "
        "results/pocket/pocket/q4_k_m/pairwise",
    )
)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, file_okay=False))
@options.data
@options.as_json
def jury(runs: tuple[Path, ...], data: Path | None, as_json: bool) -> None:
    """Combine the verdicts of several judges, by majority and by mean probability.

    RUNS are the folders of at least two runs on one benchmark: other schemes, protocols or models.
    """
    from edge_judge.analysis.jury import jury as seated
    from edge_judge.report.jury import jury_json, jury_table

    if len(runs) < 2:
        raise UsageError("a jury needs two runs, one is named", "name the folders of several runs on one benchmark")
    found = seated(together(runs, data))
    if as_json:
        click.echo(json.dumps(jury_json(found), indent=2))
    else:
        click.echo(jury_table(found, width=terminal.width(), color=terminal.color()), nl=False)
