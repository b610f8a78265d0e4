"""edge-judge eval: a judge's verdicts on a benchmark, and their score."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

import click

from edge_judge.cli import errors, options, terminal
from edge_judge.cli.command import Command
from edge_judge.errors import UsageError
from edge_judge.records import Limits
from edge_judge.workflows.options import (
    BenchmarkOptions,
    ClusterOptions,
    EvaluateSettings,
    JudgeOptions,
    ProtocolOptions,
)

if TYPE_CHECKING:
    from edge_judge.report.scores import ScoreRow

HEADING = "judge"
RESUMES = errors.RESUMES


@click.command(
    "eval",
    cls=Command,
    epilog=options.example(
        "edge-judge eval --grammar pairwise",
        "edge-judge eval --scheme q4_k_m --benchmark llmbar-natural --limit 50",
        "edge-judge eval -s f16 -s q8_0 -s q4_k_m",
    ),
)
@options.judges
@options.price
@options.limits
@options.protocol
@options.benchmarks
@click.option(
    "--order",
    type=click.Choice(["both", "given"]),
    default="both",
    show_default=True,
    help="Judge both orders of the answers, or only the given one.",
)
@click.option(
    "--ties",
    type=click.Choice(["auto", "allow"]),
    default="auto",
    show_default=True,
    help="Whether the judge may answer tie; auto: where the benchmark has ties.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    metavar="PAIRS",
    help="Judge only this many pairs of each benchmark, a stratified sample; a larger limit adds to it.",
)
@click.option("--head", is_flag=True, help="With --limit: take the first pairs of the file instead.")
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    metavar="TIMES",
    help="Judge this many times, and report what differs between identical runs.",
)
@click.option("--fresh", is_flag=True, help="Start over instead of resuming.")
@options.seen
@options.cluster
@options.data
@options.results
@options.forms
@click.option("-v", "--verbose", is_flag=True, help="Print all tables, not only the first four figures.")
@options.collected(
    judge=JudgeOptions,
    limits=Limits,
    protocol=ProtocolOptions,
    benchmarks=BenchmarkOptions,
    settings=EvaluateSettings,
    cluster=ClusterOptions,
    output=options.Output,
)
def evaluate(
    models: tuple[str, ...],
    schemes: tuple[str, ...],
    judge: JudgeOptions,
    limits: Limits,
    protocol: ProtocolOptions,
    benchmarks: BenchmarkOptions,
    settings: EvaluateSettings,
    cluster: ClusterOptions,
    output: options.Output,
    verbose: bool,
) -> None:
    """Judge the pairs of a benchmark and score the verdicts.

    Running the same command again resumes it. With several models and schemes, each model judges with each scheme, and
    nothing is judged where one of them is not built.
    """
    from edge_judge.report.scores import scores_table
    from edge_judge.report.summary import summary_table
    from edge_judge.workflows import evaluate as workflow
    from edge_judge.workflows.next_step import next_step

    judges = _judges(judge, models, schemes)
    rows = workflow.evaluate(judges, benchmarks, protocol, limits, settings, terminal.TerminalListener(), cluster)
    if output.form == "table" and not verbose:
        click.echo(summary_table(rows, width=terminal.width(), color=terminal.color()), nl=False)
    else:
        terminal.show(output.form, lambda: [_as_json(row) for row in rows], partial(scores_table, rows))
    if output.form == "table":
        terminal.note(f"next: {next_step(judges[-1], [row.score for row in rows], benchmarks, protocol, settings)}")


def _judges(judge: JudgeOptions, models: tuple[str, ...], schemes: tuple[str, ...]) -> list[JudgeOptions]:
    """Each model with each scheme. Raises UsageError where a file is to be several."""
    if judge.gguf is not None and max(len(models), len(schemes)) > 1:
        raise UsageError("--gguf is one file: --model and --scheme name it once", "judge with each file by itself")
    return [replace(judge, model=model, scheme=scheme) for model in models or (None,) for scheme in schemes or (None,)]


def _as_json(row: ScoreRow) -> dict[str, object]:
    from edge_judge.runs.folder import score_json

    noise = {"noise": asdict(row.noise)} if row.noise else {}
    return {**score_json(row.score), **noise, **({"pairs_seen": row.pairs_seen} if row.pairs_seen else {})}
