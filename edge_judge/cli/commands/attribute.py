"""edge-judge attribute: where the loss comes from."""

from __future__ import annotations

from functools import partial

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
@options.forms
@options.collected(settings=AttributionSettings, output=options.Output)
def attribute(settings: AttributionSettings, output: options.Output) -> None:
    """Show where a judge's loss comes from, step by step.

    Compares recorded runs that differ in one thing at a time: free text or a grammar, the protocol, the scheme.
    """
    from edge_judge.report.attribution import attribution_json, attribution_table
    from edge_judge.workflows import attribute as workflow

    chain = workflow.attribute(settings)
    terminal.show(
        output.form,
        lambda: attribution_json(chain.steps, chain.noise, chain.missing),
        partial(attribution_table, chain.steps, chain.noise),
    )
    for run, command in chain.missing.items():
        terminal.note(f"no run {workflow.short_name(run)}: {command}")
    for run, command in chain.unrepeated.items():
        terminal.note(f"no noise floor of {workflow.short_name(run)}: {command}")
