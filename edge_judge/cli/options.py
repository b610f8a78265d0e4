"""Options that several commands share, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)

results = click.option(
    "--results", type=FOLDER, default=Path("results"), show_default=True, help="Where runs are kept."
)
data = click.option(
    "--data",
    type=FOLDER,
    help="Folder that has the benchmark files. [default: EDGE_JUDGE_DATA, or the cache]",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
model = click.option(
    "--model",
    default="pocket",
    show_default=True,
    help="A model that is built here, see `edge-judge models`.",
)
scheme = click.option("--scheme", help="Its quantization scheme.  [default: f16]")
gguf = click.option("--gguf", type=FILE, help="Judge with this GGUF file instead.")
# llama.cpp aborts the process above its own maximum (GGML_MAX_N_THREADS)
threads = click.option("--threads", type=click.IntRange(min=1, max=512), help="Threads.  [default: physical cores]")


def judge(function: Function) -> Function:
    """Which model judges."""
    for option in (threads, gguf, scheme, model):
        function = option(function)
    return function


grammar = click.option(
    "--grammar",
    help="The answer shape a judge is held to; none: it writes what it likes.  "
    "[default: pairwise, or what the model was trained on]",
)
rubric = click.option("--rubric", type=FILE, help="With --grammar rubric: a file with a criterion a row.")
reasoning = click.option(
    "--reasoning",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="At most so many tokens of reasons, or of free text.  [default: the grammar's own]",
)
truncate = click.option(
    "--truncate", type=click.Choice(["answers"]), help="Shorten the longer answer where a prompt does not fit."
)
chat_template = click.option(
    "--chat-template", metavar="NAME|FILE", help="Instead of the GGUF's own: chatml, llama-2, plain, or a Jinja file."
)


def protocol(function: Function) -> Function:
    """How it judges."""
    for option in (chat_template, truncate, reasoning, rubric, grammar):
        function = option(function)
    return function


def example(*lines: str) -> str:
    """The end of a command's help: what to type."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
