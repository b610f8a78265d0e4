"""The command line: the one place that prints or exits. stdout is data, stderr is talk.

errors.py     the library's errors, told once, with their exit codes
options.py    options that several commands share
talk.py       what is said on stderr: notes, progress
files.py      which GGUF is meant, built if it ships with the package
…             one file per command
"""

from __future__ import annotations

import click

from edge_judge import __version__
from edge_judge.cli.attribute import attribute
from edge_judge.cli.cascade import cascade
from edge_judge.cli.choose import choose
from edge_judge.cli.compare import compare
from edge_judge.cli.confidence import confidence
from edge_judge.cli.data import data
from edge_judge.cli.demo import demo
from edge_judge.cli.errors import Commands
from edge_judge.cli.eval import evaluate
from edge_judge.cli.judge import judge
from edge_judge.cli.jury import jury
from edge_judge.cli.lock import lock
from edge_judge.cli.models import models
from edge_judge.cli.pack import pack
from edge_judge.cli.quantize import quantize
from edge_judge.cli.report import report
from edge_judge.cli.speed import speed

EPILOG = "Begin with:  edge-judge demo"


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="edge-judge")
def main() -> None:
    """Find the cheapest quantized judge that can be trusted on this machine."""


for command in (
    demo, models, quantize, evaluate, compare, choose, pack, attribute,
    judge, data, lock, speed, report, confidence, cascade, jury,
):
    main.add_command(command)
