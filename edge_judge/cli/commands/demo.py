"""edge-judge demo: the main job on the embedded judge, offline."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.command import Command

HEADING = "begin"


@click.command(cls=Command, epilog=options.example("edge-judge demo", "edge-judge demo --results ./mine"))
@click.option("--results", type=options.FOLDER, help="Folder for the runs.  [default: the cache]")
@options.as_json
def demo(results: Path | None, as_json: bool) -> None:
    """Run the whole pipeline on the embedded judge, offline.

    It is quantized to six schemes, judges its benchmark with each, and the runs are compared. They are judged anew
    each time.
    """
    from edge_judge.report.comparison import comparisons_json
    from edge_judge.report.ladder import ladder_table
    from edge_judge.workflows import demo as workflow
    from edge_judge.workflows.recorded import demo_folder

    start = time.monotonic()
    folder = results or demo_folder()
    found = workflow.demo(folder, terminal.TerminalListener())
    if as_json:
        click.echo(json.dumps(comparisons_json(found.comparisons, found.ladders), indent=2))
        return
    click.echo(ladder_table(found.comparisons, found.ladders, width=terminal.width(), color=terminal.color()))
    terminal.note(f"{time.monotonic() - start:.0f} s; the runs are in {folder}")
    terminal.note(f"next: edge-judge report --results {shlex.quote(str(folder))}")
