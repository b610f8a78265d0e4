"""edge-judge pack: a run as one small file, to be compared with on another machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Group
from edge_judge.report import formatting
from edge_judge.workflows.options import ImportSettings

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
    """Carry a run to another machine as one small file.

    It is a baseline for a machine that could not make the run.
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
    terminal.note(f"{written.verdicts:,} verdicts in {formatting.short_size(written.bytes)}")
    click.echo(written.path)


@pack.command("import", epilog=options.example("edge-judge pack import f16.ejpack", "edge-judge compare"))
@FILE
@click.option("-b", "--benchmark", type=options.FILE, help="The benchmark, if it is a file of your own.")
@click.option("--fresh", is_flag=True, help="Replace an existing run.")
@options.data
@options.results
@options.collected(settings=ImportSettings)
def import_(file: Path, settings: ImportSettings) -> None:
    """Make a run's folder of a pack, which is then a run like any other.

    Refused where no run that is made here could be compared with it.
    """
    from edge_judge.workflows.packs import import_pack

    click.echo(import_pack(file, settings, terminal.TerminalListener()))


@pack.command(epilog=options.example("edge-judge pack show f16.ejpack", "edge-judge pack show f16.ejpack --json"))
@FILE
@options.as_json
def show(file: Path, as_json: bool) -> None:
    """Tell what a pack holds, without its benchmark."""
    from edge_judge.workflows.packs import read_pack

    content = read_pack(file)
    if as_json:
        click.echo(json.dumps(_as_json(content), indent=2))
        return
    facts = _facts(content) | {name: content.settings[name] for name in sorted(content.settings)}
    lines = {_printable(name): _printable(value) for name, value in facts.items()}
    first = max(map(len, lines))
    room = max(terminal.width() - first - 2, 16)
    for name, value in lines.items():
        click.echo(f"{name:{first}}  {value if len(value) <= room else f'{value[: room - 1]}…'}")


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
    text = formatting.UNDEFINED if value is None else str(value)
    return text if text.isprintable() else ascii(text)[1:-1]
