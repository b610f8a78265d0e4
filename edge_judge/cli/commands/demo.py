"""edge-judge demo: the main job on the embedded judge, offline."""

from __future__ import annotations

import shlex
import time
from functools import partial
from pathlib import Path

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.command import Command

HEADING = "begin"


@click.command(cls=Command, epilog=options.example("edge-judge demo", "edge-judge demo --results ./mine"))
@click.option("--results", type=options.FOLDER, help="Folder for the runs.  [default: the cache]")
@options.forms
@options.collected(output=options.Output)
def demo(results: Path | None, output: options.Output) -> None:
    """Run the whole pipeline on the embedded judge, offline.

    The judge is quantized to six schemes, each judges its benchmark, and the runs are compared. Every call judges
    everything again.
    """
    from edge_judge.report.comparison import comparisons_json
    from edge_judge.report.ladder import ladder_table
    from edge_judge.workflows import demo as workflow
    from edge_judge.workflows.recorded import demo_folder

    start = time.monotonic()
    folder = results or demo_folder()
    found = workflow.demo(folder, terminal.TerminalListener())
    terminal.show(
        output.form,
        lambda: comparisons_json(found.comparisons, found.ladders),
        partial(ladder_table, found.comparisons, found.ladders),
    )
    terminal.note(f"{time.monotonic() - start:.0f} s; the runs are in {folder}")
    terminal.note(f"next: edge-judge report --results {shlex.quote(str(folder))}")
