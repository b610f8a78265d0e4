"""edge-judge data: the benchmark files, pinned and hash-checked."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge import benchmarks
from edge_judge.cli import options, talk
from edge_judge.errors import DataError

if TYPE_CHECKING:
    from edge_judge.benchmarks import Source

NAMES = click.argument("names", nargs=-1)


@click.group(epilog=options.example("edge-judge data pull llmbar-natural", "edge-judge data verify"))
def data() -> None:
    """List, download and verify the benchmark files."""


@data.command("list", epilog=options.example("edge-judge data list"))
@options.data
@options.as_json
def list_sources(data: Path | None, as_json: bool) -> None:
    """List the benchmarks: size, licence, source, and whether the file is here."""
    sources = list(benchmarks.REGISTRY.values())
    states = {source.name: benchmarks.verify(source, data).state for source in sources}
    if as_json:
        rows = [
            {
                "name": one.name,
                "votes": one.rows,
                "ties": one.ties,
                "licence": one.licence,
                "url": one.url,
                "state": states[one.name],
            }
            for one in sources
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    from edge_judge.layout import render, table

    cells = [[one.name, str(one.rows), "yes" if one.ties else "no", one.licence, states[one.name]] for one in sources]
    click.echo(
        render(
            [table("Benchmarks", ["name", "votes", "ties", "licence", "file"], cells)],
            talk.width(),
            talk.color(),
        ),
        nl=False,
    )


@data.command(epilog=options.example("edge-judge data pull pandalm auto-j", "edge-judge data pull"))
@NAMES
@options.data
def pull(names: tuple[str, ...], data: Path | None) -> None:
    """Download benchmarks from their pinned sources, and check their hashes. Without a name, all of them."""
    from edge_judge.benchmarks.pull import pull as pulled

    for source in _sources(names):
        found = pulled(source, data)
        talk.note(f"{source.name}: {'downloaded' if found.fresh else 'already there'}, sha256 {found.sha256[:16]}…")
        click.echo(found.path)


@data.command(epilog=options.example("edge-judge data verify --data ./benchmarks"))
@NAMES
@options.data
@options.as_json
def verify(names: tuple[str, ...], data: Path | None, as_json: bool) -> None:
    """Check the benchmark files that are here against their hashes. Fails if one has changed."""
    checks = [benchmarks.verify(source, data) for source in _sources(names)]
    if as_json:
        click.echo(json.dumps([{**asdict(check), "path": str(check.path)} for check in checks], indent=2))
    else:
        for check in checks:
            click.echo(f"{check.state:9} {check.name:16} {check.path}")
    changed = [check.name for check in checks if check.state == "changed"]
    if changed:
        raise DataError(
            f"changed since it was published: {', '.join(changed)}", "edge-judge data pull NAME replaces it"
        )
    if names and any(check.state == "missing" for check in checks):
        raise DataError("not all of these files are here", "edge-judge data pull NAME downloads one")


def _sources(names: tuple[str, ...]) -> list[Source]:
    return [benchmarks.find(name) for name in names] or list(benchmarks.REGISTRY.values())
