"""Grammar files: the form of a judge's answer, and the verdict that an answer in this form gives.

A file under grammars/ describes itself in its comments, so a new form of answer is one new file and no Python:

    kind        pairwise: finitely many texts, each a verdict. pointwise: finitely many texts, each a score of one
                answer. reasoned: `root` is an optional fixed opening, then the rule `reasoning`, then the rule
                `verdict`, which has finitely many texts. free: the judge may write anything.
    prompt      a template under prompts/, or `trained-in` for the prompt that comes with the model
    field NAME  what {NAME} means in a trained-in prompt: question, a or b
    verdict a, verdict b, verdict tie   the mark that gives each verdict
    reasoning   how many tokens of reasons the judge may write; bridge: text between reasons that were cut off at this
                limit and the verdict, as a JSON string
    schema      a JSON schema with the same language, for Outlines
    accept, reject   texts that tests give to every engine, with \\n and \\\\ as escapes

Knows: these comments. Does not know: how a kind asks and reads, models, tokens.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge_judge.errors import GrammarError, UsageError, nearest
from edge_judge.protocols import gbnf_matcher, prompts
from edge_judge.protocols.grammar_files import folder as folder
from edge_judge.protocols.grammar_files import names as names
from edge_judge.protocols.kinds import KINDS, GrammarFile, Kind
from edge_judge.records import LABELS, Label

TRAINED_IN = "trained-in"
_KEYS = "kind|prompt|field \\w+|verdict a|verdict b|verdict tie|reasoning|bridge|schema|accept|reject"
_COMMENT = re.compile(rf"^# ({_KEYS}): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Grammar:
    """marks: the text that gives each verdict, if the kind has them; fields: those of a trained-in prompt."""

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
        """Whether the prompt comes with the model."""
        return self.prompt == TRAINED_IN


def load(name: str) -> Grammar:
    """A grammar by name. Raises UsageError if it is unknown, GrammarError if its file is broken."""
    if name not in names():
        raise UsageError(f"unknown grammar '{name}'", nearest(name, names()))
    path = folder() / f"{name}.gbnf"
    return read(name, path.read_text(encoding="utf-8"))


def read(name: str, text: str) -> Grammar:
    """A grammar from the text of its file. Raises GrammarError, with the grammar's name, if it is broken."""
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
    """The verdict that a text gives, in the order shown; None if it gives none.

    The whole text must belong to the grammar, whatever engine wrote it. In free form, the last mark counts that is not
    a quotation from one of `answers`.
    """
    return grammar.kind.verdict(text, tuple(answers))
