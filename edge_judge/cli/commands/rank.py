"""edge-judge rank: which of several systems answers best, by a judge's verdicts on their outputs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import click

from edge_judge.cli import completion, errors, options, terminal
from edge_judge.cli.command import Command
from edge_judge.errors import UsageError
from edge_judge.records import Limits
from edge_judge.workflows.options import (
    ClusterOptions,
    JudgeOptions,
    LabelOptions,
    OutputsOptions,
    ProtocolOptions,
    RankSettings,
)

HEADING = "decide"
RESUMES = errors.RESUMES


def number_of_games(_: click.Context, option: click.Option, value: str | None) -> int | Literal["all"] | None:
    """What `all` or a number of games means. Raises UsageError for anything else."""
    if value is None or value == "all":
        return None if value is None else "all"
    if not value.isascii() or not value.isdecimal() or not int(value):
        raise UsageError(f"{option.opts[0]} {value}: not a number of games", "use all, or a number such as 2000")
    return int(value)


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge rank old.jsonl new.jsonl",
        "edge-judge rank outputs/*.jsonl --against baseline --scheme f16 --scheme q4_k_m",
        "edge-judge rank outputs/*.jsonl --scheme q2_k --scheme f16 --cascade 0.9",
        "edge-judge rank outputs/*.jsonl --stop --suggest 50",
        "edge-judge rank outputs/*.jsonl --page ranking.html",
        "edge-judge rank --preferences annotations.json --csv",
    ),
)
@click.argument("paths", metavar="[OUTPUTS]...", nargs=-1, type=options.ANY)
@click.option(
    "--format",
    metavar="NAME",
    help="Format of the files: rows, alpaca-eval, mt-bench, arena-hard or lm-eval.  [default: by their columns]",
)
@click.option(
    "--preferences",
    type=options.FILE,
    multiple=True,
    help="Rank by the votes in this file instead of judging outputs. Repeatable.",
)
@click.option(
    "--name", help="Name of the ranking, under results/rank/.  [default: that of the file, or of the files' folder]"
)
@click.option(
    "--against", metavar="SYSTEM", help="Compare all systems with this baseline.  [default: all pairs of systems]"
)
@click.option(
    "--games",
    metavar="N|all",
    callback=number_of_games,
    help="Judge a random sample of this many pairs of answers.  [default: all, unless there are too many]",
)
@click.option(
    "--order",
    type=click.Choice(["both", "given"]),
    default="both",
    show_default=True,
    help="Judge both orders of the answers, or one, drawn at random for each pair.",
)
@click.option("--stop", is_flag=True, help="Judge question by question, and stop as soon as the ranking is decided.")
@click.option(
    "--margin",
    type=click.FloatRange(min=0, max=50, max_open=True),
    metavar="POINTS",
    callback=options.number,
    help="Also stop for two systems that are within this many points of 50 %.",
)
@click.option(
    "--budget",
    metavar="TIME",
    callback=options.seconds,
    help="Also stop after this time, sleep left out: 2h, 30min, 90s.",
)
@click.option("--labels", type=options.FILE, help="Human labels for some of the pairs, which correct the judge.")
@click.option("--suggest", type=click.IntRange(min=1), metavar="N", help="Suggest N pairs to label next.")
@click.option(
    "-o",
    "--out",
    type=options.TARGET,
    default=Path("to-label.csv"),
    show_default=True,
    help="File for --suggest, to fill in with any spreadsheet program.",
)
@click.option("--page", type=options.TARGET, help="Write the ranking and its pairs to this HTML file.")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    shell_complete=completion.models,
    help="A model on this machine, see `edge-judge models`; with --engine, its name there. Repeatable: every model "
    "ranks with every scheme.  [default: pocket]",
)
@click.option(
    "-s",
    "--scheme",
    "schemes",
    multiple=True,
    shell_complete=completion.built_schemes,
    help="Its quantization scheme; repeatable.  [default: f16]",
)
@click.option("--jury", is_flag=True, help="Also rank by all these judges together: each votes on every pair.")
@click.option(
    "--cascade",
    type=float,
    metavar="CONFIDENCE",
    help="Of two judges the second judges only pairs on which the first is less sure than this, for example 0.9.",
)
@options.gguf
@options.engine
@options.threads
@options.price
@options.limits
@options.protocol
@click.option("--fresh", is_flag=True, help="Start over instead of resuming.")
@options.cluster
@options.results
@options.forms
@options.collected(
    outputs=OutputsOptions,
    judge=JudgeOptions,
    limits=Limits,
    protocol=ProtocolOptions,
    settings=RankSettings,
    labels=LabelOptions,
    cluster=ClusterOptions,
    output=options.Output,
)
def rank(
    outputs: OutputsOptions,
    judge: JudgeOptions,
    limits: Limits,
    protocol: ProtocolOptions,
    settings: RankSettings,
    labels: LabelOptions,
    cluster: ClusterOptions,
    output: options.Output,
) -> None:
    """Rank systems by a judge's verdicts on their answers.

    OUTPUTS are files with the answers of one or several systems to the same questions, or folders of earlier rankings
    under results/rank/. Running the same command again resumes it.
    """
    from edge_judge.quantities import counted
    from edge_judge.report import ranking as report
    from edge_judge.report.formatting import size
    from edge_judge.workflows import rank as workflow

    listener = terminal.BlockListener() if settings.stops else terminal.TerminalListener()
    found = workflow.rank(outputs, judge, protocol, limits, settings, labels, listener, cluster)
    terminal.show(
        output.form,
        lambda: report.rankings_json(found.rankings, found.compared),
        partial(report.rankings_table, found.rankings, found.compared),
    )
    if found.page is not None:
        terminal.note(f"{found.page.path}: {size(found.page.bytes)}, open it in a browser")
    if found.suggested is not None:
        path, pairs = found.suggested.path, found.suggested.pairs
        terminal.note(f"{path}: {counted(pairs, 'pair')} to label; fill in A, B or tie, then rank with --labels {path}")
