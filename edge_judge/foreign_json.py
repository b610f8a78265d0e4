"""JSON that others wrote: a value, or a ValueError with a short message, whatever the text is.

Knows: how deeply a file may be nested, which numbers and characters no file of ours has. Does not know: what a file is
for.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

MAX_CHARACTERS = 100_000_000
MAX_DEPTH = 64  # of objects and lists in one another; deeper than any real file
MAX_CONTAINERS = 1_000_000  # objects and lists; each takes up to 240 bytes of memory, however short its text is
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][{}]', re.DOTALL)


def parse(text: str | bytes, *, most: int = MAX_CHARACTERS, nan: bool = False, surrogates: bool = False) -> Any:
    """The value. most: characters, or bytes; nan: whether NaN and Infinity are numbers; surrogates: whether a text may
    have half a character, as "\\ud800" spells it, which cannot be written as UTF-8.

    Raises json.JSONDecodeError where it is no JSON, and ValueError where it is not UTF-8 or breaks a limit.
    """
    if len(text) > most:
        raise ValueError(f"it is longer than {most:,} characters")
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    _check_depth(text)
    try:
        value = json.loads(text, parse_constant=None if nan else _refuse)
    except RecursionError:  # the stack was nearly full already
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise ValueError("a number has too many digits" if "digits" in str(error) else str(error)) from None
    if not surrogates and ("\\ud" in text or "\\uD" in text):
        _check_characters(value)
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _check_depth(text: str) -> None:
    """Raise ValueError for a text that is too deep for Python's parser, which takes a stack frame a level, or that has
    so many objects and lists that they take all memory. Whether brackets match is the parser's affair.
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = containers = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        sign = text[found.start()]
        if sign in "[{":
            depth, containers = depth + 1, containers + 1
            if depth > MAX_DEPTH:
                raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
            if containers > MAX_CONTAINERS:
                raise ValueError(f"it has more than {MAX_CONTAINERS:,} objects and lists")
        elif sign in "]}":
            depth -= 1


def _check_characters(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text of it holds half a surrogate pair") from None
