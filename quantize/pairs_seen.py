"""The pairs that a file was made with: importances were measured on them, or an adapter was trained on them.

A judge is not tested on them. Each pair is a fingerprint, a text that whoever names pairs decides on. In a GGUF they
are an array of strings, sorted; beside an adapter they are a text file with one on each line.
Knows: where they stand. Does not know: what a pair is, or how a fingerprint is made.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from quantize.architectures.blueprint import Field
from quantize.atomic import replace_text
from quantize.container import read_fields
from quantize.errors import SourceError, VerifyError, short_repr

KEY = "edge_judge.pairs_seen"
FILE_NAME = "pairs_seen.txt"


def fields(pairs: Collection[str]) -> tuple[Field, ...]:
    """The key of a GGUF that holds them; no key where there are none."""
    return (Field(KEY, "string", tuple(sorted(set(pairs)))),) if pairs else ()


def of_file(path: Path) -> frozenset[str]:
    """Those that a GGUF names: of a model, an adapter or importances. Raises VerifyError where it cannot be read."""
    held = [field.value for field in read_fields(path, KEY) if field.key == KEY]
    if not held:
        return frozenset()
    (value,) = held
    if not isinstance(value, tuple) or not all(isinstance(pair, bytes) for pair in value):
        raise VerifyError(f"{path}: {KEY!r} is {short_repr(value)}, expected an array of texts")
    return frozenset(pair.decode("utf-8", "replace") for pair in value if isinstance(pair, bytes))


def of_folder(folder: Path) -> frozenset[str]:
    """Those that stand beside an adapter in its folder; none where it has no such file."""
    path = folder / FILE_NAME
    try:
        return frozenset(path.read_text("utf-8").split()) if path.exists() else frozenset()
    except (OSError, UnicodeDecodeError) as problem:
        raise SourceError(f"cannot read {path}: {problem}") from problem


def write(folder: Path, pairs: Collection[str]) -> None:
    """Put them beside an adapter."""
    replace_text(folder / FILE_NAME, "".join(f"{pair}\n" for pair in sorted(set(pairs))))
