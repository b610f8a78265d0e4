"""edge-judge compare: what quantization cost."""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from edge_judge.cli import leaderboard, options, terminal
from edge_judge.cli.errors import TOO_MUCH_LOST
from edge_judge.cli.pack import from_pack
from edge_judge.cli.runs import found, whole
from edge_judge.errors import RunError, UsageError, nearest
from edge_judge.records import Benchmark, Run

if TYPE_CHECKING:
    from edge_judge.analysis.compare import Comparison
    from edge_judge.analysis.leaderboard import Profile
    from edge_judge.metrics.published import PublishedComparison


@click.command(
    epilog=options.example(
        "edge-judge compare",
        "edge-judge compare results/pocket/pocket/q2_k/pairwise --max-drop 2",
        "edge-judge compare --baseline published",
        "edge-judge compare --baseline pocket-f16.ejpack",
        "edge-judge compare --layout table --markdown",
    )
)
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, file_okay=False))
@click.option("--baseline", default="f16", show_default=True, help="A scheme, `published`, a pack, or a run's folder.")
@click.option(
    "--max-drop",
    type=click.FloatRange(min=0),
    metavar="POINTS",
    help="Exit with 3 if any run loses more points of accuracy.",
)
@click.option(
    "--layout",
    type=click.Choice(["ladder", "table"]),
    default="ladder",
    show_default=True,
    help="Runs against their baseline, or judges by benchmarks as published.",
)
@click.option(
    "--profile",
    type=click.Choice(["paper", "strict"]),
    help="Of the table: made as the published figures, or strictly.  [default: paper]",
)
@options.data
@options.results
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV, a line for each judge and benchmark.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as GitHub shows one.")
@click.pass_context
def compare(
    context: click.Context,
    runs: tuple[Path, ...],
    baseline: str,
    max_drop: float | None,
    layout: str,
    profile: Profile | None,
    data: Path | None,
    results: Path,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
) -> None:
    """Compare runs with a baseline, verdict by verdict.

    RUNS are folders of runs; without one, all complete runs under the results folder.
    """
    from edge_judge.runs import folder as run_folder

    asked = leaderboard.Asked(profile, as_json, as_csv, as_markdown)
    if layout == "table":
        _refuse_what_is_the_ladders(context)
        leaderboard.show(runs, results, data, asked)
        return
    asked.refuse_without_layout()
    if max_drop is not None and isnan(max_drop):  # no drop exceeds it: a gate that never closes
        raise UsageError("--max-drop is not a number", "say for example: --max-drop 2")
    if not runs and not run_folder.find_runs(results):
        raise RunError(f"{results}: no complete run there", "edge-judge eval makes one")
    chosen = found(runs, results, data)
    if not chosen:
        raise RunError(
            f"{results}: no run there can be scored with the benchmarks that are here",
            "--data names the folder of the files, edge-judge eval --fresh judges one that has changed",
        )
    if baseline == "published":
        _against_published([run for _, run in chosen], data, max_drop, as_json)
    else:
        _against_run(chosen, baseline, data, max_drop, as_json)


def _refuse_what_is_the_ladders(context: click.Context) -> None:
    for name, why in (("baseline", "it has f16 and the published figures"), ("max_drop", "it judges no drop")):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} does not go with --layout table: {why}", f"leave {option} or --layout out")


def _against_run(
    chosen: list[tuple[Path, Run]], baseline: str, data: Path | None, max_drop: float | None, as_json: bool
) -> None:
    from edge_judge.analysis.compare import compare as compared
    from edge_judge.analysis.compare import exceeds
    from edge_judge.metrics.recorded import RecordedRun
    from edge_judge.report.ladder import comparison_json, ladder_table

    comparisons: list[Comparison] = []
    for path, run in chosen:
        benchmark = whole(run, data)
        beside = _baseline(path, run, baseline, benchmark)
        comparisons.append(compared(RecordedRun(run, benchmark), RecordedRun(beside, benchmark)))
    comparisons.sort(
        key=lambda one: (
            one.run.identity.benchmark,
            one.run.identity.model,
            one.run.identity.grammar,
            -one.run.bytes,
        )
    )
    if as_json:
        click.echo(json.dumps([comparison_json(one) for one in comparisons], indent=2))
    else:
        click.echo(ladder_table(comparisons, width=terminal.width(), color=terminal.color()))
    _judge_drops(
        [one.run.identity.scheme for one in comparisons if max_drop is not None and exceeds(one, max_drop)],
        max_drop,
    )


def _baseline(path: Path, run: Run, named: str, benchmark: Benchmark) -> Run:
    """The baseline of a run: its sibling of the named scheme, or the run in the named pack or folder."""
    from edge_judge.runs import folder as run_folder
    from edge_judge.runs import packs
    from quantize import schemes

    if named.lower() not in schemes.SCHEMES and Path(named).is_file():
        return from_pack(Path(named), benchmark)
    if Path(named).suffix == packs.ENDING:
        raise RunError(f"{named}: no pack there", "edge-judge pack export makes one")
    if Path(named, "run.json").exists():
        return run_folder.read_run(Path(named))
    if Path(named).name != named:
        raise RunError(f"{named}: no run there", "--baseline takes a scheme, `published`, a pack, or a run's folder")
    if named.lower() not in schemes.SCHEMES:
        raise UsageError(f"unknown baseline '{named}'", nearest(named, ["published", *schemes.SCHEMES]))
    sibling = path.parent.parent / named.lower() / path.name
    if not (sibling / "score.json").exists():
        who = f"{run.identity.model} on {run.identity.benchmark} with --grammar {run.identity.grammar}"
        command = f"edge-judge eval --model {run.identity.model} --scheme {named} --benchmark {run.identity.benchmark}"
        raise RunError(
            f"{sibling}: no {named} run of {who} to compare with",
            f"{command} --grammar {run.identity.grammar}",
        )
    return run_folder.read_run(sibling)


def _against_published(runs: list[Run], data: Path | None, max_drop: float | None, as_json: bool) -> None:
    from edge_judge.cli.eval import published_csv
    from edge_judge.metrics import published
    from edge_judge.metrics.alignment import align
    from edge_judge.metrics.scoring import score as scored
    from edge_judge.report.scores import ScoreRow, published_json, scores_table

    known = published.read_published(published_csv())
    rows: list[ScoreRow] = []
    beside: list[PublishedComparison] = []
    unknown: list[str] = []
    for run in runs:
        benchmark = whole(run, data)
        score = scored(align(benchmark, run.verdicts), run.identity)
        row = published.find_published(known, run.identity.model, benchmark.name)
        if row is None:
            unknown.append(f"{run.identity.model} on {benchmark.name}")
            continue
        beside.append(published.against_published(score, row))
        rows.append(ScoreRow(score, None, beside[-1]))
    if not rows:
        raise RunError("none of these runs has a published figure", "see results/published.csv for those that have")
    if unknown:
        terminal.note(f"no published figure for {', '.join(dict.fromkeys(unknown))}")
    if as_json:
        click.echo(json.dumps([published_json(one) for one in beside], indent=2))
    else:
        click.echo(scores_table(rows, width=terminal.width(), color=terminal.color()))
    lost = [one for one in beside if max_drop is not None and one.difference is not None and -one.difference > max_drop]
    _judge_drops([f"{one.row.model} on {one.benchmark}" for one in lost], max_drop)


def _judge_drops(lost: list[str], max_drop: float | None) -> None:
    if lost:
        terminal.note(f"more than {max_drop:g} points lost: {', '.join(lost)}")
        raise SystemExit(TOO_MUCH_LOST)
