"""edge-judge compare: what quantization cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command
from edge_judge.cli.errors import TOO_MUCH_LOST
from edge_judge.errors import RunError, UsageError
from edge_judge.quantities import counted
from edge_judge.workflows.options import RunsOptions, Seen

if TYPE_CHECKING:
    from edge_judge.analysis.compare import Gate

HEADING = "decide"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge compare",
        "edge-judge compare results/pocket/pocket/q2_k/pairwise --max-drop 2 --gate bound",
        "edge-judge compare --baseline published",
        "edge-judge compare --baseline pocket-f16.ejpack",
    ),
)
@options.run_folders
@click.option(
    "--baseline",
    default="f16",
    show_default=True,
    shell_complete=completion.baselines,
    help="A scheme, `published`, a pack, or a run's folder.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(min=0),
    metavar="POINTS",
    callback=options.number,
    help="Exit with 3 if any run loses more points of accuracy.",
)
@click.option(
    "--gate",
    type=click.Choice(["point", "bound"]),
    default="point",
    show_default=True,
    help="What --max-drop limits: the measured drop, or the upper end of its 95 % interval.",
)
@options.margin
@options.seen
@options.data
@options.results
@options.forms
@options.collected(runs=RunsOptions, output=options.Output)
def compare(
    runs: RunsOptions,
    baseline: str,
    seen: Seen,
    max_drop: float | None,
    gate: Literal["point", "bound"],
    margin: float,
    output: options.Output,
) -> None:
    """Compare runs with a baseline, verdict by verdict.

    The sentence below each table says which scheme can be trusted, decided as in `choose`, on all pairs judged. RUNS
    are folders of runs.  [default: all complete runs in the results folder]
    """
    from edge_judge.workflows.compare import PUBLISHED

    if gate == "bound" and max_drop is None:
        raise UsageError("--gate does nothing without --max-drop", "use for example: --max-drop 2 --gate bound")
    given = click.get_current_context().get_parameter_source("margin")
    if baseline == PUBLISHED and given is ParameterSource.COMMANDLINE:
        raise UsageError("--margin does nothing with --baseline published", "use --max-drop for a limit")
    if baseline == PUBLISHED:
        lost = _against_published(runs, max_drop, gate, output)
    else:
        lost = _against_run(runs, baseline, margin, seen, max_drop, gate, output)
    if lost:
        points = counted(max_drop or 0, "point")
        said = f"more than {points} lost" if gate == "point" else f"not shown to lose at most {points}"
        terminal.note(f"{said}: {', '.join(lost)}")
        raise SystemExit(TOO_MUCH_LOST)


def _against_run(
    runs: RunsOptions,
    baseline: str,
    margin: float,
    seen: Seen,
    max_drop: float | None,
    gate: Gate,
    output: options.Output,
) -> Sequence[str]:
    """Print the comparisons. Returns the names of those that lost too much."""
    from edge_judge.report.comparison import comparisons_json
    from edge_judge.report.ladder import ladder_table
    from edge_judge.workflows import compare as workflow

    found = workflow.compare(runs, baseline, margin, terminal.TerminalListener(), seen)
    terminal.show(
        output.form,
        lambda: comparisons_json(found.comparisons, found.ladders),
        partial(ladder_table, found.comparisons, found.ladders),
    )
    if max_drop is not None and found.left_out:  # a gate is not passed by what it did not see
        raise RunError(
            f"--max-drop cannot be checked for {', '.join(map(str, found.left_out))}: left out, see above",
            "name the runs that it is for",
        )
    return () if max_drop is None else workflow.exceeding(found.comparisons, max_drop, gate)


def _against_published(runs: RunsOptions, max_drop: float | None, gate: Gate, output: options.Output) -> Sequence[str]:
    from edge_judge.report.scores import published_json, scores_table
    from edge_judge.workflows import compare as workflow

    rows = workflow.compare_published(runs, terminal.TerminalListener())
    terminal.show(
        output.form,
        lambda: [published_json(row.published) for row in rows if row.published],
        partial(scores_table, rows),
    )
    return () if max_drop is None else workflow.exceeding_published(rows, max_drop, gate)
