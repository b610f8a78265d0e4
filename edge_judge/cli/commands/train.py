"""edge-judge train: a judge learns from labelled pairs, as a LoRA adapter."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command
from edge_judge.training.recipe import Recipe
from edge_judge.workflows.options import ProtocolOptions, TrainSettings

HEADING = "judge"
DEFAULT = Recipe()
SHARE = click.FloatRange(min=0, max=1, max_open=True)
COUNT = click.IntRange(min=1)

recipe = options.several(  # the fields of `Recipe`
    click.option("--epochs", type=COUNT, default=DEFAULT.epochs, show_default=True, help="Times every pair is seen."),
    click.option("--rate", type=float, default=DEFAULT.rate, show_default=True, help="The highest learning rate."),
    click.option("--warmup", type=SHARE, default=DEFAULT.warmup, show_default=True, help="Share of steps it rises."),
    click.option("--batch", type=COUNT, default=DEFAULT.batch, show_default=True, help="Examples of a step."),
    click.option(
        "--at-once", type=COUNT, default=DEFAULT.at_once, show_default=True, help="Of them, computed together: memory."
    ),
    click.option("--rank", type=COUNT, default=DEFAULT.rank, show_default=True, help="Rank of the adapter."),
    click.option("--alpha", type=float, default=DEFAULT.alpha, show_default=True, help="Its scale is alpha / rank."),
    click.option("--rslora", is_flag=True, help="Its scale is alpha / √rank."),
    click.option("--dropout", type=SHARE, default=DEFAULT.dropout, show_default=True, help="Of the adapter's inputs."),
    click.option(
        "--validation", type=SHARE, default=DEFAULT.validation, show_default=True, help="Share of pairs to measure on."
    ),
    click.option("--checks", type=COUNT, default=DEFAULT.checks, show_default=True, help="Measurements an epoch."),
    click.option(
        "--patience",
        type=click.IntRange(min=0),
        default=DEFAULT.patience,
        show_default=True,
        help="Measurements without a lower loss that end the training; 0: none do.",
    ),
    click.option(
        "--reference-drop",
        type=SHARE,
        default=DEFAULT.reference_drop,
        show_default=True,
        help="How often a reference answer is not shown.",
    ),
    click.option("--longest", type=COUNT, metavar="TOKENS", help="Leave longer examples out.  [default: the context]"),
    click.option("--checkpointing", is_flag=True, help="Compute layers twice instead of keeping them: less memory."),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16"]),
        default=DEFAULT.dtype,
        show_default=True,
        help="Of the model's own weights, which are not trained.",
    ),
    click.option(
        "--device", default=DEFAULT.device, show_default=True, help="One of torch's: cpu, cuda; auto: a GPU if any."
    ),
    click.option("--threads", type=COUNT, help="Threads.  [default: as many as physical cores]"),
    click.option("--seed", type=int, default=DEFAULT.seed, show_default=True, help="Of order, split and first values."),
)


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge train pocket --data pairs.jsonl --out tuned",
        "edge-judge train qwen1.5-7b --data pairwise_traindata.jsonl --dtype bfloat16 --device cuda",
        "edge-judge quantize pocket q4_k_m+tuned --adapter tuned",
    ),
)
@click.argument("model", shell_complete=completion.models)
@click.option("--data", "files", type=options.FILE, multiple=True, required=True, help="Labelled pairs. Repeatable.")
@click.option(
    "--format",
    type=click.Choice(["pairs", "auto-j", "pandalm"]),
    help="Of the file.  [default: by its first row]",
)
@click.option("-o", "--out", type=options.FOLDER, help="Where the adapter goes.  [default: tuned/MODEL]")
@click.option("--fresh", is_flag=True, help="Begin anew.")
@click.option("--benchmarks", "data", type=options.FOLDER, help="Folder of the benchmarks whose pairs are left out.")
@options.protocol
@recipe
@options.as_json
@options.collected(settings=TrainSettings, protocol=ProtocolOptions, recipe=Recipe)
def train(model: str, settings: TrainSettings, protocol: ProtocolOptions, recipe: Recipe, as_json: bool) -> None:
    """Tune a judge to labelled pairs with LoRA.

    MODEL is a name in models.lock, the folder of a checkpoint, or a repository on the Hub. Prints the folder of the
    adapter, which peft and `edge-judge quantize --adapter` read. The same command again goes on where it was stopped.
    """
    from edge_judge.workflows import train as workflow

    made = workflow.train(model, settings, protocol, recipe, terminal.TerminalListener())
    if as_json:
        click.echo(json.dumps({**asdict(made), "folder": str(made.folder)}, indent=2))
        return
    first, best = made.curve[0], made.best
    terminal.note(
        f"validation verdicts right: {100 * first.accuracy:.1f} % before, {100 * best.accuracy:.1f} % after step "
        f"{best.step} of {made.planned} ({best.verdicts} verdicts); the curve: {made.folder / 'curve.html'}"
    )
    terminal.note(f"next: edge-judge quantize {model} q4_k_m+tuned --adapter {made.folder}")
    click.echo(made.folder)
