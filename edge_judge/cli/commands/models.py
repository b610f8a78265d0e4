"""edge-judge models: what is known, how large it would be, whether it fits here, what is built or added, and whether a
file asks its judge with the tokens that its makers meant.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command
from edge_judge.errors import UsageError
from edge_judge.quantities import parameters
from edge_judge.report.columns import Column, at, terminal_table, whole_table
from edge_judge.report.formatting import UNDEFINED, Form, Part, notes, size, table
from edge_judge.report.forms import column_sheet, written

if TYPE_CHECKING:
    from edge_judge.workflows.models import KnownModel

HEADING = "begin"
BUILT = 14  # columns for the schemes that are built, so that a name is never cut


EXAMPLES = (
    "edge-judge models",
    "edge-judge models --add downloaded-Q4_K_M.gguf",
    "edge-judge models --check qwen1.5-7b ~/checkpoints/Qwen1.5-7B-Chat",
)


@click.command(cls=Command, epilog=options.example(*EXAMPLES))
@click.option(
    "--check",
    "checked",
    metavar="MODEL",
    shell_complete=completion.models,
    help="Check the tokenization of a model built on this machine, or of a GGUF file.",
)
@click.argument("checkpoint", required=False, type=options.FOLDER)
@options.chat_template
@click.option(
    "--gpu-memory",
    metavar="SIZE",
    callback=options.memory,
    help="Show how many layers fit on a GPU with this much memory: 8GB.",
)
@click.option("--add", "added", type=options.FILE, help="Register a GGUF file from elsewhere, which stays where it is.")
@click.option("--remove", "removed", metavar="MODEL", help="Forget the files that were added under this name.")
@click.option("-m", "--model", "name", help="With --add: what to call it.  [default: the name in the file]")
@click.option("-s", "--scheme", help="With --add: what to call its scheme; with --remove: only this one.")
@options.forms
@options.collected(output=options.Output)
def models(
    checked: str | None,
    checkpoint: Path | None,
    chat_template: str | None,
    gpu_memory: int | None,
    added: Path | None,
    removed: str | None,
    name: str | None,
    scheme: str | None,
    output: options.Output,
) -> None:
    """List the known models: sizes, what fits, what is built.

    With --check, compare the tokens of the chat template, of the first 50 prompts of a benchmark, of the verdicts and
    of the end of a turn with the tokenizer files in the folder CHECKPOINT. Without it, show what the file records.

    With --add, a GGUF file from elsewhere can be named by --model and --scheme from then on.
    """
    asked = {"--check": checked, "--gpu-memory": gpu_memory, "--add": added, "--remove": removed}
    if len(named := [option for option, value in asked.items() if value is not None]) > 1:
        raise UsageError(f"{' and '.join(named)} do not go together", "use one of them")
    if (name is not None and added is None) or (scheme is not None and added is None and removed is None):
        raise UsageError("--model and --scheme are for --add", "edge-judge models --add FILE --model NAME --scheme S")
    if added is not None:
        _add(added, name, scheme, output)
    elif removed is not None:
        _remove(removed, scheme, output)
    elif checked is not None:
        _check(checked, checkpoint, chat_template, output)
    elif checkpoint is not None or chat_template is not None:
        raise UsageError(
            "CHECKPOINT and --chat-template do nothing without --check", "edge-judge models --check MODEL CHECKPOINT"
        )
    else:
        _list(gpu_memory, output)


def _add(file: Path, model: str | None, scheme: str | None, output: options.Output) -> None:
    from edge_judge.workflows.registry import add_model

    added = add_model(file, model, scheme)
    if output.form == "json":
        click.echo(json.dumps({**asdict(added), "paths": [str(path) for path in added.paths]}, indent=2))
        return
    label = f", {added.size_label}" if added.size_label else ""
    parts = f", {len(added.paths)} files" if len(added.paths) > 1 else ""
    click.echo(f"{added.model} {added.scheme}: {added.paths[0]}{parts}")
    terminal.note(f"{size(added.bytes)}{label}, sha256 {added.sha256[:16]}…")
    terminal.note(f"next: edge-judge eval --model {added.model} --scheme {added.scheme}")


def _remove(model: str, scheme: str | None, output: options.Output) -> None:
    from edge_judge.workflows.registry import remove_model

    removed = remove_model(model, scheme)
    if output.form == "json":
        click.echo(json.dumps([asdict(record) for record in removed], indent=2))
        return
    for record in removed:
        click.echo(f"{record.model} {record.scheme} is forgotten; {record.file} stays")


def _check(model: str, checkpoint: Path | None, chat_template: str | None, output: options.Output) -> None:
    from edge_judge.workflows import model_check

    checks = model_check.check_model(
        model, checkpoint, chat_template=chat_template, listener=terminal.TerminalListener()
    )
    columns: tuple[Column[model_check.ModelCheck], ...] = (
        Column("checked", at("what"), {"checked": at("what")}),
        Column("state", at("state"), {"state": at("state")}),
        Column("detail", at("detail"), {"detail": at("detail")}),
    )
    lines = replace(terminal_table(f"Tokens of {model}", columns, checks), words=3)
    terminal.show(
        output.form,
        lambda: [asdict(check) for check in checks],
        partial(written, [lines], [column_sheet("checks", columns, checks)]),
    )
    model_check.raise_if_wrong(checks, model)


def _list(gpu_memory: int | None, output: options.Output) -> None:
    from edge_judge.workflows import models as workflow

    listed = workflow.models(gpu_memory)
    terminal.show(output.form, lambda: [asdict(model) for model in listed], partial(_written, listed, gpu_memory))
    if output.form == "table":
        terminal.note("to build one: edge-judge quantize MODEL SCHEME")
        terminal.note("to add a GGUF file that you have: edge-judge models --add FILE")


def _written(listed: Sequence[KnownModel], gpu_memory: int | None, *, form: Form, width: int, color: bool) -> str:
    from edge_judge.workflows import models as workflow

    fits = notes(
        f"fits: the widest of these that leaves {size(workflow.SPARE)} "
        f"of this machine's {size(workflow.machine_memory())} of memory",
    )
    backend = [] if form == "csv" else [notes(*terminal.backend_lines(workflow.usable()))]
    columns, layers = _columns(), _layer_columns() if gpu_memory else ()
    made = terminal_table if form == "table" else whole_table
    parts: list[Part] = [made("Known models", columns, listed), fits, *_added_files(), *backend]
    if gpu_memory:
        parts.append(made(_layers_title(gpu_memory), (columns[0], *layers), listed))
    return written(parts, [column_sheet("models", (*columns, *layers), listed)], form=form, width=width, color=color)


def _added_files() -> list[Part]:
    """The files from elsewhere that were registered, where there are any."""
    from edge_judge.workflows.models import added_files

    rows = [[added.model, added.scheme, added.file, size(added.bytes)] for added in added_files()]
    return [table("Added files", ["model", "scheme", "file", "size"], rows, words=3)] if rows else []


def _columns() -> tuple[Column[KnownModel], ...]:
    from edge_judge.workflows.models import SHOWN

    def of_size(scheme: str) -> Column[KnownModel]:
        return Column(
            scheme, lambda model: size(model.bytes[scheme]), {f"{scheme}_bytes": lambda model: model.bytes[scheme]}
        )

    return (
        Column("model", at("name"), {"model": at("name")}),
        Column("params", lambda model: parameters(model.parameters), {"parameters": at("parameters")}),
        *(of_size(scheme) for scheme in SHOWN),
        Column("fits", lambda model: model.fits or "none", {"fits": at("fits")}),
        Column(
            "built",
            lambda model: fill(_built(model), BUILT) or UNDEFINED,
            {"built": _built},
            page_text=lambda model: _built(model) or UNDEFINED,
        ),
    )


def _built(model: KnownModel) -> str:
    return " ".join(model.built)


def _layers_title(gpu_memory: int) -> str:
    from edge_judge.engine.placing import CELLS

    return f"Layers that fit on a GPU with {size(gpu_memory)}, beside a cache of {CELLS:,} tokens (estimated)"


def _layer_columns() -> tuple[Column[KnownModel], ...]:
    """How many layers of each model fit on a GPU."""
    from edge_judge.workflows.models import SHOWN

    def fitting(scheme: str) -> Column[KnownModel]:
        return Column(
            scheme,
            lambda model: _layers(model, scheme),
            {f"{scheme}_gpu_layers": lambda model: (model.gpu_layers or {})[scheme]},
        )

    layers: Column[KnownModel] = Column("layers", lambda model: str(model.layers), {"layers": at("layers")})
    return (layers, *(fitting(scheme) for scheme in SHOWN))


def _layers(model: KnownModel, scheme: str) -> str:
    fitting = (model.gpu_layers or {})[scheme]
    return "all" if fitting == model.layers else str(fitting) if fitting else "none"
