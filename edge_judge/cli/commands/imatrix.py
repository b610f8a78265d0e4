"""edge-judge imatrix: how much each column of a model's matrices matters to a judge."""

from __future__ import annotations

import shlex

import click

from edge_judge.cli import completion, errors, options, terminal
from edge_judge.cli.command import Command
from edge_judge.errors import UsageError
from edge_judge.quantities import counted
from edge_judge.records import Limits
from edge_judge.workflows.options import BenchmarkOptions, ImatrixSettings, JudgeOptions, ProtocolOptions

HEADING = "judge"
RESUMES = errors.RESUMES


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge imatrix pocket",
        "edge-judge imatrix qwen1.5-7b --scheme q8_0 --benchmark llmbar-natural --limit 50",
        "edge-judge imatrix pocket --text wiki.txt --out pocket-wiki.imatrix.gguf",
        "edge-judge quantize pocket iq2_xs+judge --imatrix pocket-judge.imatrix.gguf",
    ),
)
@click.argument("model", required=False, shell_complete=completion.models)
@options.scheme
@options.gguf
@click.option(
    "-b",
    "--benchmark",
    "names",
    multiple=True,
    shell_complete=completion.benchmarks,
    help="Measure on judge prompts from a known benchmark, or a file of your own. Repeatable.  [default: pocket]",
)
@click.option("--text", type=options.FILE, help="Measure on this text instead, in chunks, as llama-imatrix does.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most this many pairs of each benchmark, or chunks of the text.  [default: 100 pairs, or the whole text]",
)
@click.option(
    "--chunk", type=click.IntRange(min=16), default=512, show_default=True, help="With --text: tokens in a chunk."
)
@click.option("--process-output", is_flag=True, help="Measure the output matrix too; not recommended.")
@click.option("-o", "--out", type=options.TARGET, help="Write the file here instead of the models folder.")
@click.option("--fresh", is_flag=True, help="Start over instead of resuming.")
@options.threads
@options.limits
@options.protocol
@options.data
@options.collected(
    judge=JudgeOptions,
    limits=Limits,
    protocol=ProtocolOptions,
    benchmarks=BenchmarkOptions,
    settings=ImatrixSettings,
)
def imatrix(
    judge: JudgeOptions,
    limits: Limits,
    protocol: ProtocolOptions,
    benchmarks: BenchmarkOptions,
    settings: ImatrixSettings,
) -> None:
    """Measure an importance matrix of MODEL on judge prompts.

    It tells `edge-judge quantize --imatrix FILE` which columns to round more carefully. The prompts are those of
    `eval`; the file records their pairs, so that a judge made with it is evaluated on others. Running the same command
    again resumes it. Prints the path of the file.
    """
    from edge_judge.workflows import imatrix as workflow

    if judge.model is None and judge.gguf is None:
        raise UsageError("no model given", "use for example: edge-judge imatrix pocket")
    made = workflow.imatrix(judge, benchmarks, protocol, settings, terminal.TerminalListener(), limits)
    label = "judge" if settings.text is None else "text"
    named = made.model if judge.gguf is None else "MODEL"
    tensors, tokens = counted(made.tensors, "tensor"), counted(made.tokens, "token")
    terminal.note(f"{tensors}, measured on {tokens} of {', '.join(made.datasets)}")
    terminal.note(f"next: edge-judge quantize {named} iq2_xs+{label} --imatrix {shlex.quote(str(made.path))}")
    click.echo(made.path)
