"""The commands as click sees them: each is a file of commands/, imported only when it is run or listed.

A file that defines a command of its own name and says under which HEADING it belongs is on the list; nothing else
needs to know of it. RESUMES, where a file has it, tells the user how to go on after an interrupt.
Knows: where command files lie, the headings and their order. Does not know: what any command does.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from edge_judge.cli import errors
from edge_judge.errors import nearest

HEADINGS = ("begin", "judge", "decide", "look closer", "share and check")  # what a person is doing, as in the README
FOLDER = Path(__file__).parent / "commands"


class Commands(click.Group):
    """Finds commands by their files, lists them by heading, and shows every error of the library once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(path.stem for path in FOLDER.glob("*.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        members = vars(_module(cmd_name)).values()
        return next(command for command in members if isinstance(command, click.Command) and command.name == cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for each heading, its commands in alphabetical order, all in the same two columns."""
        names = self.list_commands(ctx)
        first = max(map(len, names))
        for heading in HEADINGS:
            commands = [self.get_command(ctx, name) for name in names if _module(name).HEADING == heading]
            room = formatter.width - 6 - first
            with formatter.section(heading.capitalize()):
                formatter.write_dl([(f"{c.name:{first}}", c.get_short_help_str(room)) for c in commands if c])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name, names = args[0] if args else "", self.list_commands(ctx)
        if name and not name.startswith("-") and name not in names:
            errors.fail(f"unknown command '{name}'", nearest(name, names), errors.WRONG_USAGE)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        fresh = "--fresh" in ctx.args
        with errors.library_errors(lambda: _resume(ctx.invoked_subcommand, fresh)):
            return super().invoke(ctx)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        errors.print_any_character()
        with errors.usage_errors():
            return super().main(*args, **{**kwargs, "standalone_mode": False})


def _resume(name: str | None, fresh: bool) -> str | None:
    """How to go on with a command that was stopped, where its file says that it RESUMES."""
    text: str | None = getattr(_module(name), "RESUMES", None) if name else None
    return f"{text}, without --fresh" if text and fresh else text


def _module(name: str) -> Any:
    return import_module(f"edge_judge.cli.commands.{name}")
