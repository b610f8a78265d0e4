"""edge-judge choose: which quantization can be trusted, found with as few verdicts as possible."""

from __future__ import annotations

import json

import click

from edge_judge.cli import options, terminal
from edge_judge.records import Limits
from edge_judge.workflows.options import (
    BenchmarkOptions,
    ChooseSettings,
    ClusterOptions,
    LadderOptions,
    ProtocolOptions,
)

HEADING = "decide"


@click.command(
    epilog=options.example(
        "edge-judge choose --margin 2",
        "edge-judge choose --model llama-3-8b --benchmark pandalm --benchmark auto-j --budget 8h",
        "edge-judge choose --scheme q4_k_m --max-pairs 300",
        "edge-judge choose --gguf judge-f16.gguf --gguf judge-Q4_K_M.gguf",
    )
)
@click.option(
    "--model",
    help="A model that is here, see `edge-judge models`; with --gguf, a name for the files.  "
    "[default: pocket, with --gguf the files' own]",
)
@click.option("--scheme", "schemes", multiple=True, help="Only this one; repeatable.  [default: all that are here]")
@click.option(
    "--gguf", "ggufs", multiple=True, type=options.FILE, help="A GGUF file in question, or the baseline's. Repeatable."
)
@click.option(
    "--baseline", default="f16", show_default=True, help="What to compare with: a scheme, or a run's folder."
)
@options.threads
@options.limits
@options.protocol
@options.benchmarks
@options.margin
@click.option("--budget", metavar="TIME", callback=options.seconds, help="Stop after this time: 2h, 30min, 90s.")
@click.option("--max-pairs", type=click.IntRange(min=1), help="Most pairs to judge with each scheme.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed for the order of the pairs.")
@options.seen
@options.coordinator
@options.data
@options.results
@options.as_json
@options.collected(
    ladder=LadderOptions,
    limits=Limits,
    protocol=ProtocolOptions,
    benchmarks=BenchmarkOptions,
    settings=ChooseSettings,
    cluster=ClusterOptions,
)
def choose(
    ladder: LadderOptions,
    limits: Limits,
    protocol: ProtocolOptions,
    benchmarks: BenchmarkOptions,
    settings: ChooseSettings,
    cluster: ClusterOptions,
    as_json: bool,
) -> None:
    """Find the smallest scheme that judges as its baseline does.

    As few verdicts as possible are spent on it. Pairs are judged in random blocks; a scheme is done as soon as it is
    decided, by its verdicts as given, on every benchmark by itself. It can be trusted if new pairs like these agree
    too. What was judged before is used, and what is judged now stays: `edge-judge eval` goes on from there.
    """
    from edge_judge.report.decision import choice_json, choice_table
    from edge_judge.workflows import choose as workflow

    chosen = workflow.choose(ladder, benchmarks, protocol, limits, settings, terminal.BlockListener(), cluster)
    if as_json:
        click.echo(json.dumps(choice_json(chosen.decisions, chosen.unseen, chosen.other_seeds), indent=2))
    else:
        width, color = terminal.width(), terminal.color()
        click.echo(choice_table(chosen.decisions, chosen.unseen, chosen.other_seeds, width=width, color=color))
