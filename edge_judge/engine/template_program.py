"""A program of its own that renders a chat template: JSON of a request from stdin, JSON of the texts to stdout.

A template is a stranger's program. Jinja's sandbox keeps it from files and from Python's insides. It can still loop for
ever, or ask for all memory in one step, so here it has a few seconds and megabytes, and what takes more ends this
process alone. Where the system has no such limits (Windows), `chat.py` ends it by the clock.

Knows: Jinja, the functions that chat templates call. Does not know: the package that it lies in, of which it imports
nothing.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from datetime import date
from time import process_time
from typing import Any, NotRequired, TypedDict

SECONDS = 2  # of a processor
MEGABYTES = 500  # of addresses, Python's own included
MOST_TEXT = 4_000_000  # characters of a rendered conversation; a prompt of the longest context has fewer
MOST_SAID = 300  # characters of an error's message


class Request(TypedDict):
    """conversations: in each a user message, then the answers to it; path: where Python finds Jinja."""

    template: str
    conversations: list[list[str]]
    bos: str
    eos: str
    path: list[str]


class Reply(TypedDict):
    """What became of a conversation: its text, or why there is none."""

    text: NotRequired[str]
    error: NotRequired[str]


def main() -> None:
    request: Request = json.loads(sys.stdin.buffer.read())
    sys.path[:] = request["path"]
    environment = _environment()
    _limit()
    replies = [_reply(environment, request, conversation) for conversation in request["conversations"]]
    sys.stdout.write(json.dumps(replies))


def _reply(environment: Any, request: Request, conversation: list[str]) -> Reply:
    content, *answers = conversation
    messages = [{"role": "user", "content": content}, *({"role": "assistant", "content": a} for a in answers)]
    pieces, length = [], 0
    try:
        for piece in environment.from_string(request["template"]).generate(
            messages=messages,
            add_generation_prompt=not answers,
            enable_thinking=False,
            bos_token=request["bos"],
            eos_token=request["eos"],
        ):
            pieces.append(piece)
            length += len(piece)
            if length > MOST_TEXT:
                raise ValueError(f"it writes more than {MOST_TEXT:,} characters")
    except Exception as error:  # a foreign program can fail in any way
        return {"error": (str(error) or type(error).__name__)[:MOST_SAID]}
    return {"text": "".join(pieces)}


def _environment() -> Any:
    """A sandbox with the functions that chat templates call."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = refuse
    # A fixed date, so that a run comes out the same on any day.
    environment.globals["strftime_now"] = lambda form: date(2024, 1, 1).strftime(form)
    return environment


def _limit() -> None:
    """Bound what this process may take from here on, where the system can."""
    if sys.platform == "win32":  # it has no such limits
        return
    try:
        import resource
    except ImportError:
        return
    seconds = int(process_time()) + SECONDS
    for kind, most in (("RLIMIT_CPU", seconds), ("RLIMIT_AS", MEGABYTES << 20), ("RLIMIT_CORE", 0)):
        with suppress(AttributeError, ValueError, OSError):  # not every system has each of them
            resource.setrlimit(getattr(resource, kind), (most, most))


if __name__ == "__main__":
    main()
