"""edge-judge compare --layout table: judges by benchmarks, beside the published figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from edge_judge.cli import runs, terminal
from edge_judge.errors import DataError, RunError, UsageError

if TYPE_CHECKING:
    from edge_judge.analysis.leaderboard import Profile
    from edge_judge.metrics.recorded import RecordedRun

Form: TypeAlias = Literal["table", "json", "csv", "markdown"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was said about the table on the command line; None or False where nothing was."""

    profile: Profile | None
    as_json: bool
    as_csv: bool
    as_markdown: bool

    @property
    def form(self) -> Form:
        """Raises UsageError where two are asked for."""
        said: dict[Form, bool] = {"json": self.as_json, "csv": self.as_csv, "markdown": self.as_markdown}
        forms = [form for form, asked in said.items() if asked]
        if len(forms) > 1:
            raise UsageError(f"--{forms[0]} and --{forms[1]} do not go together", "ask for one of them")
        return forms[0] if forms else "table"

    def refuse_without_layout(self) -> None:
        """Raises UsageError for what only the table has."""
        said = {"--profile": self.profile is not None, "--csv": self.as_csv, "--markdown": self.as_markdown}
        for option in (name for name, asked in said.items() if asked):
            raise UsageError(f"{option} belongs to the table of judges", f"add --layout table, or leave {option} out")


def show(named: tuple[Path, ...], results: Path, data: Path | None, asked: Asked) -> None:
    """Print the table of these runs, or of all below `results`; without any it is the published one."""
    from edge_judge.analysis import leaderboard as tables
    from edge_judge.cli.eval import published_csv
    from edge_judge.metrics import published
    from edge_judge.report import leaderboard

    form = asked.form
    found = runs.found(named, results, data)
    if not found:
        terminal.note(f"{results}: no run to show beside the published figures; edge-judge eval makes one")
    scored = dict(zip((path for path, _ in found), runs.recorded((run for _, run in found), data), strict=True))
    content = tables.build(
        list(scored.values()),
        published.read_published(published_csv()),
        asked.profile or "paper",
        list(_baselines(scored.keys(), data)) if named else [],  # else those that can be scored are among the runs
    )
    for remark in content.remarks:
        terminal.note(remark)
    if form == "json":
        click.echo(json.dumps(leaderboard.judges_json(content), indent=2))
    elif form == "csv":
        click.echo(leaderboard.judges_csv(content), nl=False)
    elif form == "markdown":
        click.echo(leaderboard.judges_markdown(content), nl=False)
    else:
        click.echo(leaderboard.judges_table(content, width=terminal.width(), color=terminal.color()), nl=False)


def _baselines(paths: Set[Path], data: Path | None) -> Iterator[RecordedRun]:
    """The f16 runs beside these, where they were not named too; a note on one that cannot be scored."""
    from edge_judge.analysis.leaderboard import BASELINE
    from edge_judge.runs import folder as run_folder

    beside = {path.parent.parent / BASELINE / path.name for path in paths} - paths
    for path in sorted(path for path in beside if (path / "score.json").exists()):
        try:
            yield from runs.recorded([run_folder.read_run(path)], data)
        except (DataError, RunError) as error:
            terminal.note(f"no difference from {path}: {error}")
