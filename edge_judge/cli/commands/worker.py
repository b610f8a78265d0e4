"""edge-judge worker: this machine judges for a coordinator on another."""

from __future__ import annotations

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.command import Command
from edge_judge.cli.errors import interrupted
from edge_judge.records import Limits
from edge_judge.workflows.options import ClusterOptions, WorkerSettings

HEADING = "judge"


@click.command(cls=Command, epilog=options.example("edge-judge worker tcp://192.168.0.5:8786 --insecure"))
@click.argument("cluster", metavar="ADDRESS")
@click.option("--gguf", "ggufs", type=options.FILE, multiple=True, help="A GGUF file to judge with. Repeatable.")
@click.option("--name", help="Name of this machine.  [default: its host name]")
@click.option("--build", is_flag=True, help="Download and build a judge that is not on this machine.")
@options.threads
@options.max_memory
@options.polite
@options.security
@options.collected(settings=WorkerSettings, limits=Limits, cluster=ClusterOptions)
def worker(settings: WorkerSettings, limits: Limits, cluster: ClusterOptions) -> None:
    """Judge for an `edge-judge eval --cluster` on another machine.

    Waits for a coordinator at the address, and for the next one after that. Ctrl-C stops the worker; others take over
    its work.
    """
    from edge_judge.workflows import cluster as workflow

    try:
        workflow.worker(cluster, settings, limits, terminal.TerminalListener())
    except KeyboardInterrupt:
        interrupted("other workers take over what this machine was judging")
