"""edge-judge data: the benchmark files, pinned and hash-checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Group
from edge_judge.errors import DataError
from edge_judge.report.columns import Column, at, terminal_table
from edge_judge.report.formatting import UNDEFINED, Part, notes, table
from edge_judge.report.forms import Sheet, column_sheet, sheet, written
from edge_judge.report.printable import on_one_line

if TYPE_CHECKING:
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
@options.forms
@options.collected(output=options.Output)
def list_sources(data: Path | None, output: options.Output) -> None:
    """List the benchmarks, and which are downloaded."""
    from edge_judge.workflows.data import KnownBenchmark, list_benchmarks

    sources = list_benchmarks(data)
    columns: tuple[Column[KnownBenchmark], ...] = (
        Column("name", at("name"), {"name": at("name")}),
        Column("votes", lambda source: f"{source.votes:,}", {"votes": at("votes")}),
        Column("ties", lambda source: "yes" if source.ties else "no", {"ties": at("ties")}),
        Column("licence", at("licence"), {"licence": at("licence")}),
        Column("file", at("state"), {"file": at("state"), "url": at("url")}),
    )
    terminal.show(
        output.form,
        lambda: [asdict(source) for source in sources],
        partial(
            written,
            [terminal_table("Benchmarks", columns, sources)],
            [column_sheet("benchmarks", columns, sources)],
        ),
    )
    if output.form == "table" and any(source.state == "missing" for source in sources):
        terminal.note("to download one: edge-judge data pull NAME")


@data.command(epilog=options.example("edge-judge data pull pandalm auto-j", "edge-judge data pull"))
@NAMES
@options.data
def pull(names: tuple[str, ...], data: Path | None) -> None:
    """Download benchmarks from their pinned sources; all without a name.

    The hash of every file is checked.
    """
    from edge_judge.workflows.data import pull_benchmarks

    for name, pulled in pull_benchmarks(names, data):
        terminal.note(f"{name}: {'downloaded' if pulled.fresh else 'already there'}, sha256 {pulled.sha256[:16]}…")
        click.echo(pulled.path)


@data.command(epilog=options.example("edge-judge data verify --data ./benchmarks"))
@NAMES
@options.data
@options.forms
@options.collected(output=options.Output)
def verify(names: tuple[str, ...], data: Path | None, output: options.Output) -> None:
    """Check the benchmark files that are here against their hashes.

    Fails if one has changed, or could not be checked.
    """
    from edge_judge.benchmarks import Check
    from edge_judge.workflows.data import verify_benchmarks

    if data is not None and not data.is_dir():
        raise DataError(f"{data}: no such data folder", "edge-judge data pull --data DIR fills one")
    checks = verify_benchmarks(names, data)
    columns: tuple[Column[Check], ...] = (
        Column("state", at("state"), {"state": at("state")}),
        Column("benchmark", at("name"), {"benchmark": at("name")}),
        Column("file", lambda check: str(check.path), {"file": lambda check: str(check.path)}),
    )
    terminal.show(
        output.form,
        lambda: [{**asdict(check), "path": str(check.path)} for check in checks],
        partial(
            written,
            [replace(terminal_table("", columns, checks), words=3, paths=True)],
            [column_sheet("files", columns, checks)],
        ),
    )
    changed = [check.name for check in checks if check.state == "changed"]
    if changed:
        raise DataError(
            f"changed since it was published: {', '.join(changed)}", "edge-judge data pull NAME replaces it"
        )
    if unpinned := [check.name for check in checks if check.state == "unpinned"]:
        raise DataError(f"could not be checked, no hash is known: {', '.join(unpinned)}", "compare it with its source")
    if names and any(check.state == "missing" for check in checks):
        raise DataError("some of these files are missing", "edge-judge data pull NAME downloads one")


@data.command(epilog=options.example("edge-judge data check pairs.jsonl", "edge-judge data check rubric.csv --json"))
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@options.forms
@options.collected(output=options.Output)
def check(files: tuple[Path, ...], output: options.Output) -> None:
    """Check a benchmark or rubric file of your own.

    Shows what it contains, and reports likely mistakes.
    """
    from edge_judge.workflows.data import check_file, remarks_on

    contents = [(path, check_file(path)) for path in files]
    parts = [part for _, content in contents for part in _shown(content)]
    terminal.show(
        output.form,
        lambda: [_as_json(path, content) for path, content in contents],
        partial(written, parts, [_sheet(contents)]),
    )
    for path, content in contents:
        for remark in remarks_on(content):
            terminal.note(on_one_line(f"{path}: {remark}"))


def _as_json(path: Path, content: Contents | Rubric) -> dict[str, object]:
    from edge_judge.benchmarks.rubric import Rubric

    kind = "rubric" if isinstance(content, Rubric) else "benchmark"
    return {"file": str(path), "kind": kind, **asdict(content)}


@dataclass(frozen=True, slots=True)
class _Fact:
    """A line of the CSV. where: the id of a pair, or the name of a column."""

    file: str
    what: str
    found: str | int | None
    where: str = ""


def _sheet(contents: Sequence[tuple[Path, Contents | Rubric]]) -> Sheet:
    facts = [_Fact(str(path), *fact) for path, content in contents for fact in _found(content)]
    return sheet("facts", {name: at(name) for name in ("file", "what", "found", "where")}, facts)


def _found(content: Contents | Rubric) -> Iterator[tuple[str, str | int | None, str]]:
    """Each fact: what it is, what was found, and where."""
    from edge_judge.benchmarks.rubric import Rubric

    if isinstance(content, Rubric):
        for number, text in enumerate(content.criteria, start=1):
            yield "criterion", on_one_line(text), str(number)
        return
    yield from _facts(content)
    yield from (("rows", rows, column) for column, rows in content.columns.items())
    yield from (("ignored", None, on_one_line(column)) for column in content.ignored)


def _shown(content: Contents | Rubric) -> list[Part]:
    from edge_judge.benchmarks.rubric import Rubric

    if isinstance(content, Rubric):
        lines = [[f"{number}. {on_one_line(text)}"] for number, text in enumerate(content.criteria, start=1)]
        return [table(f"Rubric {_cut(content.name)}", ["criterion"], lines)]
    given = [[column, UNDEFINED if rows is None else f"{rows:,}"] for column, rows in content.columns.items()]
    facts = [
        [what, f"{found:,}" if isinstance(found, int) else found, _cut(where)] for what, found, where in _facts(content)
    ]
    parts: list[Part] = [
        table(f"Benchmark {_cut(content.name)}", ["", "found", "where"], facts),
        table("", ["column", "rows"], given),
    ]
    if content.ignored:
        parts.append(notes(f"ignored: {', '.join(on_one_line(column) for column in content.ignored)}"))
    return parts


def _facts(content: Contents) -> Iterator[tuple[str, str | int, str]]:
    """Each fact: what it is, what was found, and the id of the pair where it was."""
    yield "format", content.format, ""
    yield "pairs", content.pairs, ""
    yield "clusters", content.clusters, ""
    yield from ((f"labelled {label}", count, "") for label, count in content.labels.items())
    yield "ties allowed", "yes" if content.ties else "no", ""
    for what, text in (("question", content.longest_question), ("answer", content.longest_answer)):
        yield f"longest {what}, characters", text.characters, on_one_line(text.id)
    yield "identical answers", content.identical_answers.count, on_one_line(content.identical_answers.first or "")
    yield "exact duplicates", content.duplicates.count, on_one_line(content.duplicates.first or "")
    yield "empty answers", content.empty_answers.count, on_one_line(content.empty_answers.first or "")


def _cut(text: str) -> str:
    from rich.text import Text

    shown = Text(on_one_line(text))  # which knows that some signs are two columns wide
    shown.truncate(max(terminal.width() - FIGURES, 8), overflow="ellipsis")
    return shown.plain
