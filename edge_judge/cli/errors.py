"""Errors shown once: `error: what is wrong, where, what was expected`, then `hint: the next step`.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 compared, and the drop is larger than allowed; 4 chosen, and a scheme is
undecided; 130 interrupted.
Knows: which error ends with which code. Does not know: commands.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import NoReturn

import click

from edge_judge.cli.file_errors import described
from edge_judge.report.printable import printable

FAILED, WRONG_USAGE, TOO_MUCH_LOST, UNDECIDED, INTERRUPTED = 1, 2, 3, 4, 130
RESUMES = "nothing is lost: run the same command again to resume"

PLAIN_SIGNS = {
    "─": "-", "−": "-", "–": "-", "—": "-", "·": "-", "≤": "<=", "≥": ">=", "→": "->", "…": "...", "×": "x",
    "‘": "'", "’": "'", "“": '"', "”": '"',
}  # fmt: skip


def fail(message: str, hint: str | None, code: int) -> NoReturn:
    """Print both on stderr, a line each, and exit."""
    click.echo(f"{style('error:', 'red')} {_one_line(message)}", err=True)
    if hint:
        click.echo(f"{style('hint:', 'cyan')} {_one_line(hint)}", err=True)
    raise SystemExit(code)


def _one_line(text: str) -> str:
    """It may quote a file or a server, which must not move a terminal's cursor."""
    return printable(" ".join(text.split()))


def style(text: str, color: str) -> str:
    """Coloured for a person at a terminal who has not set NO_COLOR."""
    return click.style(text, fg=color, bold=True) if sys.stderr.isatty() and "NO_COLOR" not in os.environ else text


def print_any_character() -> None:
    """Where an encoding lacks a character of a table, as Windows' cp1252 lacks "≤", print "<=", or an escape, rather
    than end in the middle. JSON has ASCII alone.
    """
    codecs.register_error("plain", _in_plain_signs)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors="plain")


def _in_plain_signs(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    shown = (PLAIN_SIGNS.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in lacking)
    return "".join(shown), error.end


@contextmanager
def library_errors(resume: Callable[[], str | None]) -> Iterator[None]:
    """Shows an error of the library, or of the system about a file, and exits. A bug of ours keeps its traceback.

    resume: how to go on with the command after an interrupt; None where it begins anew.
    """
    try:
        yield
    except KeyboardInterrupt:
        interrupted(resume())
    except OSError as error:
        _fail_for_file(error, resume())
    except Exception as error:
        from edge_judge.workflows.errors import KNOWN_ERRORS, USAGE_ERRORS

        if not isinstance(error, KNOWN_ERRORS):
            raise
        fail(str(error), error.hint, WRONG_USAGE if isinstance(error, USAGE_ERRORS) else FAILED)


@contextmanager
def usage_errors() -> Iterator[None]:
    """Shows what is wrong with the options, and exits."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)  # the help, as it is laid out
        raise SystemExit(WRONG_USAGE) from None
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "edge-judge"
        fail(_usage_message(error), _meant(error) or f"see `{where} --help`", WRONG_USAGE)
    except click.ClickException as error:
        fail(error.format_message(), None, error.exit_code)
    except click.Abort:
        interrupted()


def _usage_message(error: click.UsageError) -> str:
    """Click's message in the form of our own: "missing argument 'MODEL'", without a capital and a full stop."""
    if isinstance(error, click.NoSuchOption):
        return f"no such option {error.option_name}"
    message = error.format_message().removesuffix(".")
    message = message.replace("integer range", "integer").replace("float range", "number")
    return message if message[1:2].isupper() else message[:1].lower() + message[1:]


def _meant(error: click.UsageError) -> str | None:
    """A hint for a mistyped option; None where no option is like it."""
    if not isinstance(error, click.NoSuchOption):
        return None
    near = get_close_matches(error.option_name, error.possibilities or (), n=2, cutoff=0.75)
    return f"did you mean {' or '.join(near)}?" if near else None


def interrupted(hint: str | None = None) -> NoReturn:
    """The end of a command that the user stopped. hint: how to go on, where it does not begin anew."""
    fail("interrupted", hint, INTERRUPTED)


def _fail_for_file(error: OSError, resume: str | None) -> NoReturn:
    told = described(error, resume)
    if told is None:
        raise error
    fail(*told, FAILED)
