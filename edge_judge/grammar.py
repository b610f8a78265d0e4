"""Grammars as files: what answer shape a judge is held to, and which verdict a text in that shape gives.

A file under grammars/ says in its comments what it is (kind, prompt, the mark of each verdict, lines it accepts
and rejects), so a new answer shape is one new file and no Python.

Knows: those comments, and how to find the verdict in a text without falling for one that is quoted from an answer.
Does not know: models, tokens, which order the answers were shown in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_judge import gbnf
from edge_judge.errors import GrammarError, UsageError, nearest
from edge_judge.records import LABELS, Label

_COMMENT = re.compile(r"^# (kind|prompt|verdict a|verdict b|verdict tie|accept|reject): (.*)$", re.MULTILINE)
_QUOTES = (('"', '"'), ("`", "`"), ("\u201c", "\u201d"), ("\u00ab", "\u00bb"))
_CONTEXT = 12  # characters beside a mark that, found in an answer too, make it a quotation


@dataclass(frozen=True, slots=True)
class Grammar:
    """marks: the text that gives each verdict; verdicts: every legal text, where there are finitely many."""

    name: str
    kind: str
    prompt: str
    text: str
    marks: Mapping[Label, str]
    accepts: tuple[str, ...]
    rejects: tuple[str, ...]
    rules: Mapping[str, gbnf.Node]
    verdicts: Mapping[str, Label] | None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def free(self) -> bool:
        """Whether the judge writes what it likes."""
        return self.kind == "free"


def folder() -> Path:
    """Where the grammar files lie: inside the installed package, or at the top of a checkout."""
    inside = Path(__file__).parent / "grammars"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "grammars"


def names() -> list[str]:
    return sorted(path.stem for path in folder().glob("*.gbnf"))


def load(name: str) -> Grammar:
    """A grammar by its file's name. Raises UsageError for an unknown one, GrammarError for a broken one."""
    if name not in names():
        raise UsageError(f"unknown grammar '{name}'", nearest(name, names()))
    path = folder() / f"{name}.gbnf"
    return read(name, path.read_text(encoding="utf-8"))


def read(name: str, text: str) -> Grammar:
    """A grammar from its file's text."""
    said: dict[str, list[str]] = {}
    for key, value in _COMMENT.findall(text):
        said.setdefault(key, []).append(value)
    marks: dict[Label, str] = {
        label: said[f"verdict {label}"][0] for label in LABELS if f"verdict {label}" in said
    }
    for key in ("kind", "prompt", "verdict a", "verdict b"):
        if key not in said:
            raise GrammarError(
                f"grammar {name}: no line '# {key}: …'", "a grammar says what it is in its comments"
            )
    try:
        rules = gbnf.parse(text)
    except GrammarError as error:
        raise GrammarError(f"grammar {name}: {error}", error.hint) from error
    legal = gbnf.texts(rules) if said["kind"] != ["free"] else None
    verdicts = (
        None if legal is None else {legal_text: _mark_in(name, legal_text, marks) for legal_text in legal}
    )
    accepts, rejects = tuple(said.get("accept", ())), tuple(said.get("reject", ()))
    return Grammar(name, said["kind"][0], said["prompt"][0], text, marks, accepts, rejects, rules, verdicts)


def _mark_in(name: str, text: str, marks: Mapping[Label, str]) -> Label:
    label = _last_mark(text, marks, ())
    if label is None:
        raise GrammarError(f"grammar {name}: it admits {text!r}, which holds none of its verdicts")
    return label


def verdict(grammar: Grammar, text: str, answers: Iterable[str] = ()) -> Label | None:
    """The verdict that a text gives, in the order shown; None where it gives none.

    Under a grammar the whole text must belong to it, whatever engine wrote it. Without one the last mark counts,
    unless the judge quotes it: between quotation marks (over lines too), in a quoted line, or together with words
    that stand beside the same mark in one of `answers`.
    """
    if not grammar.free and not gbnf.matches(grammar.rules, text):
        return None
    return _last_mark(text, grammar.marks, tuple(answers))


def _last_mark(text: str, marks: Mapping[Label, str], answers: tuple[str, ...]) -> Label | None:
    labels = {mark: label for label, mark in marks.items()}
    longest_first = sorted(labels, key=len, reverse=True)  # a mark inside a longer one is not a mark
    last = None
    for match in re.finditer("|".join(map(re.escape, longest_first)), text):
        if not _quoted(text, match.start(), match.end(), answers):
            last = labels[match[0]]
    return last


def _quoted(text: str, start: int, end: int, answers: tuple[str, ...]) -> bool:
    line_start = text.rfind("\n", 0, start) + 1
    line_end = (text + "\n").index("\n", end)
    before, mark, after = text[line_start:start], text[start:end], text[end:line_end]
    if before.lstrip().startswith(">"):
        return True
    if any(_open(text[:start], left, right) and right in text[end:] for left, right in _QUOTES):
        return True
    sides = before[-_CONTEXT:].lstrip(), after[:_CONTEXT].rstrip()
    beside = [
        context
        for side, context in zip(sides, (sides[0] + mark, mark + sides[1]), strict=True)
        if any(character.isalnum() for character in side)  # punctuation alone is no copy
    ]
    return any(context in answer for context in beside for answer in answers)


def _open(before: str, left: str, right: str) -> bool:
    """Whether a quotation begun in `before` is still open at its end."""
    if left == right:
        return before.count(left) % 2 == 1
    return before.rfind(left) > before.rfind(right)
