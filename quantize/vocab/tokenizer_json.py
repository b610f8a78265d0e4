"""tokenizer.json, the file of the tokenizers library, with the type of each part checked.

Knows: which part of the file is an object, a list, a text or a number, and what the library raises. Does not know: how
a vocabulary is built.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from quantize.errors import ConfigError, VocabularyError, short_repr
from quantize.json_file import optional_object

_EMPTY = {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {}, "merges": []}}


def read_tokenizer(path: Path) -> dict[str, Any]:
    """The document, empty where there is no file.

    Raises VocabularyError where a BPE model's `vocab` does not give each text an id, where `merges` or `added_tokens`
    is no list, or where an added token has no text and id.
    """
    document = optional_object(path, ConfigError)
    model = document.get("model")
    if isinstance(model, dict) and model.get("type", "BPE") == "BPE":
        for text, i in _part(path, model, "vocab", dict).items():
            _check_id(path, text, i)
        _part(path, model, "merges", list)
    for entry in _part(path, document, "added_tokens", list):
        if not isinstance(entry, dict) or not isinstance(entry.get("content"), str):
            raise VocabularyError(f"{path}: an added token has no 'content': {short_repr(entry)}")
        _check_id(path, entry["content"], entry.get("id"))
    return document


def of_section(name: str, section: object) -> Tokenizer:
    """A tokenizer with one section of a tokenizer.json and no vocabulary. Raises what the library raises."""
    return Tokenizer.from_str(json.dumps(_EMPTY | {name: section}))


@contextmanager
def library_errors(what: str) -> Iterator[None]:
    """Whatever the library raises becomes a VocabularyError: `what` cannot be read."""
    try:
        yield
    except BaseException as problem:  # the library raises nothing narrower, and its panic is no Exception
        if isinstance(problem, KeyboardInterrupt | SystemExit):
            raise
        raise VocabularyError(f"{what} cannot be read: {problem}") from problem


def merge_parts(merge: object, origin: str) -> list[str]:
    """The pieces that a merge joins, from a string with a space or from a list. Raises VocabularyError for neither."""
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise VocabularyError(f"{origin}: merge {short_repr(merge)} is not a pair of pieces")
    return parts


def _part(path: Path, table: dict[str, Any], key: str, kind: type) -> Any:
    value = table.get(key)
    if value is not None and not isinstance(value, kind):
        raise VocabularyError(f"{path}: {key!r} is {short_repr(value)}, expected a {kind.__name__}")
    return value or kind()


def _check_id(path: Path, text: str, i: object) -> None:
    if type(i) is not int or i < 0:
        raise VocabularyError(f"{path}: token {short_repr(text)} has id {short_repr(i)}, expected a whole number")
