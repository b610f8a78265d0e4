"""edge-judge data: the benchmark files, pinned and hash-checked."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Group
from edge_judge.errors import DataError
from edge_judge.report.formatting import UNDEFINED, notes, render, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_judge.benchmarks.check import Contents
    from edge_judge.benchmarks.rubric import Rubric

HEADING = "begin"
NAMES = click.argument("names", nargs=-1, shell_complete=completion.known_benchmarks)
FIGURES = 48  # columns of a table without the names and ids of a file, which may have any length


@click.group(cls=Group, epilog=options.example("edge-judge data pull llmbar-natural", "edge-judge data verify"))
def data() -> None:
    """List, download and verify the benchmark files; check your own."""


@data.command("list", epilog=options.example("edge-judge data list"))
@options.data
@options.as_json
def list_sources(data: Path | None, as_json: bool) -> None:
    """List the benchmarks, and whether the file of each is here."""
    from edge_judge.workflows.data import list_benchmarks

    sources = list_benchmarks(data)
    if as_json:
        click.echo(json.dumps([asdict(source) for source in sources], indent=2))
        return
    rows = [
        [source.name, str(source.votes), "yes" if source.ties else "no", source.licence, source.state]
        for source in sources
    ]
    lines = table("Benchmarks", ["name", "votes", "ties", "licence", "file"], rows)
    click.echo(render([lines], terminal.width(), terminal.color()), nl=False)


@data.command(epilog=options.example("edge-judge data pull pandalm auto-j", "edge-judge data pull"))
@NAMES
@options.data
def pull(names: tuple[str, ...], data: Path | None) -> None:
    """Download benchmarks from their pinned sources. Without a name, all of them.

    Every file is checked against its hash.
    """
    from edge_judge.workflows.data import pull_benchmarks

    for name, pulled in pull_benchmarks(names, data):
        terminal.note(f"{name}: {'downloaded' if pulled.fresh else 'already there'}, sha256 {pulled.sha256[:16]}…")
        click.echo(pulled.path)


@data.command(epilog=options.example("edge-judge data verify --data ./benchmarks"))
@NAMES
@options.data
@options.as_json
def verify(names: tuple[str, ...], data: Path | None, as_json: bool) -> None:
    """Check the benchmark files that are here against their hashes. Fails if one has changed."""
    from edge_judge.workflows.data import verify_benchmarks

    checks = verify_benchmarks(names, data)
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
        raise DataError("some of these files are missing", "edge-judge data pull NAME downloads one")


@data.command(epilog=options.example("edge-judge data check pairs.jsonl", "edge-judge data check rubric.csv --json"))
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@options.as_json
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Tell what a benchmark or rubric of your own holds. What looks like a mistake is noted, and is no error."""
    from edge_judge.workflows.data import check_file, remarks_on

    contents = [(path, check_file(path)) for path in files]
    if as_json:
        click.echo(json.dumps([_as_json(path, content) for path, content in contents], indent=2))
    else:
        parts = [part for _, content in contents for part in _shown(content)]
        click.echo(render(parts, terminal.width(), terminal.color()), nl=False)
    for path, content in contents:
        for remark in remarks_on(content):
            terminal.note(_plain(f"{path}: {remark}"))


def _as_json(path: Path, content: Contents | Rubric) -> dict[str, object]:
    from edge_judge.benchmarks.rubric import Rubric

    kind = "rubric" if isinstance(content, Rubric) else "benchmark"
    return {"file": str(path), "kind": kind, **asdict(content)}


def _shown(content: Contents | Rubric) -> list[RenderableType]:
    from edge_judge.benchmarks.rubric import Rubric

    if isinstance(content, Rubric):
        lines = [[f"{number}. {_plain(text)}"] for number, text in enumerate(content.criteria, start=1)]
        return [table(f"Rubric {_cut(content.name)}", ["criterion"], lines)]
    given = [[column, UNDEFINED if rows is None else f"{rows:,}"] for column, rows in content.columns.items()]
    parts = [
        table(f"Benchmark {_cut(content.name)}", ["", "found", "where"], _facts(content)),
        table("", ["column", "rows"], given),
    ]
    if content.ignored:
        parts.append(notes(f"ignored: {', '.join(_plain(column) for column in content.ignored)}"))
    return parts


def _facts(content: Contents) -> Sequence[Sequence[str]]:
    counted = [
        ("identical answers", content.identical_answers),
        ("exact duplicates", content.duplicates),
        ("empty answers", content.empty_answers),
    ]
    longest = [("longest question", content.longest_question), ("longest answer", content.longest_answer)]
    return [
        ["format", content.format, ""],
        ["pairs", f"{content.pairs:,}", ""],
        ["clusters", f"{content.clusters:,}", ""],
        *([f"labelled {label}", f"{count:,}", ""] for label, count in content.labels.items()),
        ["ties allowed", "yes" if content.ties else "no", ""],
        *([f"{what}, characters", f"{text.characters:,}", _cut(text.id)] for what, text in longest),
        *([what, f"{oddity.count:,}", _cut(oddity.first or "")] for what, oddity in counted),
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
