"""edge-judge lock: where models come from, and what no longer is as it was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.command import Command
from edge_judge.errors import EdgeJudgeError
from edge_judge.report.columns import Column, at, terminal_table
from edge_judge.report.formatting import UNDEFINED, Part, Sentence
from edge_judge.report.forms import column_sheet, written

if TYPE_CHECKING:
    from edge_judge.workflows.lock import LockState

HEADING = "share and check"


@click.command(cls=Command, epilog=options.example("edge-judge lock", "edge-judge lock --check"))
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing; fail if something differs from what was recorded, or could not be checked.",
)
@options.forms
@options.collected(output=options.Output)
def lock(check: bool, output: options.Output) -> None:
    """Show where each known model comes from.

    Fills in hashes and sizes from the Hub; never changes a pin. With --check, compares models.lock with the Hub, and
    the built files with their recorded hashes.
    """
    if check:
        _check(output)
    else:
        _show(output)


def _show(output: options.Output) -> None:
    from edge_judge.workflows.lock import ModelSource, lock_sources

    sources = lock_sources(terminal.TerminalListener())
    columns: tuple[Column[ModelSource], ...] = (
        Column("model", at("model"), {"model": at("model")}),
        Column("source", lambda row: row.source or "the package", {"source": at("source")}),
        Column("commit", lambda row: (row.commit or UNDEFINED)[:8], {"commit": at("commit")}),
        Column(
            "hashes",
            lambda row: f"{row.hashed} of {row.files}",
            {"hashed": at("hashed"), "files": at("files")},
            in_terminal=False,
        ),
        Column(
            "licence",
            lambda row: f"{row.licence}{', gated' if row.gated else ''}",
            {"licence": at("licence"), "gated": at("gated")},
        ),
    )
    lines = replace(terminal_table("Sources of the known models", columns, sources), words=4, whole=2)
    terminal.show(
        output.form,
        lambda: [asdict(source) for source in sources],
        partial(written, [lines], [column_sheet("sources", columns, sources)]),
    )


def _check(output: options.Output) -> None:
    from edge_judge.workflows.lock import check_lock

    def column(name: str) -> Column[LockState]:
        return Column(name, at(name), {name: at(name)})

    states = check_lock(terminal.TerminalListener())
    columns = tuple(map(column, ("state", "model", "file", "detail")))
    lines = replace(terminal_table("", columns, states), words=4, paths=True)
    nothing = Sentence("no model is built on this machine, and models.lock names nothing on the Hub")
    parts: list[Part] = [lines] if states else [nothing]
    terminal.show(
        output.form,
        lambda: [{name: getattr(row, name) for name in ("model", "state", "file", "detail")} for row in states],
        partial(written, parts, [column_sheet("states", columns, states)]),
    )
    _fail_unless_right(states)


def _fail_unless_right(states: Sequence[LockState]) -> None:
    """Raises EdgeJudgeError for what differs from its record, or could not be checked."""
    wrong = [row.wrong for row in states if row.wrong is not None]
    unchecked = next((row for row in states if row.state == "unchecked"), None)
    parts = [f"differs from what was recorded: {', '.join(wrong)}"] if wrong else []
    parts += [f"models.lock could not be checked: {unchecked.detail}"] if unchecked else []
    if parts:
        again = "edge-judge quantize rebuilds a file, models --add registers a new one"
        hint = again if wrong or unchecked is None else unchecked.hint
        raise EdgeJudgeError("; ".join(parts), hint)
