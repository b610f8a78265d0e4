"""edge-judge choose: which quantization can be trusted, found with as few verdicts as possible."""

from __future__ import annotations

from functools import partial

import click

from edge_judge.cli import completion, errors, options, terminal
from edge_judge.cli.command import Command
from edge_judge.cli.errors import UNDECIDED
from edge_judge.records import Limits
from edge_judge.workflows.options import (
    BenchmarkOptions,
    ChooseSettings,
    ClusterOptions,
    LadderOptions,
    ProtocolOptions,
)

HEADING = "decide"
RESUMES = errors.RESUMES


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge choose --margin 2",
        "edge-judge choose -m llama-3-8b -b pandalm -b auto-j --budget 8h",
        "edge-judge choose --scheme q4_k_m --max-pairs 300",
        "edge-judge choose --gguf judge-f16.gguf --gguf judge-Q4_K_M.gguf",
    ),
)
@click.option(
    "-m",
    "--model",
    shell_complete=completion.models,
    help="A model on this machine, see `edge-judge models`; with --gguf, a name for the files.  "
    "[default: pocket, with --gguf the files' own]",
)
@click.option(
    "-s",
    "--scheme",
    "schemes",
    multiple=True,
    shell_complete=completion.built_schemes,
    help="Consider only this scheme. Repeatable.  [default: all on this machine]",
)
@click.option(
    "--gguf",
    "ggufs",
    multiple=True,
    type=options.FILE,
    help="A GGUF file to consider, or the baseline's. Repeatable.",
)
@click.option(
    "--baseline",
    default="f16",
    show_default=True,
    shell_complete=completion.baselines,
    help="What to compare with: a scheme, or a run's folder.",
)
@options.threads
@options.limits
@options.protocol
@options.benchmarks
@options.margin
@click.option(
    "--budget",
    metavar="TIME",
    callback=options.seconds,
    help="Stop after this time, sleep left out: 2h, 30min, 90s.",
)
@click.option("--max-pairs", type=click.IntRange(min=1), help="Judge at most this many pairs with each scheme.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed for the order of the pairs."
)
@options.seen
@options.coordinator
@options.data
@options.results
@options.forms
@options.collected(
    ladder=LadderOptions,
    limits=Limits,
    protocol=ProtocolOptions,
    benchmarks=BenchmarkOptions,
    settings=ChooseSettings,
    cluster=ClusterOptions,
    output=options.Output,
)
def choose(
    ladder: LadderOptions,
    limits: Limits,
    protocol: ProtocolOptions,
    benchmarks: BenchmarkOptions,
    settings: ChooseSettings,
    cluster: ClusterOptions,
    output: options.Output,
) -> None:
    """Find the smallest scheme that agrees with its baseline.

    Pairs are judged in random blocks, and only until the result is certain on every benchmark. A scheme can be trusted
    if agreement also holds for new pairs like these. Earlier verdicts are reused, new ones are kept: `edge-judge eval`
    continues from them.

    Exits with 4 if --budget, --max-pairs or a recorded baseline ended before a scheme was decided.
    """
    from edge_judge.report.decision import choice_json, choice_table
    from edge_judge.workflows import choose as workflow

    chosen = workflow.choose(ladder, benchmarks, protocol, limits, settings, terminal.BlockListener(), cluster)
    found = (chosen.decisions, chosen.unseen, chosen.other_seeds)
    terminal.show(output.form, lambda: choice_json(*found), partial(choice_table, *found))
    if any(decision.outcome == "undecided" for decision in chosen.decisions):
        raise SystemExit(UNDECIDED)
