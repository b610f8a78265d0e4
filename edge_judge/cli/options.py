"""Options that several commands share, and what they mean; `collected` hands them to a command as typed objects.

Knows: names of options, their units and defaults. Does not know: what a command does with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import reduce, wraps
from math import inf, isnan
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_type_hints

import click

from edge_judge.cli import completion
from edge_judge.errors import UsageError
from edge_judge.records import CACHE_HOMES, CACHES, SPLITS
from edge_judge.report.formatting import Form
from edge_judge.workflows.options import MARGIN, POCKET, RESULTS

Function = TypeVar("Function", bound=Callable[..., Any])
OutputForm: TypeAlias = Form | Literal["json"]

PERCENT = click.FloatRange(min=0, max=100, min_open=True)  # with `number`, since nan is in every range
FOLDER = click.Path(path_type=Path, file_okay=False)
ANY = click.Path(path_type=Path, exists=True)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
TARGET = click.Path(path_type=Path, dir_okay=False)


def collected(**objects: type[Any]) -> Callable[[Function], Function]:
    """Give a command one object of each type in place of the options that are its fields."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def command(*args: Any, **values: Any) -> Any:
            made = {name: _made(kind, values) for name, kind in objects.items()}
            return function(*args, **values, **made)

        return command  # type: ignore[return-value]

    return decorate


def _made(kind: type[Any], values: dict[str, Any]) -> Any:
    """An object of options, which are taken out of the values. A field that is such an object is made the same way."""
    types: dict[str, Any] = get_type_hints(kind)
    nested = {name: _made(types[name], values) for name in types if is_dataclass(types[name])}
    return kind(**nested, **{field.name: values.pop(field.name) for field in fields(kind) if field.name in values})


def several(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several options as one, in the order in which `--help` lists them."""

    def decorate(function: Function) -> Function:
        return reduce(lambda decorated, option: option(decorated), reversed(options), function)

    return decorate


results = click.option("--results", type=FOLDER, default=RESULTS, show_default=True, help="Folder of the runs.")
data = click.option(
    "--data", type=FOLDER, help="Folder of the benchmark files.  [default: EDGE_JUDGE_DATA, or the cache]"
)
run_folders = click.argument("paths", metavar="[RUNS]...", nargs=-1, type=FOLDER, shell_complete=completion.runs)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
forms = several(  # the fields of `Output`, for every command that prints a table
    as_json,
    click.option("--csv", "as_csv", is_flag=True, help="Print the figures as CSV."),
    click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as GitHub Markdown."),
    click.option("--latex", "as_latex", is_flag=True, help="Print the table for LaTeX, with booktabs."),
)
model = click.option(
    "-m",
    "--model",
    default=POCKET,
    show_default=True,
    shell_complete=completion.models,
    help="A model on this machine, see `edge-judge models`.",
)
scheme = click.option(
    "-s",
    "--scheme",
    shell_complete=completion.built_schemes,
    help="Its quantization scheme.  [default: f16, with --gguf the file's own]",
)
gguf = click.option(
    "--gguf", type=FILE, help="Judge with this GGUF file instead; --model and --scheme say what to call it."
)
# llama.cpp aborts the process above its own maximum (GGML_MAX_N_THREADS)
threads = click.option(
    "--threads",
    type=click.IntRange(min=1, max=512),
    help="CPU threads.  [default: the fastest number, found while judging]",
)


seen = several(
    click.option(
        "--unseen", "seen", flag_value="leave out", help="Leave out pairs that were used to make the judge's file."
    ),
    click.option("--allow-seen", "seen", flag_value="allow", help="Include such pairs, and mark the run."),
    click.option("--refuse-seen", "seen", flag_value="refuse", default=True, hidden=True),
)


_SIZE = re.compile(r"(\d+|\d*\.\d+)\s*(?:([kmgt])(i?)b?|b)?", re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
_LEAST_MEMORY = 1_000_000  # bytes; nothing runs in less


def memory(_: click.Context, option: click.Option, value: str | None) -> int | None:
    """Bytes that `6GB`, `500MB`, `6GiB` or a plain number mean. Raises UsageError for anything else."""
    if value is None:
        return None
    parts = _SIZE.fullmatch(value.strip())
    unit = (1024 if parts[3] else 1000) ** _POWERS[parts[2].lower()] if parts and parts[2] else 1
    size = float(parts[1]) * unit if parts else 0
    if parts is None or not 1 <= size < inf:
        raise UsageError(f"{option.opts[0]} {value}: not a size of memory", "use for example 6GB, 500MB or 6GiB")
    if size < _LEAST_MEMORY:
        raise UsageError(f"{option.opts[0]} {value}: only {int(size):,} bytes", f"did you mean {parts[1]}GB?")
    return int(size)


_TIME = re.compile(r"(\d+|\d*\.\d+)\s*(s|min|m|h|d)", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def seconds(_: click.Context, option: click.Option, value: str | None) -> float | None:
    """Seconds that `2h`, `30min` or `90s` mean. Raises UsageError for anything else."""
    if value is None:
        return None
    parts = _TIME.fullmatch(value.strip())
    if not parts or not float(parts[1]):
        raise UsageError(f"{option.opts[0]} {value}: not a time", "use for example 2h, 30min or 90s")
    return float(parts[1]) * _SECONDS[parts[2].lower()]


def prices(_: click.Context, option: click.Option, value: str | None) -> tuple[float, float] | None:
    """The two numbers in `2.5,10`. Raises UsageError for anything else."""
    if value is None:
        return None
    try:
        given = tuple(float(part) for part in value.split(","))
    except ValueError:
        given = ()
    if len(given) != 2 or not all(0 <= number < inf for number in given):
        raise UsageError(f"{option.opts[0]} {value}: not two prices", "use for example: --price 2.5,10")
    return given[0], given[1]


max_memory = click.option(
    "--max-memory",
    "memory",
    metavar="SIZE",
    callback=memory,
    help="Use at most this much memory: 6GB, 500MB, 6GiB.  [default: no limit]",
)
cache = click.option(
    "--cache",
    type=click.Choice(CACHES),
    default="f16",
    show_default=True,
    help="Type of the key-value cache; q8_0 halves its memory, and may change verdicts slightly.",
)


polite = click.option("--polite", is_flag=True, help="Leave a core free, and run at low priority.")


def layers(_: click.Context, option: click.Option, value: str) -> int | Literal["auto", "all"]:
    """What `auto`, `all` or a number of layers means. Raises UsageError for anything else."""
    if value == "auto":
        return "auto"
    if value == "all":
        return "all"
    if not re.fullmatch(r"[0-9]{1,6}", value):
        raise UsageError(f"{option.opts[0]} {value}: not a number of layers", "use auto, all, or a number such as 20")
    return int(value)


gpu_memory = click.option(
    "--gpu-memory",
    metavar="SIZE",
    callback=memory,
    help="Use at most this much memory of each GPU: 8GB.  [default: what is free]",
)
placement = several(  # the fields of `Placement`
    click.option(
        "--gpu-layers",
        metavar="auto|all|N",
        default="auto",
        show_default=True,
        callback=layers,
        help="Layers to put on the GPU; auto: as many as fit; 0: none.",
    ),
    click.option(
        "--device",
        "devices",
        multiple=True,
        metavar="NAME",
        help="A GPU, or HOST:PORT of a ggml-rpc-server. Repeatable.  [default: all GPUs]",
    ),
    gpu_memory,
    click.option(
        "--split",
        type=click.Choice(SPLITS),
        default="layer",
        show_default=True,
        help="How to split a model over several GPUs; none: use only the first.",
    ),
    click.option(
        "--cache-on",
        type=click.Choice(CACHE_HOMES),
        default="device",
        show_default=True,
        help="Where to keep the key-value cache of layers on a GPU.",
    ),
)
limits = several(max_memory, cache, polite, placement)  # the fields of `Limits`
engine = click.option(
    "--engine",
    metavar="URL",
    help="Use an OpenAI-compatible endpoint, such as http://localhost:8080/v1; EDGE_JUDGE_API_KEY is its key.",
)
price = click.option(
    "--price",
    metavar="IN,OUT",
    callback=prices,
    help="With --engine: the prices of a million prompt and generated tokens; the run's cost is reported.",
)
judging_model = click.option(
    "-m",
    "--model",
    shell_complete=completion.models,
    help="A model on this machine, see `edge-judge models`; with --engine, its name there; with --gguf, a name for the "
    "file.  [default: pocket, with --gguf the file's own]",
)
judging_models = click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    shell_complete=completion.models,
    help="A model on this machine, see `edge-judge models`; with --engine, its name there. Repeatable.  "
    "[default: pocket]",
)
judging_schemes = click.option(
    "-s",
    "--scheme",
    "schemes",
    multiple=True,
    shell_complete=completion.built_schemes,
    help="Its quantization scheme. Repeatable: every model judges with every scheme.  [default: f16]",
)


adapters = click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="FILE[=SCALE]",
    help="Apply this LoRA adapter (GGUF) at SCALE; none: the model alone. "
    "Repeatable with eval: one judge for each, on a shared model.",
)


# the fields of `JudgeOptions`; `protocol` adds the chat template, and `price` is for runs
judge = several(judging_model, scheme, gguf, adapters, engine, threads)
judges = several(judging_models, judging_schemes, gguf, adapters, engine, threads)  # without model and scheme
grammar = click.option(
    "-g",
    "--grammar",
    shell_complete=completion.grammars,
    help="The format of the answer, a file of grammars/; none: free text.  "
    "[default: pairwise, or what the model was trained on]",
)
rubric = click.option("--rubric", type=FILE, help="With --grammar rubric: a file with one criterion a row.")
reasoning = click.option(
    "--reasoning",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    help="At most this many tokens of reasoning, or of free text.  [default: the grammar's own]",
)
truncate = click.option(
    "--truncate",
    type=click.Choice(["answers"]),
    help="Shorten the longer answer where a prompt does not fit the context.",
)
chat_template = click.option(
    "--chat-template",
    metavar="NAME|FILE",
    help="Chat template: chatml, llama-2, plain, or a Jinja file.  [default: the GGUF's own]",
)


# the fields of `ClusterOptions`; `security` alone is what a worker takes, `coordinator` what `choose` does
security = several(
    click.option("--tls-ca", type=FILE, help="TLS: the certificate of the authority that signed the others."),
    click.option("--tls-cert", type=FILE, help="TLS: this machine's certificate."),
    click.option("--tls-key", type=FILE, help="TLS: the key of that certificate."),
    click.option("--insecure", is_flag=True, help="Connect without TLS, in a network that you trust."),
)
coordinator = several(
    click.option(
        "--cluster",
        metavar="ADDRESS",
        help="Judge on several machines: listen at tcp://HOST:PORT, or use the scheduler there.",
    ),
    security,
)
cluster = several(
    coordinator,
    click.option(
        "--shared-folder",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Judge on several machines without a scheduler: run the same command on each, with a shared folder.",
    ),
)

# the fields of `ProtocolOptions`, and the chat template of `JudgeOptions`
protocol = several(grammar, rubric, reasoning, truncate, chat_template)
benchmarks = click.option(
    "-b",
    "--benchmark",
    "names",
    shell_complete=completion.benchmarks,
    multiple=True,
    default=(POCKET,),
    show_default=True,
    help="A known benchmark, a file of your own, or all. Repeatable.",
)


def number(_: click.Context, option: click.Option, value: float | None) -> float | None:
    """The value, which nan is not. Raises UsageError for it."""
    if value is not None and isnan(value):
        raise UsageError(f"{option.opts[0]} is not a number", f"use for example: {option.opts[0]} 2")
    return value


margin = click.option(
    "--margin",
    type=PERCENT,
    default=MARGIN,
    show_default=True,
    metavar="POINTS",
    callback=number,
    help="Largest acceptable loss of accuracy, in points.",
)


@dataclass(frozen=True, slots=True)
class Output:
    """The forms that the options name."""

    as_json: bool = False
    as_csv: bool = False
    as_markdown: bool = False
    as_latex: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError where two are named, before anything is done."""
        named = self._named()
        if len(named) > 1:
            raise UsageError(f"--{named[0]} and --{named[1]} do not go together", "use one of them")

    def _named(self) -> list[OutputForm]:
        flags: dict[OutputForm, bool] = {
            "json": self.as_json, "csv": self.as_csv, "markdown": self.as_markdown, "latex": self.as_latex,
        }  # fmt: skip
        return [form for form, named in flags.items() if named]

    @property
    def form(self) -> OutputForm:
        """The one that is named, else a table for a terminal."""
        return next(iter(self._named()), "table")


def example(*lines: str) -> str:
    """The end of a command's help: what to type."""
    heading = "Examples" if len(lines) > 1 else "Example"
    return f"\b\n{heading}:\n" + "\n".join(f"  {line}" for line in lines)
