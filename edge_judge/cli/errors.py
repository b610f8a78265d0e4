"""Errors told once: `error: what is wrong, where, what was expected`, then `hint: the next step`.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 compared, and the drop is larger than allowed; 130 interrupted.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import Any, NoReturn

import click

from edge_judge.errors import EdgeJudgeError, UsageError, nearest

FAILED, WRONG_USAGE, TOO_MUCH_LOST, INTERRUPTED = 1, 2, 3, 130
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # said by a write, which knows no file's name


def fail(message: str, hint: str | None, code: int) -> NoReturn:
    """Say it on stderr, one line each, and leave."""
    click.echo(f"{style('error:', 'red')} {' '.join(message.split())}", err=True)
    if hint:
        click.echo(f"{style('hint:', 'cyan')} {' '.join(hint.split())}", err=True)
    raise SystemExit(code)


def style(text: str, color: str) -> str:
    """Coloured for a person at a terminal who has not set NO_COLOR."""
    return click.style(text, fg=color, bold=True) if sys.stderr.isatty() and "NO_COLOR" not in os.environ else text


def _print_any_character() -> None:
    """Where stdout's encoding lacks a character of a table, as Latin-1 lacks "≤", print its escape, as Python itself
    does on stderr, rather than end in the middle. JSON has ASCII alone.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and codecs.lookup(sys.stdout.encoding).name != "utf-8":
        sys.stdout.reconfigure(errors="backslashreplace")


class Commands(click.Group):
    """A group that translates every error of the library once, and knows nearby names of commands."""

    def invoke(self, ctx: click.Context) -> Any:
        from quantize.errors import QuantizeError, UnknownModelError, UnknownSchemeError

        try:
            return super().invoke(ctx)
        except (EdgeJudgeError, QuantizeError) as error:
            wrong = isinstance(error, (UsageError, UnknownModelError, UnknownSchemeError))
            fail(str(error), error.hint, WRONG_USAGE if wrong else FAILED)
        except OSError as error:
            if error.filename is None and error.errno in NO_ROOM:
                hint = "make room: nothing reached so far is lost, the same command goes on from here"
                fail(f"cannot write: {error.strerror}", hint, FAILED)
            if error.filename is None:
                raise
            fail(f"{error.filename}: {error.strerror}", "check that the path exists and may be written", FAILED)
        except KeyboardInterrupt:
            fail(
                "interrupted",
                "nothing reached so far is lost: the same command goes on from here",
                INTERRUPTED,
            )

    def main(self, *args: Any, **kwargs: Any) -> Any:
        _print_any_character()
        try:
            return super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)  # nothing was said wrong: the help, as it is laid out
            raise SystemExit(WRONG_USAGE) from None
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "edge-judge"
            fail(error.format_message(), f"{where} --help tells what can be said", WRONG_USAGE)
        except click.ClickException as error:
            fail(error.format_message(), None, error.exit_code)
        except click.Abort:
            fail(
                "interrupted",
                "nothing reached so far is lost: the same command goes on from here",
                INTERRUPTED,
            )

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.commands:
            fail(f"unknown command '{name}'", nearest(name, self.commands), WRONG_USAGE)
        return super().resolve_command(ctx, args)
