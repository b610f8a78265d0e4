"""The prompts that a judge reads: one template per protocol, filled with one pair.

Knows: the template files in this folder, how to fill a prompt that a judge was trained with, and how to keep an answer
inside its section.
Does not know: chat templates, tokens or models (the engine wraps a prompt in the model's own chat format), where a
trained-in prompt comes from, or the order of a pair (the caller decides which answer is shown first).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template

FOLDER = Path(__file__).parent
_BREAK = r"[\r\v\f\x1c-\x1e\x85\u2028\u2029]"  # ends a line, as the usual newline does
_LINE = f"(^|{_BREAK})"
_BLANK = r"\t\x1f \xa0\u1680\u2000-\u200a\u202f\u205f\u3000"  # inside a line
_UNSEEN = (  # invisible: control characters, and Unicode's default ignorable code points
    r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_NO_HEADING = re.compile(r"\w|\{|-(?:\s|$)|$")  # words, fields, list items: headings begin with a sign
_FIELD = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{\w+\}")


def protocols() -> list[str]:
    """Names of the protocols that have a template here, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def source(protocol: str) -> str:
    """The text of a protocol's template file."""
    return (FOLDER / f"{protocol}.txt").read_text(encoding="utf-8")


def sha256(text: str) -> str:
    """Hash of a template's text: part of what decides a run's outcome."""
    return hashlib.sha256(text.encode()).hexdigest()


def fill(
    protocol: str,
    question: str,
    a: str,
    b: str = "",
    *,
    ties: bool,
    reference: str | None = None,
    criteria: tuple[str, ...] = (),
) -> str:
    """The prompt for a judge, with `a` shown first. A protocol that judges one answer shows only `a`.

    A line of the texts that looks like one of the template's headings is escaped with a backslash (as in Markdown),
    so that an answer cannot end its section and begin another.
    """
    text = source(protocol)
    shown = {"question": question, "a": a, "b": b, "reference": reference or ""}
    values = {name: escape(text, value) for name, value in shown.items()}
    return str(_template(text).render(ties=ties, criteria=criteria, **values)).strip()


def fill_trained(template: str, fields: Mapping[str, str], question: str, a: str, b: str) -> str:
    """The prompt that a judge was trained with, with its `{fields}` filled in.

    fields: the name of each field -> "question", "a" or "b". Each field is filled once, from left to right, so the
    name of a field inside a text stays text. Headings are escaped as in `fill`.
    """
    values = {"question": question, "a": a, "b": b}
    shown = {name: escape(template, values[value_name]) for name, value_name in fields.items()}
    return re.sub(r"\{(\w+)\}", lambda match: shown.get(match[1], match[0]), template)


def escape(template: str, text: str) -> str:
    """The text, with a backslash before everything that looks like one of the template's headings."""
    headings = _headings(template)
    return headings.sub(r"\1\2\\\3", text.strip()) if headings else text.strip()


@cache
def _headings(template: str) -> re.Pattern[str] | None:
    """An expression for the template's headings: lines (up to their first field) that begin with a sign."""
    beginnings = [_FIELD.split(line)[0].strip() for line in template.splitlines()]
    headings = sorted({line for line in beginnings if not _NO_HEADING.match(line)}, key=len, reverse=True)
    if not headings:
        return None
    lookalikes = "|".join(map(_lookalike, headings))
    return re.compile(f"{_LINE}([{_BLANK}{_UNSEEN}]*)({lookalikes})", re.IGNORECASE | re.MULTILINE)


def _lookalike(heading: str) -> str:
    """An expression for a heading and what looks like it: with other spaces, more or fewer of a repeated sign, or
    invisible characters in between.
    """
    # Neighbouring parts cannot match the same characters in two ways: no answer can make this slow.
    parts = [part[0] for part in re.finditer(r"\w+|([^\w\s])\1*", heading.rstrip(": "))]
    expression = ""
    for before, part in zip(["", *parts], parts, strict=False):
        word = part[0].isalnum()
        gap = rf"[{_UNSEEN}]*\s[\s{_UNSEEN}]*" if word and before[-1:].isalnum() else rf"[\s{_UNSEEN}]*"
        sign = re.escape(part[0])
        spelt = f"[{_UNSEEN}]*".join(map(re.escape, part)) if word else f"{sign}(?:[{_UNSEEN}]*{sign})*"
        expression += (gap if before else "") + spelt
    if not any(map(str.isalnum, heading)):  # a rule is alone on its line; a sign before text marks a list item
        return expression + rf"(?=[{_BLANK}{_UNSEEN}]*(?:$|{_BREAK}))"
    return expression + (r"\b" if parts[-1][-1].isalnum() else "")


@cache
def _template(text: str) -> Template:
    return Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True).from_string(text)
