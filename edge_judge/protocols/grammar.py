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

Knows: those comments, and how to find the verdict in a text without falling for one that is quoted from an answer.
Does not know: models, tokens, which order the answers were shown in.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os.path import commonprefix
from pathlib import Path

from edge_judge.errors import GrammarError, UsageError, nearest
from edge_judge.protocols import gbnf_matcher, prompts
from edge_judge.protocols.gbnf_parser import Rule, Series
from edge_judge.records import LABELS, Label

KINDS = ("pairwise", "pointwise", "reasoned", "free")
TRAINED_IN = "trained-in"
_KEYS = "kind|prompt|field \\w+|verdict a|verdict b|verdict tie|reasoning|bridge|schema|accept|reject"
_COMMENT = re.compile(rf"^# ({_KEYS}): (.*)$", re.MULTILINE)
_QUOTES = (('"', '"'), ("`", "`"), ("\u201c", "\u201d"), ("\u00ab", "\u00bb"))
_CONTEXT = 12  # characters beside a mark that, found in an answer too, make it a quotation


@dataclass(frozen=True, slots=True)
class Reasoned:
    """A text that is an opening, reasons of at most `bound` tokens, and an ending.

    endings: every text of the rule `verdict` and what it gives; bridge: joins reasons that were cut off to it.
    """

    opening: str
    endings: Mapping[str, Label]
    bound: int
    bridge: str = ""
    schema: str | None = None

    @property
    def forced(self) -> str:
        """What every ending begins with."""
        return commonprefix(list(self.endings))


@dataclass(frozen=True, slots=True)
class Grammar:
    """marks: the text that gives each verdict. verdicts, scores: every legal text of a pairwise and of a pointwise
    grammar; reasoned: the parts of a reasoned one; fields: those of a trained-in prompt. None or empty elsewhere.
    """

    name: str
    kind: str
    prompt: str
    text: str
    rules: Mapping[str, gbnf_matcher.Node]
    marks: Mapping[Label, str]
    accepts: tuple[str, ...]
    rejects: tuple[str, ...]
    verdicts: Mapping[str, Label] | None = None
    scores: Mapping[str, int] | None = None
    reasoned: Reasoned | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def free(self) -> bool:
        """Whether the judge writes what it likes."""
        return self.kind == "free"

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
    said: dict[str, list[str]] = {}
    for key, value in _COMMENT.findall(text):
        said.setdefault(key, []).append(value)
    kind, prompt = _said(said, "kind"), _said(said, "prompt")
    if kind not in KINDS:
        raise GrammarError(f"kind is '{kind}'", f"expected {', '.join(KINDS)}")
    if prompt != TRAINED_IN and prompt not in prompts.protocols():
        raise GrammarError(f"there is no prompt '{prompt}'", nearest(prompt, [*prompts.protocols(), TRAINED_IN]))
    marks: dict[Label, str] = {label: said[f"verdict {label}"][0] for label in LABELS if f"verdict {label}" in said}
    if kind != "pointwise":
        _said(said, "verdict a"), _said(said, "verdict b")
    rules = gbnf_matcher.parse(text)
    return Grammar(
        name,
        kind,
        prompt,
        text,
        rules,
        marks,
        accepts=tuple(map(_unescaped, said.get("accept", ()))),
        rejects=tuple(map(_unescaped, said.get("reject", ()))),
        verdicts=_finite(rules, "root", marks) if kind == "pairwise" else None,
        scores=_scores(rules) if kind == "pointwise" else None,
        reasoned=_reasoned(rules, marks, said) if kind == "reasoned" else None,
        fields={key.removeprefix("field "): values[0] for key, values in said.items() if key.startswith("field ")},
    )


def _said(said: Mapping[str, list[str]], key: str) -> str:
    if key not in said:
        raise GrammarError(f"no line '# {key}: …'", "a grammar says what it is in its comments")
    return said[key][0]


def _unescaped(line: str) -> str:
    return re.sub(r"\\([n\\])", lambda match: "\n" if match[1] == "n" else "\\", line)


def _finite(rules: Mapping[str, gbnf_matcher.Node], rule: str, marks: Mapping[Label, str]) -> dict[str, Label]:
    """Every text of a rule, and the verdict it gives."""
    return {text: _mark_in(text, marks) for text in _all(rules, rule)}


def _all(rules: Mapping[str, gbnf_matcher.Node], rule: str) -> list[str]:
    legal = gbnf_matcher.texts(rules, rule)
    if legal is None:
        raise GrammarError(f"the rule {rule} admits too many texts to count", "use one with a finite language")
    return legal


def _mark_in(text: str, marks: Mapping[Label, str]) -> Label:
    """The last mark in a text of the grammar's own, in which nothing is quoted from anyone."""
    found = _marks(text, marks)
    if not found:
        raise GrammarError(f"it admits {text!r}, which holds none of its verdicts")
    return found[-1][1]


def _scores(rules: Mapping[str, gbnf_matcher.Node]) -> dict[str, int]:
    legal = _all(rules, "root")
    if odd := [text for text in legal if not text.strip().isdigit()]:
        raise GrammarError(f"it admits {odd[0]!r}, which is no score", "a score is a whole number")
    return {text: int(text) for text in legal}


def _reasoned(
    rules: Mapping[str, gbnf_matcher.Node], marks: Mapping[Label, str], said: Mapping[str, list[str]]
) -> Reasoned:
    root = rules["root"]
    parts = root.parts if isinstance(root, Series) else ()
    if tuple(parts[-2:]) != (Rule("reasoning"), Rule("verdict")):
        raise GrammarError("root does not end with reasoning and verdict", "write: root ::= reasoning verdict")
    opening = gbnf_matcher.texts({**rules, "opening": Series(parts[:-2])}, "opening")
    if opening is None or len(opening) != 1:
        raise GrammarError("what stands before the reasoning is not one fixed text")
    bound, bridge = _said(said, "reasoning"), json.loads(said.get("bridge", ['""'])[0])
    if not bound.isdigit() or int(bound) < 1:
        raise GrammarError(f"reasoning is '{bound}'", "expected how many tokens it may take")
    if not gbnf_matcher.matches(rules, bridge, "reasoning"):
        raise GrammarError(f"its bridge {bridge!r} is no legal reasoning")
    schema = said["schema"][0] if "schema" in said else None
    return Reasoned(opening[0], _finite(rules, "verdict", marks), int(bound), bridge, schema)


def verdict(grammar: Grammar, text: str, answers: Iterable[str] = ()) -> Label | None:
    """The verdict that a text gives, in the order shown; None where it gives none.

    Under a grammar the whole text must belong to it, whatever engine wrote it. Without one the last mark counts,
    unless the judge quotes it: between quotation marks (over lines too), in a quoted line, or together with words
    that stand beside the same mark in one of `answers`.
    """
    if grammar.verdicts is not None:
        return grammar.verdicts.get(text)
    if not grammar.free and not gbnf_matcher.matches(grammar.rules, text):
        return None
    if grammar.reasoned is not None:
        fitting = [ending for ending in grammar.reasoned.endings if text.endswith(ending)]
        return grammar.reasoned.endings[max(fitting, key=len)]
    return _last_mark(text, grammar.marks, tuple(answers))


def quoted(text: str, mark: str, answers: Iterable[str]) -> bool:
    """Whether a judge that has written `text`, and would now write `mark`, copies it from one of the answers."""
    having = [answer for answer in answers if mark in answer]
    line = text[text.rfind("\n") + 1 :]
    if having and (line.lstrip().startswith(">") or any(_open(text, left, right) for left, right in _QUOTES)):
        return True
    beside = line[-_CONTEXT:].lstrip()
    return any(map(str.isalnum, beside)) and any(beside + mark in answer for answer in having)


def _last_mark(text: str, marks: Mapping[Label, str], answers: tuple[str, ...]) -> Label | None:
    own = [label for match, label in _marks(text, marks) if not _quoted(text, match.start(), match.end(), answers)]
    return own[-1] if own else None


def _marks(text: str, marks: Mapping[Label, str]) -> list[tuple[re.Match[str], Label]]:
    """Where the marks stand in a text. A mark inside a longer one is not a mark."""
    labels = {mark: label for label, mark in marks.items()}
    longest_first = sorted(labels, key=len, reverse=True)
    found = re.finditer("|".join(map(re.escape, longest_first)), text) if labels else ()
    return [(match, labels[match[0]]) for match in found]


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
