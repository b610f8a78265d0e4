"""edge-judge models: what is known, how large it would be, whether it fits here, what is built or added, and whether a
file asks its judge with the tokens that its makers meant.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge.cli import options, terminal
from edge_judge.errors import UsageError
from edge_judge.report.formatting import notes, render, short_size, size, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_judge.workflows.models import KnownModel

HEADING = "begin"


EXAMPLES = (
    "edge-judge models",
    "edge-judge models --add downloaded-Q4_K_M.gguf",
    "edge-judge models --check qwen1.5-7b ~/checkpoints/Qwen1.5-7B-Chat",
)


@click.command(epilog=options.example(*EXAMPLES))
@click.option(
    "--check", "checked", metavar="MODEL", help="Check the tokenization of a model built on this machine, or of a GGUF file."
)
@click.argument("checkpoint", required=False, type=options.FOLDER)
@options.chat_template
@click.option(
    "--gpu-memory", metavar="SIZE", callback=options.memory, help="Show how many layers fit on a GPU with this much memory: 8GB."
)
@click.option("--add", "added", type=options.FILE, help="Register a GGUF file from elsewhere, which stays where it is.")
@click.option("--remove", "removed", metavar="MODEL", help="Forget the files that were added under this name.")
@click.option("--model", "name", help="With --add: what to call it.  [default: the name in the file]")
@click.option("--scheme", help="With --add: what to call its scheme; with --remove: only this one.")
@options.as_json
def models(
    checked: str | None,
    checkpoint: Path | None,
    chat_template: str | None,
    gpu_memory: int | None,
    added: Path | None,
    removed: str | None,
    name: str | None,
    scheme: str | None,
    as_json: bool,
) -> None:
    """List the known models: sizes, what fits, what is here.

    With --check, compare the chat template, the first 50 prompts of a benchmark, the verdicts' marks and the ends of a
    turn with the tokenizer files in the folder CHECKPOINT. Without a folder, show what the file says of itself.

    With --add, a GGUF file from elsewhere can be named by --model and --scheme from then on.
    """
    asked = {"--check": checked, "--gpu-memory": gpu_memory, "--add": added, "--remove": removed}
    if len(named := [option for option, value in asked.items() if value is not None]) > 1:
        raise UsageError(f"{' and '.join(named)} do not go together", "ask one or the other")
    if (name is not None and added is None) or (scheme is not None and added is None and removed is None):
        raise UsageError("--model and --scheme are for --add", "edge-judge models --add FILE --model NAME --scheme S")
    if added is not None:
        _add(added, name, scheme, as_json)
    elif removed is not None:
        _remove(removed, scheme, as_json)
    elif checked is not None:
        _check(checked, checkpoint, chat_template, as_json)
    elif checkpoint is not None or chat_template is not None:
        raise UsageError(
            "CHECKPOINT and --chat-template do nothing without --check", "edge-judge models --check MODEL CHECKPOINT"
        )
    else:
        _list(gpu_memory, as_json)


def _add(file: Path, model: str | None, scheme: str | None, as_json: bool) -> None:
    from edge_judge.workflows.registry import add_model

    added = add_model(file, model, scheme)
    if as_json:
        click.echo(json.dumps({**asdict(added), "paths": [str(path) for path in added.paths]}, indent=2))
        return
    label = f", {added.size_label}" if added.size_label else ""
    parts = f", {len(added.paths)} files" if len(added.paths) > 1 else ""
    click.echo(f"{added.model} {added.scheme}: {added.paths[0]}{parts}")
    terminal.note(f"{short_size(added.bytes)}{label}, sha256 {added.sha256[:16]}…")
    terminal.note(f"next: edge-judge eval --model {added.model} --scheme {added.scheme}")


def _remove(model: str, scheme: str | None, as_json: bool) -> None:
    from edge_judge.workflows.registry import remove_model

    removed = remove_model(model, scheme)
    if as_json:
        click.echo(json.dumps([asdict(record) for record in removed], indent=2))
        return
    for record in removed:
        click.echo(f"{record.model} {record.scheme} is forgotten; {record.file} stays")


def _check(model: str, checkpoint: Path | None, chat_template: str | None, as_json: bool) -> None:
    from edge_judge.workflows import model_check

    checks = model_check.check_model(
        model, checkpoint, chat_template=chat_template, listener=terminal.TerminalListener()
    )
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        rows = [[check.what, check.state, check.detail] for check in checks]
        lines = table(f"Tokens of {model}", ["checked", "state", "detail"], rows, words=3)
        click.echo(render([lines], terminal.width(), terminal.color()), nl=False)
    model_check.raise_if_wrong(checks, model)


def _list(gpu_memory: int | None, as_json: bool) -> None:
    from edge_judge.workflows import models as workflow

    listed = workflow.models(gpu_memory)
    if as_json:
        click.echo(json.dumps([asdict(model) for model in listed], indent=2))
        return
    rows = [
        [
            model.name,
            _count(model.parameters),
            *(size(model.bytes[name]) for name in workflow.SHOWN),
            model.fits or "none",
            " ".join(model.built) or "-",
        ]
        for model in listed
    ]
    own = [[added.model, added.scheme, added.file, size(added.bytes)] for added in workflow.added_files()]
    others = [table("Added files", ["model", "scheme", "file", "size"], own, words=3)] if own else []
    lines = table("Known models", ["model", "params", *workflow.SHOWN, "fits", "built"], rows)
    note = notes(
        f"fits: the widest of these that leaves {short_size(workflow.SPARE)} "
        f"of this machine's {short_size(workflow.machine_memory())} of memory"
    )
    backend = notes(*terminal.backend_lines(workflow.usable()))
    gpu = [_layers_table(listed, gpu_memory)] if gpu_memory else []
    click.echo(render([lines, note, *others, backend, *gpu], terminal.width(), terminal.color()), nl=False)


def _layers_table(listed: list[KnownModel], gpu_memory: int) -> RenderableType:
    """How many layers of each model fit on a GPU."""
    from edge_judge.engine.placing import CELLS
    from edge_judge.workflows.models import SHOWN

    rows = [[model.name, str(model.layers), *(_layers(model, scheme) for scheme in SHOWN)] for model in listed]
    title = f"Layers that fit on a GPU with {short_size(gpu_memory)}, beside a cache of {CELLS:,} tokens (estimated)"
    return table(title, ["model", "layers", *SHOWN], rows)


def _layers(model: KnownModel, scheme: str) -> str:
    fitting = (model.gpu_layers or {})[scheme]
    return "all" if fitting == model.layers else str(fitting) if fitting else "none"


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:.1f} M"
