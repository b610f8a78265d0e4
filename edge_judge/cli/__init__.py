"""The command line: the one place that prints or exits. stdout is data, stderr is talk.

group.py      the commands, found by their files, and the headings that `--help` lists them under
command.py    a command: its options in sections, and --quiet
completion.py what a shell completes
errors.py     the library's errors, shown once, with their exit codes
options.py    options that several commands share, collected into typed objects
terminal.py   what is shown on stderr: notes, progress
commands/     one file per command: options in, a workflow, its result as text
"""

from __future__ import annotations

import click

from edge_judge.cli.group import Commands
from edge_judge.version import __version__

EPILOG = "Start with:  edge-judge demo"


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="edge-judge")
def main() -> None:
    """Find the cheapest quantized judge that can be trusted on this machine."""
