"""edge-judge pack: a run as one small file, to be compared with on another machine."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Group
from edge_judge.quantities import counted
from edge_judge.report import formatting
from edge_judge.report.columns import Value
from edge_judge.report.formatting import Form
from edge_judge.report.forms import sheet, written
from edge_judge.report.printable import on_one_line
from edge_judge.workflows.options import RESULTS, ImportSettings

if TYPE_CHECKING:
    from edge_judge.runs.packs import Pack

HEADING = "share and check"
FILE = click.argument("file", type=options.FILE)


@click.group(
    cls=Group,
    epilog=options.example(
        "edge-judge pack export results/pandalm/qwen1.5-7b/f16/pairwise -o f16.ejpack",
        "edge-judge pack import f16.ejpack",
    ),
)
def pack() -> None:
    """Move a run to another machine as one small file.

    A pack serves as a baseline on a machine that cannot make the run itself.
    """


@pack.command(epilog=options.example("edge-judge pack export results/pocket/pocket/f16/pairwise"))
@click.argument("run", type=options.FOLDER, shell_complete=completion.runs)
@click.option(
    "-o",
    "--output",
    type=options.TARGET,
    help="The file to write.  [default: BENCHMARK-MODEL-SCHEME-GRAMMAR.ejpack]",
)
@options.data
def export(run: Path, output: Path | None, data: Path | None) -> None:
    """Write the pack of a complete run.

    It holds verdicts, probabilities and settings, without any text.
    """
    from edge_judge.workflows.packs import export_pack

    written = export_pack(run, output, data)
    terminal.note(f"{counted(written.verdicts, 'verdict')} in {formatting.size(written.bytes)}")
    click.echo(written.path)
    terminal.note(f"on another machine: edge-judge pack import {shlex.quote(written.path.name)}")


@pack.command("import", epilog=options.example("edge-judge pack import f16.ejpack", "edge-judge compare"))
@FILE
@click.option("-b", "--benchmark", type=options.FILE, help="The benchmark, if it is a file of your own.")
@click.option("--fresh", is_flag=True, help="Replace an existing run.")
@options.data
@options.results
@options.collected(settings=ImportSettings)
def import_(file: Path, settings: ImportSettings) -> None:
    """Import a pack as a run, which is then like any other.

    Refused if it could not be compared with runs made here.
    """
    from edge_judge.workflows.packs import import_pack

    click.echo(import_pack(file, settings, terminal.TerminalListener()))
    elsewhere = "" if settings.results == RESULTS else f" --results {shlex.quote(str(settings.results))}"
    terminal.note(f"next: edge-judge compare{elsewhere}")


@pack.command(epilog=options.example("edge-judge pack show f16.ejpack", "edge-judge pack show f16.ejpack --json"))
@FILE
@options.forms
@options.collected(output=options.Output)
def show(file: Path, output: options.Output) -> None:
    """Show what a pack contains; its benchmark is not needed."""
    from edge_judge.workflows.packs import read_pack

    content = read_pack(file)
    terminal.show(output.form, lambda: _as_json(content), partial(_written, content))


def _written(pack: Pack, *, form: Form, width: int, color: bool) -> str:

    facts = _facts(pack) | {name: pack.settings[name] for name in sorted(pack.settings)}
    rows = [(_printable(name), _printable(value)) for name, value in facts.items()]
    room = max(width - max(len(name) for name, _ in rows) - 2, 16)
    shown = [[name, value if len(value) <= room else f"{value[: room - 1]}…"] for name, value in rows]
    body = formatting.table("", ["fact", "value"], shown, words=2)
    fields: dict[str, Callable[[tuple[str, Value]], Value]] = {"name": lambda row: row[0], "value": lambda row: row[1]}
    return written([body], [sheet("facts", fields, _values(pack))], form=form, width=width, color=color)


def _values(pack: Pack) -> list[tuple[str, Value]]:
    """What JSON has, a line for each value."""
    content = _as_json(pack)
    flat = {**content, **(content["measured"] or {}), **content["settings"], "orders": " ".join(pack.orders)}
    return [
        (_printable(name), value if isinstance(value, int | float | None) else _printable(value))
        for name, value in flat.items()
        if name not in ("measured", "settings")
    ]


def _facts(pack: Pack) -> dict[str, object]:
    measured = pack.measured
    cost = {
        "verdicts per minute": formatting.count(measured.verdicts_per_minute if measured else None),
        "peak RSS": formatting.size(measured.peak_rss if measured else None),
        "machine": measured.machine if measured else formatting.UNDEFINED,
    }
    return {
        **asdict(pack.identity),
        "pairs": f"{pack.judged:,} of {pack.pairs:,}",
        "orders": " ".join(pack.orders) or formatting.UNDEFINED,
        "verdicts": f"{len(pack.rows):,}",
        "GGUF": formatting.size(pack.bytes),
        **cost,
        "pack sha256": pack.sha256,
    }


def _as_json(pack: Pack) -> dict[str, Any]:
    return {
        **asdict(pack.identity),
        "pairs": pack.judged,
        "benchmark_pairs": pack.pairs,
        "orders": list(pack.orders),
        "verdicts": len(pack.rows),
        "gguf_bytes": pack.bytes,
        "measured": asdict(pack.measured) if pack.measured else None,
        "settings": dict(pack.settings),
        "sha256": pack.sha256,
    }


def _printable(value: object) -> str:
    """One line without control characters: what a file says must not move a terminal's cursor."""
    return on_one_line(formatting.UNDEFINED if value is None else str(value))
