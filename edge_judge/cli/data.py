"""edge-judge data: the benchmark files, pinned and hash-checked."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge import benchmarks
from edge_judge.cli import options, terminal
from edge_judge.errors import DataError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_judge.benchmarks import Source
    from edge_judge.benchmarks.check import Contents
    from edge_judge.benchmarks.rubric import Rubric

NAMES = click.argument("names", nargs=-1)
FIGURES = 48  # columns that a table needs beside the names and ids of a file's own, which may have any length


@click.group(epilog=options.example("edge-judge data pull llmbar-natural", "edge-judge data verify"))
def data() -> None:
    """List, download and verify the benchmark files, and check one of your own."""


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
    from edge_judge.report.formatting import render, table

    cells = [[one.name, str(one.rows), "yes" if one.ties else "no", one.licence, states[one.name]] for one in sources]
    click.echo(
        render(
            [table("Benchmarks", ["name", "votes", "ties", "licence", "file"], cells)],
            terminal.width(),
            terminal.color(),
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
        terminal.note(f"{source.name}: {'downloaded' if found.fresh else 'already there'}, sha256 {found.sha256[:16]}…")
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


@data.command(epilog=options.example("edge-judge data check pairs.jsonl", "edge-judge data check rubric.csv --json"))
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@options.as_json
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Tell what a benchmark or rubric of your own holds. What looks like a mistake is noted, and is no error."""
    from edge_judge.benchmarks.check import Contents, look, remarks

    published = frozenset(benchmarks.names())
    found = [(path, look(path, published)) for path in files]
    if as_json:
        click.echo(json.dumps([_as_json(path, one) for path, one in found], indent=2))
    else:
        from edge_judge.report.formatting import render

        parts = [part for _, one in found for part in _shown(one)]
        click.echo(render(parts, terminal.width(), terminal.color()), nl=False)
    for path, one in found:
        for remark in remarks(one) if isinstance(one, Contents) else ():
            terminal.note(_plain(f"{path}: {remark}"))


def _as_json(path: Path, found: Contents | Rubric) -> dict[str, object]:
    from edge_judge.benchmarks.rubric import Rubric

    kind = "rubric" if isinstance(found, Rubric) else "benchmark"
    return {"file": str(path), "kind": kind, **asdict(found)}


def _shown(found: Contents | Rubric) -> list[RenderableType]:
    from edge_judge.benchmarks.rubric import Rubric
    from edge_judge.report.formatting import UNDEFINED, notes, table

    if isinstance(found, Rubric):
        lines = [[f"{number}. {_plain(text)}"] for number, text in enumerate(found.criteria, start=1)]
        return [table(f"Rubric {_cut(found.name)}", ["criterion"], lines)]
    given = [[column, UNDEFINED if rows is None else f"{rows:,}"] for column, rows in found.columns.items()]
    parts = [
        table(f"Benchmark {_cut(found.name)}", ["", "found", "where"], _facts(found)),
        table("", ["column", "rows"], given),
    ]
    if found.ignored:
        parts.append(notes(f"ignored: {', '.join(_plain(column) for column in found.ignored)}"))
    return parts


def _facts(found: Contents) -> Sequence[Sequence[str]]:
    counted = [
        ("identical answers", found.identical_answers),
        ("exact duplicates", found.duplicates),
        ("empty answers", found.empty_answers),
    ]
    longest = [("longest question", found.longest_question), ("longest answer", found.longest_answer)]
    return [
        ["format", found.format, ""],
        ["pairs", f"{found.pairs:,}", ""],
        ["clusters", f"{found.clusters:,}", ""],
        *([f"labelled {label}", f"{count:,}", ""] for label, count in found.labels.items()),
        ["ties allowed", "yes" if found.ties else "no", ""],
        *([f"{what}, characters", f"{one.characters:,}", _cut(one.id)] for what, one in longest),
        *([what, f"{one.count:,}", _cut(one.first or "")] for what, one in counted),
    ]


def _plain(text: str) -> str:
    """One line without control characters: what a file says must not move a terminal's cursor."""
    hidden = ("Cc", "Cs", "Zl", "Zp")
    return "".join(ascii(sign)[1:-1] if unicodedata.category(sign) in hidden else sign for sign in text)


def _cut(text: str) -> str:
    from rich.text import Text

    shown = Text(_plain(text))  # which knows that some signs are two columns wide
    shown.truncate(max(terminal.width() - FIGURES, 8), overflow="ellipsis")
    return shown.plain


def _sources(names: tuple[str, ...]) -> list[Source]:
    return [benchmarks.find(name) for name in names] or list(benchmarks.REGISTRY.values())
