"""edge-judge lock: where models come from, and what no longer is as it was recorded."""

from __future__ import annotations

import json

import click

from edge_judge.cli import files, options, terminal
from edge_judge.errors import EdgeJudgeError


@click.command(epilog=options.example("edge-judge lock", "edge-judge lock --check"))
@click.option("--check", is_flag=True, help="Change nothing; fail if something is not what was recorded.")
@options.as_json
def lock(check: bool, as_json: bool) -> None:
    """Show where each known model comes from, filling in the hashes and sizes that the Hub tells.

    A pin is never moved. With --check, compare models.lock with the Hub, and the files built here with their record.
    """
    if check:
        _check(as_json)
    else:
        _fill()
        _show(as_json)


def _show(as_json: bool) -> None:
    from quantize import lock as locks

    rows = [
        {
            "model": one.name,
            "source": one.repo or one.local,
            "commit": one.commit,
            "files": len(one.files),
            "hashed": sum(file.sha256 is not None for file in one.files),
            "licence": one.license,
            "gated": one.gated,
        }
        for one in locks.read().models
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        commit = str(row["commit"] or "in the package")[:14]
        known = f"{row['hashed']}/{row['files']} hashes"
        gated = ", gated" if row["gated"] else ""
        click.echo(f"{row['model']:13} {row['source']:38} {commit:15} {known:11} {row['licence']}{gated}")


def _fill() -> None:
    from quantize import lock as locks
    from quantize import relock
    from quantize.errors import SourceInterrupted
    from quantize.source import Hub

    try:
        for one in relock.fill(Hub(), locks.shipped_path()):
            terminal.note(f"{one.model}: {one.state} {one.file or ''} {one.detail}")
    except SourceInterrupted:
        terminal.note("the Hub could not be reached: this is what is known already")


def _check(as_json: bool) -> None:
    from quantize import lock as locks
    from quantize import relock
    from quantize.errors import SourceInterrupted
    from quantize.source import Hub

    rows, wrong = _built_here()
    try:
        found = relock.check(Hub(), locks.read().models)
    except SourceInterrupted:
        terminal.note("the Hub could not be reached: only the files built here were checked")
        found = ()
    rows += [[one.model, one.state, one.file or "", one.detail] for one in found]
    wrong += [f"{one.model} ({one.state} on the Hub)" for one in found if one.wrong]
    _tell(rows, as_json)
    if wrong:
        raise EdgeJudgeError(f"not what was recorded: {', '.join(wrong)}", "edge-judge quantize builds a file again")


def _built_here() -> tuple[list[list[str]], list[str]]:
    """A row for each file built on this machine, and the names of those that have changed."""
    from quantize import digest
    from quantize import lock as locks

    folder = files.models_folder()
    rows, wrong = [], []
    for record in locks.read_built(folder).built:
        path = folder / record.file
        state = "missing" if not path.exists() else "ok" if digest.sha256(path) == record.sha256 else "changed"
        rows.append([record.model, state, record.scheme, str(path)])
        if state != "ok":
            wrong.append(f"{record.model} {record.scheme} ({state})")
    return rows, wrong


def _tell(rows: list[list[str]], as_json: bool) -> None:
    if as_json:
        keys = ("model", "state", "file", "detail")
        click.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    for model, state, file, detail in rows:
        click.echo(f"{state:8} {model:13} {file:12} {detail}")
    if not rows:
        click.echo("nothing is built here, and nothing was told by the Hub")
