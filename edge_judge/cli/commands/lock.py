"""edge-judge lock: where models come from, and what no longer is as it was recorded."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from edge_judge.cli import options, terminal
from edge_judge.errors import EdgeJudgeError

HEADING = "share and check"


@click.command(epilog=options.example("edge-judge lock", "edge-judge lock --check"))
@click.option("--check", is_flag=True, help="Change nothing; fail if something differs from what was recorded.")
@options.as_json
def lock(check: bool, as_json: bool) -> None:
    """Show where each known model comes from.

    Hashes and sizes that only the Hub knows are filled in; a pin is never moved. With --check, compare models.lock with
    the Hub, and the files built here with their record.
    """
    if check:
        _check(as_json)
    else:
        _show(as_json)


def _show(as_json: bool) -> None:
    from edge_judge.workflows.lock import lock_sources

    sources = lock_sources(terminal.TerminalListener())
    if as_json:
        click.echo(json.dumps([asdict(source) for source in sources], indent=2))
        return
    for source in sources:
        commit = str(source.commit or "in the package")[:14]
        hashes = f"{source.hashed}/{source.files} hashes"
        gated = ", gated" if source.gated else ""
        click.echo(f"{source.model:13} {source.source:38} {commit:15} {hashes:11} {source.licence}{gated}")


def _check(as_json: bool) -> None:
    from edge_judge.workflows.lock import check_lock

    states = check_lock(terminal.TerminalListener())
    if as_json:
        rows = [{name: getattr(row, name) for name in ("model", "state", "file", "detail")} for row in states]
        click.echo(json.dumps(rows, indent=2))
    else:
        for row in states:
            click.echo(f"{row.state:8} {row.model:13} {row.file:12} {row.detail}")
        if not states:
            click.echo("no model is built on this machine, and the Hub reported nothing")
    if wrong := [row.wrong for row in states if row.wrong is not None]:
        raise EdgeJudgeError(
            f"differs from what was recorded: {', '.join(wrong)}",
            "edge-judge quantize builds a file again, models --add takes a new one in",
        )
