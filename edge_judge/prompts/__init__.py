"""The words a judge reads: one template per judging protocol, filled with one pair.

Knows: the template files beside it, and how to keep what an answer says inside that answer.
Does not know: chat templates, tokens or models (the engine wraps a prompt in the model's own chat format),
nor in which order a pair is shown (the caller decides what stands first).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_LINE = r"(^|[\r\v\f\x1c-\x1e\x85\u2028\u2029])"  # all that may pass for the beginning of a line
_HEADING = re.compile(_LINE + r"(\s*)(#+\s*(?:instruction|answer\s+[ab]|verdict)\b)", re.IGNORECASE | re.MULTILINE)


def protocols() -> list[str]:
    """Names of the protocols that have a template here, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def source(protocol: str) -> str:
    """The template text of a protocol, as its file has it."""
    return (FOLDER / f"{protocol}.txt").read_text(encoding="utf-8")


def sha256(protocol: str) -> str:
    """Hash of a protocol's template: part of what decides a run's outcome."""
    return hashlib.sha256(source(protocol).encode()).hexdigest()


def fill(protocol: str, question: str, first: str, second: str, *, ties: bool) -> str:
    """The text a judge is asked, with `first` as answer A and `second` as answer B.

    A line inside the texts that looks like one of the template's own headings is escaped with a backslash
    (as Markdown does), so that an answer cannot end its section and open another.
    """
    values = {"question": question, "a": first, "b": second}
    shown = {name: _HEADING.sub(r"\1\2\\\3", text.strip()) for name, text in values.items()}
    return str(_template(protocol).render(ties=ties, **shown)).strip()


@cache
def _template(protocol: str) -> Any:
    # Imported here: `edge-judge --help` must not pay for a template engine.
    from jinja2 import Environment, StrictUndefined

    return Environment(undefined=StrictUndefined, autoescape=False).from_string(source(protocol))
