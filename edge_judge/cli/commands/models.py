"""edge-judge models: what is known, how large it would be, whether it fits here, and what is built."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from edge_judge.cli import options, terminal
from edge_judge.report.formatting import notes, render, short_size, size, table

HEADING = "begin"


@click.command(epilog=options.example("edge-judge models", "edge-judge models --json"))
@options.as_json
def models(as_json: bool) -> None:
    """List the known models: sizes, what fits here, what is built."""
    from edge_judge.workflows import models as workflow

    listed = workflow.models()
    if as_json:
        click.echo(json.dumps([asdict(model) for model in listed], indent=2))
        return
    rows = [
        [
            model.name,
            _count(model.parameters),
            *(size(model.bytes[name]) for name in workflow.SHOWN),
            model.fits or "none",
            " ".join(model.built) or "-",
        ]
        for model in listed
    ]
    lines = table("Known models", ["model", "params", *workflow.SHOWN, "fits", "built"], rows)
    note = notes(
        f"fits: the widest of these that leaves {short_size(workflow.SPARE)} "
        f"of this machine's {short_size(workflow.machine_memory())} of memory"
    )
    click.echo(render([lines, note], terminal.width(), terminal.color()), nl=False)


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:.1f} M"
