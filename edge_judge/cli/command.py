"""A command of ours: its options stand in `--help` under what they are for, and every one takes `--quiet`.

Knows: headings, and which options belong under each. Does not know: what an option means.
"""

from __future__ import annotations

import click

HELP = "help"  # whatever click calls the option
OTHERS = "Options"  # what has no heading of its own: options that only this command has
SECTIONS = {
    "Judge": ("models", "model", "schemes", "scheme", "gguf", "adapters", "engine", "price"),
    "Prompt and grammar": ("grammar", "grammars", "rubric", "reasoning", "truncate", "order", "ties", "chat_template"),
    "Benchmark": ("names", "data", "limit", "head", "seen"),
    "Training": (
        "epochs", "rate", "warmup", "batch", "at_once", "validation", "checks", "patience", "reference_drop", "longest",
        "checkpointing", "dtype", "device",
    ),
    "Adapter": ("rank", "alpha", "rslora", "dropout"),
    "Decision": ("baseline", "margin", "stop", "budget", "max_pairs"),
    "Memory, threads and GPU": (
        "memory", "cache", "threads", "polite", "gpu_layers", "devices", "gpu_memory", "split", "cache_on",
    ),
    "Several machines": ("cluster", "shared_folder", "tls_ca", "tls_cert", "tls_key", "insecure"),
    "Runs": ("seed", "repeat", "fresh", "results"),
    "Output": ("out", "page", "chart", "as_json", "as_csv", "as_markdown", "as_latex", "verbose", "quiet", HELP),
}  # fmt: skip
FEW = 12  # options: so many are read at a glance, and stand under one heading
FIRST_COLUMN = 30  # click's own limit, beyond which the explanation begins on the next line

_QUIET = "edge_judge.quiet"


def is_quiet() -> bool:
    """Whether the command that runs was given `--quiet`."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_QUIET))


def _set_quiet(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.meta[_QUIET] = value


QUIET = click.Option(
    ["-q", "--quiet"],
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set_quiet,
    help="Print no notes and no progress, only results and errors.",
)


class Command(click.Command):
    """Lists its options in sections, where they are many, and has `--quiet`."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        help_option = self.get_help_option(ctx)
        place = own.index(help_option) if help_option in own else len(own)
        return [*own[:place], QUIET, *own[place:]]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each heading that has options, all in the same two columns."""
        help_option = self.get_help_option(ctx)
        own = [param for param in self.get_params(ctx) if not isinstance(param, click.Argument)]
        params = [(HELP if param is help_option else param.name or "", param) for param in own]
        records = [(name, param.get_help_record(ctx)) for name, param in params]
        # an option's text says its range: INTEGER is enough
        shown = [(name, (record[0].replace(" RANGE", ""), record[1])) for name, record in records if record is not None]
        first = min(FIRST_COLUMN, max(len(option) for _, (option, _) in shown))
        for heading, names in _sections([name for name, _ in shown]).items():
            lines = [(f"{option:{first}}", text) for name, (option, text) in shown if name in names]
            with formatter.section(heading):
                formatter.write_dl(lines)


class Group(click.Group):
    """A command with commands of its own, such as `data`."""

    command_class = Command


def _sections(names: list[str]) -> dict[str, list[str]]:
    """The headings with the options under each, those without a heading first."""
    if len(names) <= FEW:
        return {OTHERS: names}
    placed = {name for section in SECTIONS.values() for name in section}
    sections = {OTHERS: [name for name in names if name not in placed]}
    sections |= {heading: [name for name in names if name in section] for heading, section in SECTIONS.items()}
    return {heading: section for heading, section in sections.items() if section}
