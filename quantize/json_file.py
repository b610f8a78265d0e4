"""Untrusted JSON.

Whatever the bytes are, the caller gets an object or an error of the type it chose. Strings that cannot be encoded as
UTF-8 and values nested deeper than in any real file are refused here, so no later code has to handle them.
Knows: JSON. Does not know: what a file's fields mean.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from quantize.errors import QuantizeError

MAX_BYTES = 100_000_000
MAX_DEPTH = 64


def read_object(path: Path, error: type[QuantizeError], hint: str | None = None) -> dict[str, Any]:
    """The JSON object in a file. hint: what to do where it cannot be read.

    Raises `error` where the file is missing, too large or something else.
    """
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise error(f"{path} has {size} bytes, expected at most {MAX_BYTES}")
        data = path.read_bytes()
    except OSError as problem:
        raise error(f"cannot read {path}: {problem.strerror or problem}", hint) from problem
    return parse_object(data, str(path), error)


def optional_object(path: Path, error: type[QuantizeError]) -> dict[str, Any]:
    """The JSON object in a file, empty where there is no file. Raises `error` as `read_object` does."""
    return read_object(path, error) if path.is_file() else {}


def parse_object(data: bytes, what: str, error: type[QuantizeError], *, unique: bool = False) -> dict[str, Any]:
    """The JSON object in some bytes. what: their origin, for messages; unique: a repeated key is an error."""
    try:
        text = data.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_unique_keys if unique else None)
        _check_depth(document)
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


def _check_depth(document: object) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
