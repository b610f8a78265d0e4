"""edge-judge rank: which of several systems answers best, by a judge's verdicts on their outputs."""

from __future__ import annotations

import json
from typing import Literal

import click

from edge_judge.cli import options, terminal
from edge_judge.errors import UsageError
from edge_judge.records import Limits
from edge_judge.workflows.options import ClusterOptions, JudgeOptions, OutputsOptions, ProtocolOptions, RankSettings

HEADING = "decide"


def number_of_games(_: click.Context, option: click.Option, value: str | None) -> int | Literal["all"] | None:
    """What `all` or a number of games means. Raises UsageError for anything else."""
    if value is None or value == "all":
        return None if value is None else "all"
    if not value.isascii() or not value.isdecimal() or not int(value):
        raise UsageError(f"{option.opts[0]} {value}: not a number of games", "say all, or for example 2000")
    return int(value)


@click.command(
    epilog=options.example(
        "edge-judge rank old.jsonl new.jsonl",
        "edge-judge rank outputs/*.jsonl --against baseline --scheme f16 --scheme q4_k_m",
        "edge-judge rank --preferences annotations.json --csv",
    )
)
@click.argument("paths", metavar="[OUTPUTS]...", nargs=-1, type=options.ANY)
@click.option(
    "--format",
    metavar="NAME",
    help="Of the files: rows, alpaca-eval, mt-bench, arena-hard or lm-eval.  [default: recognized by their columns]",
)
@click.option("--preferences", type=options.FILE, help="A file of votes that others reached, instead of outputs.")
@click.option("--name", help="Of the ranking, under results/rank/.  [default: the file's, or the files' folder's]")
@click.option("--against", metavar="SYSTEM", help="A baseline that all others meet.  [default: all pairs of systems]")
@click.option(
    "--games",
    metavar="N|all",
    callback=number_of_games,
    help="So many meetings of two systems on a question, a sample.  [default: all, unless they are too many]",
)
@click.option(
    "--order",
    type=click.Choice(["both", "given"]),
    default="both",
    show_default=True,
    help="Both orders of the answers, or one, drawn for each pair.",
)
@options.judging_model
@click.option("--scheme", "schemes", multiple=True, help="Its quantization scheme; repeatable.  [default: f16]")
@options.gguf
@options.engine
@options.threads
@options.price
@options.limits
@options.protocol
@click.option("--fresh", is_flag=True, help="Judge everything anew.")
@options.cluster
@options.results
@options.as_json
@options.as_csv
@options.as_markdown
@options.collected(
    outputs=OutputsOptions,
    judge=JudgeOptions,
    limits=Limits,
    protocol=ProtocolOptions,
    settings=RankSettings,
    cluster=ClusterOptions,
    output=options.Output,
)
def rank(
    outputs: OutputsOptions,
    judge: JudgeOptions,
    limits: Limits,
    protocol: ProtocolOptions,
    settings: RankSettings,
    cluster: ClusterOptions,
    output: options.Output,
) -> None:
    """Rank systems by a judge's verdicts on what they answered.

    OUTPUTS are files of answers to the same questions, of one system each or of several, or folders of rankings under
    results/rank/. The same command again goes on where it was stopped.
    """
    from edge_judge.report import ranking as report
    from edge_judge.workflows import rank as workflow

    form = output.form
    rankings = workflow.rank(outputs, judge, protocol, limits, settings, terminal.TerminalListener(), cluster)
    if form == "json":
        click.echo(json.dumps([report.ranked_json(ranking) for ranking in rankings], indent=2))
    elif form == "csv":
        click.echo(report.rankings_csv(rankings), nl=False)
    elif form == "markdown":
        click.echo(report.rankings_markdown(rankings), nl=False)
    else:
        click.echo(report.rankings_table(rankings, width=terminal.width(), color=terminal.color()), nl=False)
