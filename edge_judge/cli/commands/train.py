"""edge-judge train: a judge learns from labelled pairs, as a LoRA adapter."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from edge_judge.cli import completion, errors, options, terminal
from edge_judge.cli.command import Command
from edge_judge.quantities import counted
from edge_judge.training.recipe import Recipe
from edge_judge.workflows.options import ProtocolOptions, TrainSettings

HEADING = "judge"
RESUMES = errors.RESUMES
DEFAULT = Recipe()
SHARE = click.FloatRange(min=0, max=1, max_open=True)
COUNT = click.IntRange(min=1)

recipe = options.several(  # the fields of `Recipe`
    click.option(
        "--epochs", type=COUNT, default=DEFAULT.epochs, show_default=True, help="Passes over the training pairs."
    ),
    click.option("--rate", type=float, default=DEFAULT.rate, show_default=True, help="Peak learning rate."),
    click.option("--warmup", type=SHARE, default=DEFAULT.warmup, show_default=True, help="Share of steps for warm-up."),
    click.option("--batch", type=COUNT, default=DEFAULT.batch, show_default=True, help="Examples per step."),
    click.option(
        "--at-once",
        type=COUNT,
        default=DEFAULT.at_once,
        show_default=True,
        help="Examples computed at once; fewer take less memory.",
    ),
    click.option("--rank", type=COUNT, default=DEFAULT.rank, show_default=True, help="Rank of the adapter."),
    click.option(
        "--alpha", type=float, default=DEFAULT.alpha, show_default=True, help="The adapter is scaled by alpha / rank."
    ),
    click.option("--rslora", is_flag=True, help="Scale by alpha / √rank instead."),
    click.option(
        "--dropout", type=SHARE, default=DEFAULT.dropout, show_default=True, help="Dropout of the adapter's inputs."
    ),
    click.option(
        "--validation",
        type=SHARE,
        default=DEFAULT.validation,
        show_default=True,
        help="Share of pairs to hold out for validation.",
    ),
    click.option("--checks", type=COUNT, default=DEFAULT.checks, show_default=True, help="Validations per epoch."),
    click.option(
        "--patience",
        type=click.IntRange(min=0),
        default=DEFAULT.patience,
        show_default=True,
        help="Stop after this many validations without a lower loss; 0: never.",
    ),
    click.option(
        "--reference-drop",
        type=SHARE,
        default=DEFAULT.reference_drop,
        show_default=True,
        help="Share of examples in which the reference answer is hidden.",
    ),
    click.option("--longest", type=COUNT, metavar="TOKENS", help="Leave out longer examples.  [default: the context]"),
    click.option(
        "--checkpointing", is_flag=True, help="Recompute activations instead of storing them: less memory, more time."
    ),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16"]),
        default=DEFAULT.dtype,
        show_default=True,
        help="Type of the frozen base weights.",
    ),
    click.option(
        "--device",
        default=DEFAULT.device,
        show_default=True,
        help="Device for torch, cpu or cuda; auto: a GPU if there is one.",
    ),
    click.option("--threads", type=COUNT, help="CPU threads.  [default: the number of physical cores]"),
    click.option(
        "--seed", type=int, default=DEFAULT.seed, show_default=True, help="Seed for order, split and initial values."
    ),
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
    help="Format of the file.  [default: recognized by its first row]",
)
@click.option("-o", "--out", type=options.FOLDER, help="Folder for the adapter.  [default: tuned/MODEL]")
@click.option("--fresh", is_flag=True, help="Start over instead of resuming.")
@click.option(
    "--benchmarks", "data", type=options.FOLDER, help="Folder of the benchmarks; their pairs are left out of training."
)
@options.protocol
@recipe
@options.as_json
@options.collected(settings=TrainSettings, protocol=ProtocolOptions, recipe=Recipe)
def train(model: str, settings: TrainSettings, protocol: ProtocolOptions, recipe: Recipe, as_json: bool) -> None:
    """Fine-tune a judge on labelled pairs with LoRA.

    MODEL is a name in models.lock, the folder of a checkpoint, or a repository on the Hub. Prints the folder of the
    adapter, which peft and `edge-judge quantize --adapter` read. Running the same command again resumes it.
    """
    from edge_judge.workflows import train as workflow

    made = workflow.train(model, settings, protocol, recipe, terminal.TerminalListener())
    if as_json:
        click.echo(json.dumps({**asdict(made), "folder": str(made.folder)}, indent=2))
        return
    first, best = made.curve[0], made.best
    terminal.note(
        f"validation accuracy: {100 * first.accuracy:.1f} % before, {100 * best.accuracy:.1f} % after step "
        f"{best.step} of {made.planned} ({counted(best.verdicts, 'verdict')}); the curve: {made.folder / 'curve.html'}"
    )
    terminal.note(f"next: edge-judge quantize {model} q4_k_m+tuned --adapter {made.folder}")
    click.echo(made.folder)
