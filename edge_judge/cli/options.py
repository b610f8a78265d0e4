"""Options that several commands share, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import Any, TypeVar

import click

from edge_judge.errors import UsageError

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


_SIZE = re.compile(r"(\d+|\d*\.\d+)\s*(?:([kmgt])(i?)b?|b)?", re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}


def memory(_: click.Context, option: click.Option, value: str | None) -> int | None:
    """Bytes that `6GB`, `500MB`, `6GiB` or a plain number mean. Raises UsageError for anything else."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    unit = (1024 if found[3] else 1000) ** _POWERS[found[2].lower()] if found and found[2] else 1
    size = int(float(found[1]) * unit) if found else 0
    if size < 1:
        raise UsageError(f"{option.opts[0]} {value}: not a size of memory", "say for example 6GB, 500MB or 6GiB")
    return size


max_memory = click.option(
    "--max-memory",
    metavar="SIZE",
    callback=memory,
    help="Take no more memory than this: 6GB, 500MB, 6GiB.  [default: what the work can use]",
)
cache = click.option(
    "--cache",
    type=click.Choice(["f16", "q8_0"]),
    default="f16",
    show_default=True,
    help="Type of the key-value cache; q8_0 takes half the memory, and moves verdicts a little.",
)


def taking(function: Function) -> Function:
    """What the work may take."""
    return max_memory(cache(function))


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


benchmarks = click.option(
    "--benchmark",
    "names",
    multiple=True,
    default=("pocket",),
    show_default=True,
    help="A known benchmark, a file of your own, or all. Repeatable.",
)


def _number(_: click.Context, option: click.Option, value: float) -> float:
    if isnan(value):  # no loss is below it
        raise UsageError(f"{option.opts[0]} is not a number", f"say for example: {option.opts[0]} 2")
    return value


margin = click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True, max=100),
    default=2.0,
    show_default=True,
    metavar="POINTS",
    callback=_number,
    help="Points of accuracy that may be lost.",
)


def example(*lines: str) -> str:
    """The end of a command's help: what to type."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
