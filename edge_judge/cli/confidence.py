"""edge-judge confidence: how right a judge is where it is sure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_judge.cli import options, terminal
from edge_judge.cli.runs import found, recorded
from edge_judge.errors import RunError
from edge_judge.records import Run

if TYPE_CHECKING:
    from edge_judge.report.selective import Confident


class Percent(click.FloatRange):
    """A share in percent, above 0 and at most 100. Not a number is none: it compares with nothing."""

    def __init__(self) -> None:
        super().__init__(min=0, max=100, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


@click.command(
    epilog=options.example(
        "edge-judge confidence",
        "edge-judge confidence results/pocket/pocket/q2_k/pairwise --abstain 5",
    )
)
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--abstain",
    type=Percent(),
    metavar="PERCENT",
    help="Find the confidence from which surely fewer answers are wrong.",
)
@options.data
@options.results
@options.as_json
def confidence(runs: tuple[Path, ...], abstain: float | None, data: Path | None, results: Path, as_json: bool) -> None:
    """How often a judge is wrong when only the pairs it is surest of are answered.

    RUNS are folders of runs; without one, all complete runs under the results folder that have probabilities.
    """
    from edge_judge.report.selective import confidence_json, confidence_table

    shown = list(_confident(found(runs, results, data), bool(runs), data, abstain))
    if not shown:
        raise RunError(f"{results}: no complete run with probabilities there", "edge-judge eval makes one")
    shown.sort(key=lambda one: one.identity.benchmark)  # stable: within a benchmark as they were named
    if as_json:
        click.echo(json.dumps([confidence_json(one) for one in shown], indent=2))
    else:
        click.echo(confidence_table(shown, width=terminal.width(), color=terminal.color()), nl=False)


def _confident(
    chosen: list[tuple[Path, Run]], named: bool, data: Path | None, abstain: float | None
) -> Iterator[Confident]:
    """Each run's curve; a run that nobody named and that has none is left out with a note."""
    from edge_judge.analysis import selective as room
    from edge_judge.report.selective import Confident

    for (path, _), run in zip(chosen, recorded((run for _, run in chosen), data), strict=True):
        try:
            chosen_on_half = None if abstain is None else room.abstain(run, abstain / 100)
            yield Confident(run.identity, room.risk_coverage(run), room.coverage_points(run), chosen_on_half)
        except RunError as error:
            if named:
                raise
            terminal.note(f"{path} left out: {error}")
