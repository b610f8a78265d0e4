"""Untrusted JSON.

Whatever the bytes are, the caller gets an object or an error of the type it chose. Strings that cannot be encoded as
UTF-8 and values nested deeper than in any real file are refused here, so no later code has to handle them.
Knows: JSON. Does not know: what a file's fields mean.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

from quantize.errors import QuantizeError

MAX_BYTES = 100_000_000
MAX_DEPTH = 64
MAX_CONTAINERS = 1_000_000  # objects and lists; each takes up to 240 bytes of memory, however short its text is
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][{}]', re.DOTALL)


def read_object(
    path: Path, error: type[QuantizeError], hint: str | None = None, *, nan: bool = False
) -> dict[str, Any]:
    """The JSON object in a file. hint: what to do where it cannot be read; nan: whether NaN and Infinity are numbers.

    Raises `error` where the file is missing, too large or something else.
    """
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise error(f"{path} has {size} bytes, expected at most {MAX_BYTES}")
        data = path.read_bytes()
    except OSError as problem:
        raise error(f"cannot read {path}: {problem.strerror or problem}", hint) from problem
    return parse_object(data, str(path), error, nan=nan)


def optional_object(path: Path, error: type[QuantizeError]) -> dict[str, Any]:
    """The JSON object in a file, empty where there is no file. Raises `error` as `read_object` does."""
    return read_object(path, error) if path.is_file() else {}


def parse_object(
    data: bytes, what: str, error: type[QuantizeError], *, unique: bool = False, nan: bool = False
) -> dict[str, Any]:
    """The JSON object in some bytes. what: their origin, for messages; unique: a repeated key is an error; nan: as of
    `read_object`.
    """
    try:
        text = data.decode("utf-8")
        _check_depth(text)
        keys, constant = _unique_keys if unique else None, None if nan else _refuse
        document = json.loads(text, object_pairs_hook=keys, parse_constant=constant)
        if "\\ud" in text or "\\uD" in text:  # a lone surrogate cannot be encoded as UTF-8
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as problem:
        raise error(f"{what} is not valid JSON: {problem}") from problem
    if not isinstance(document, dict):
        raise error(f"{what} is a {type(document).__name__}, expected an object")
    return document


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key occurs twice")
    return table


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
