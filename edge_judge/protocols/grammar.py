"""Grammars as files: what answer shape a judge is held to, and which verdict a text in that shape gives.

A file under grammars/ says in its comments what it is, so a new answer shape is one new file and no Python:

    kind        pairwise: finitely many texts, each a verdict. pointwise: finitely many texts, each a score of one
                answer. reasoned: `root` is a fixed opening, if any, then the rule `reasoning`, then the rule `verdict`,
                which has finitely many texts. free: the judge writes what it likes.
    prompt      a template under prompts/, or `trained-in` for the one that came with the model
    field NAME  what a trained-in prompt's {NAME} stands for: question, a or b
    verdict a, verdict b, verdict tie   the mark that gives each verdict
    reasoning   how many tokens the judge may reason for; bridge: words that join reasons that were cut off there
                to the verdict, as a JSON string
    schema      a JSON schema with the same language, for Outlines
    accept, reject   lines that tests put to every engine; \n and \\ are written so

Knows: those comments. Does not know: how a kind asks and reads, models, tokens.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_judge.errors import GrammarError, UsageError, nearest
from edge_judge.protocols import gbnf_matcher, prompts
from edge_judge.protocols.kinds import KINDS, GrammarFile, Kind
from edge_judge.records import LABELS, Label

TRAINED_IN = "trained-in"
_KEYS = "kind|prompt|field \\w+|verdict a|verdict b|verdict tie|reasoning|bridge|schema|accept|reject"
_COMMENT = re.compile(rf"^# ({_KEYS}): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Grammar:
    """marks: the text that gives each verdict, where the kind has them; fields: those of a trained-in prompt."""

    name: str
    kind: Kind[Any]
    prompt: str
    text: str
    rules: Mapping[str, gbnf_matcher.Node]
    marks: Mapping[Label, str]
    accepts: tuple[str, ...]
    rejects: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def trained_in(self) -> bool:
        """Whether the prompt is the one that came with the model."""
        return self.prompt == TRAINED_IN


def folder() -> Path:
    """Where the grammar files lie: inside the installed package, or at the top of a checkout."""
    inside = Path(__file__).parent.parent / "grammars"
    return inside if inside.is_dir() else Path(__file__).parent.parent.parent / "grammars"


def names() -> list[str]:
    return sorted(path.stem for path in folder().glob("*.gbnf"))


def load(name: str) -> Grammar:
    """A grammar by its file's name. Raises UsageError for an unknown one, GrammarError for a broken one."""
    if name not in names():
        raise UsageError(f"unknown grammar '{name}'", nearest(name, names()))
    path = folder() / f"{name}.gbnf"
    return read(name, path.read_text(encoding="utf-8"))


def read(name: str, text: str) -> Grammar:
    """A grammar from its file's text. Raises GrammarError, with the grammar's name, for one that is not whole."""
    try:
        return _read(name, text)
    except GrammarError as error:
        raise GrammarError(f"grammar {name}: {error}", error.hint) from error


def _read(name: str, text: str) -> Grammar:
    comments: dict[str, list[str]] = {}
    for key, value in _COMMENT.findall(text):
        comments.setdefault(key, []).append(value)
    marks: dict[Label, str] = {
        label: comments[f"verdict {label}"][0] for label in LABELS if f"verdict {label}" in comments
    }
    file = GrammarFile(text, {}, comments, marks)
    kind, prompt = file.value("kind"), file.value("prompt")
    if kind not in KINDS:
        raise GrammarError(f"kind is '{kind}'", f"expected {', '.join(KINDS)}")
    if prompt != TRAINED_IN and prompt not in prompts.protocols():
        raise GrammarError(f"there is no prompt '{prompt}'", nearest(prompt, [*prompts.protocols(), TRAINED_IN]))
    file = replace(file, rules=gbnf_matcher.parse(text))
    return Grammar(
        name,
        KINDS[kind].from_file(file),
        prompt,
        text,
        file.rules,
        marks,
        accepts=tuple(map(_unescaped, comments.get("accept", ()))),
        rejects=tuple(map(_unescaped, comments.get("reject", ()))),
        fields={key.removeprefix("field "): values[0] for key, values in comments.items() if key.startswith("field ")},
    )


def _unescaped(line: str) -> str:
    return re.sub(r"\\([n\\])", lambda match: "\n" if match[1] == "n" else "\\", line)


def verdict(grammar: Grammar, text: str, answers: Iterable[str] = ()) -> Label | None:
    """The verdict that a text gives, in the order shown; None where it gives none.

    Under a grammar the whole text must belong to it, whatever engine wrote it. Without one the last mark counts that
    the judge did not quote from one of `answers`.
    """
    return grammar.kind.verdict(text, tuple(answers))
