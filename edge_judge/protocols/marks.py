"""Finds the marks by which a judge gives its verdict, and ignores those that it quotes from an answer.

Knows: what a quotation looks like. Does not know: grammars, models, the order in which the answers were shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from edge_judge.records import Label

_QUOTES = (('"', '"'), ("`", "`"), ("\u201c", "\u201d"), ("\u00ab", "\u00bb"))
_CONTEXT = 12  # a mark is a quotation if an answer has it next to the same characters, this many


def find_marks(text: str, marks: Mapping[Label, str]) -> list[tuple[re.Match[str], Label]]:
    """The matches of the marks in a text, with their labels. A mark inside a longer mark does not count."""
    labels = {mark: label for label, mark in marks.items()}
    longest_first = sorted(labels, key=len, reverse=True)
    matches = re.finditer("|".join(map(re.escape, longest_first)), text) if labels else ()
    return [(match, labels[match[0]]) for match in matches]


def last_mark(text: str, marks: Mapping[Label, str], answers: tuple[str, ...]) -> Label | None:
    """The last mark that is not quoted. A mark is quoted if it is between quotation marks (also across lines), in a
    quoted line, or next to words that are next to the same mark in one of `answers`.
    """
    unquoted = [
        label for match, label in find_marks(text, marks) if not _quoted(text, match.start(), match.end(), answers)
    ]
    return unquoted[-1] if unquoted else None


def would_quote(text: str, mark: str, answers: Iterable[str]) -> bool:
    """Whether `mark`, written after `text`, would be a quotation from one of the answers."""
    sources = [answer for answer in answers if mark in answer]
    line = text[text.rfind("\n") + 1 :]
    if sources and (line.lstrip().startswith(">") or any(_open(text, left, right) for left, right in _QUOTES)):
        return True
    context = line[-_CONTEXT:].lstrip()
    return any(map(str.isalnum, context)) and any(context + mark in answer for answer in sources)


def _quoted(text: str, start: int, end: int, answers: tuple[str, ...]) -> bool:
    line_start = text.rfind("\n", 0, start) + 1
    line_end = (text + "\n").index("\n", end)
    before, mark, after = text[line_start:start], text[start:end], text[end:line_end]
    if before.lstrip().startswith(">"):
        return True
    if any(_open(text[:start], left, right) and right in text[end:] for left, right in _QUOTES):
        return True
    sides = before[-_CONTEXT:].lstrip(), after[:_CONTEXT].rstrip()
    contexts = [
        context
        for side, context in zip(sides, (sides[0] + mark, mark + sides[1]), strict=True)
        if any(character.isalnum() for character in side)  # punctuation alone is no quotation
    ]
    return any(context in answer for context in contexts for answer in answers)


def _open(before: str, left: str, right: str) -> bool:
    """Whether a quotation that begins in `before` is still open at its end."""
    if left == right:
        return before.count(left) % 2 == 1
    return before.rfind(left) > before.rfind(right)
