"""edge-judge lock: what models.lock knows, and whether the files built here are still what was recorded."""

from __future__ import annotations

import json

import click

from edge_judge.cli import files, options
from edge_judge.errors import EdgeJudgeError


@click.command(epilog=options.example("edge-judge lock", "edge-judge lock --check"))
@click.option("--check", is_flag=True, help="Hash the files built here, and fail if one is not what was recorded.")
@options.as_json
def lock(check: bool, as_json: bool) -> None:
    """Show where each known model comes from, or check the files built on this machine."""
    if check:
        _check(as_json)
        return
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


def _check(as_json: bool) -> None:
    from quantize import digest
    from quantize import lock as locks

    folder = files.models_folder()
    rows = []
    for record in locks.read_built(folder).built:
        path = folder / record.file
        state = "missing" if not path.exists() else "ok" if digest.sha256(path) == record.sha256 else "changed"
        rows.append({"model": record.model, "scheme": record.scheme, "state": state, "path": str(path)})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            click.echo(f"{row['state']:8} {row['model']} {row['scheme']:8} {row['path']}")
        if not rows:
            click.echo(f"nothing is built in {folder}")
    changed = [row for row in rows if row["state"] != "ok"]
    if changed:
        wrong = ", ".join(f"{row['model']} {row['scheme']} ({row['state']})" for row in changed)
        raise EdgeJudgeError(f"not what was recorded when it was built: {wrong}", "edge-judge quantize builds it again")
