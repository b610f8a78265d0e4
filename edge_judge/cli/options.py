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


def example(*lines: str) -> str:
    """The end of a command's help: what to type."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
