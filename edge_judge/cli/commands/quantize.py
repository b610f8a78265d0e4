"""edge-judge quantize: a checkpoint becomes a verified GGUF file."""

from __future__ import annotations

import shlex

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command
from edge_judge.report.formatting import size
from edge_judge.workflows.options import QuantizeSettings

HEADING = "judge"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge quantize pocket q4_k_m",
        "edge-judge quantize qwen1.5-14b q4_k_m",
        "edge-judge quantize ./my-checkpoint q6_k --out my-judge.gguf",
        "edge-judge quantize pocket q4_k_m+mine --adapter ./my-lora",
        "edge-judge quantize pocket --adapter ./my-lora --adapter-only",
        "edge-judge quantize some/repo-GGUF --gguf-file judge-q4_k_m.gguf",
    ),
)
@click.argument("model", shell_complete=completion.models)
@click.argument("scheme", required=False, shell_complete=completion.schemes)
@click.option("-o", "--out", type=options.TARGET, help="Write the GGUF here instead of the models folder.")
@click.option("--imatrix", type=options.FILE, help="Quantize with this importance matrix (GGUF).")
@click.option("--adapter", type=options.FOLDER, help="Merge this LoRA adapter, as peft saves it, into the weights.")
@click.option("--adapter-only", is_flag=True, help="Write only the adapter, as a GGUF in f32 or f16.")
@click.option("--keep-source", is_flag=True, help="Keep the downloaded weights in the Hub's cache.")
@click.option("--gguf-file", metavar="NAME", help="Take this ready-made GGUF of a Hub repository instead of building.")
@options.collected(settings=QuantizeSettings)
def quantize(model: str, scheme: str | None, settings: QuantizeSettings) -> None:
    """Quantize a checkpoint to a verified GGUF file.

    MODEL is a name in models.lock, the folder of a Hugging Face checkpoint, or a repository on the Hub. SCHEME is a
    quantization type of llama.cpp, such as q4_k_m. Prints the path of the file.
    """
    from edge_judge.workflows import build

    made = build.quantize(model, scheme, settings, terminal.TerminalListener())
    terminal.note(f"{made.model} {made.scheme}: {size(made.bytes)}, sha256 {made.sha256[:16]}…, verified")
    click.echo(made.path)
    if not settings.adapter_only:
        judge = ["--model", made.model, "--scheme", made.scheme] if settings.out is None else ["--gguf", str(made.path)]
        terminal.note(f"next: {shlex.join(['edge-judge', 'eval', *judge])}")
