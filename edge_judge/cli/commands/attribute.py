"""edge-judge attribute: where the loss comes from."""

from __future__ import annotations

import json

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command
from edge_judge.workflows.options import AttributionSettings

HEADING = "look closer"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge attribute --scheme q4_k_m --grammar pairwise-cot",
        "edge-judge attribute --model qwen1.5-7b --scheme q3_k_m --grammar pairwise --benchmark pandalm",
    ),
)
@options.model
@click.option(
    "-s",
    "--scheme",
    default="q4_k_m",
    show_default=True,
    shell_complete=completion.built_schemes,
    help="The quantization scheme to explain.",
)
@click.option(
    "-g",
    "--grammar",
    default="pairwise-cot",
    show_default=True,
    shell_complete=completion.grammars,
    help="The protocol to explain.",
)
@click.option(
    "-b",
    "--benchmark",
    default="pocket",
    show_default=True,
    shell_complete=completion.benchmarks,
    help="A known benchmark, or a file of your own.",
)
@options.data
@options.results
@options.as_json
@options.collected(settings=AttributionSettings)
def attribute(settings: AttributionSettings, as_json: bool) -> None:
    """Show where a judge's loss comes from, step by step.

    Recorded runs that differ in one thing: free form, a grammar, the protocol, the quantized weights.
    """
    from edge_judge.report.attribution import attribution_json, attribution_table
    from edge_judge.workflows import attribute as workflow

    chain = workflow.attribute(settings)
    if as_json:
        click.echo(json.dumps(attribution_json(chain.steps, chain.noise, chain.missing), indent=2))
    else:
        table = attribution_table(chain.steps, chain.noise, width=terminal.width(), color=terminal.color())
        click.echo(table, nl=False)
    for run, command in chain.missing.items():
        terminal.note(f"no run {workflow.short_name(run)}: {command}")
    for run, command in chain.unrepeated.items():
        terminal.note(f"no noise floor of {workflow.short_name(run)}: {command}")
