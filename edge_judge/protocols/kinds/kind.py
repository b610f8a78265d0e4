"""What every kind of protocol offers: a request to the engine, and a way to read its answers.

Knows: the comments and rules of a grammar file. Does not know: the words of prompts, tokens, models, the order shown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Self, TypeVar

from edge_judge.errors import GrammarError
from edge_judge.inference import Reading, Writing
from edge_judge.protocols import gbnf_matcher
from edge_judge.protocols.marks import find_marks
from edge_judge.records import LABELS, Label

Answer = TypeVar("Answer")  # an engine's answer to one prompt: Distribution or Written


@dataclass(frozen=True, slots=True)
class GrammarFile:
    """A grammar file. comments: each key and its values, in order; marks: the text that gives each verdict."""

    text: str
    rules: Mapping[str, gbnf_matcher.Node]
    comments: Mapping[str, Sequence[str]]
    marks: Mapping[Label, str]

    def value(self, key: str) -> str:
        """The first value of a comment. Raises GrammarError if the file does not have it."""
        if key not in self.comments:
            raise GrammarError(f"no line '# {key}: …'", "a grammar file describes itself in its comments")
        return self.comments[key][0]

    def texts(self, rule: str) -> list[str]:
        """Every text of a rule. Raises GrammarError if there are too many."""
        legal = gbnf_matcher.texts(self.rules, rule)
        if legal is None:
            raise GrammarError(f"the rule {rule} accepts too many texts to enumerate", "use one with a finite language")
        return legal

    def verdicts(self, rule: str) -> dict[str, Label]:
        """Every text of a rule, and the verdict it gives. Raises GrammarError for a text that gives none."""
        self.need_marks()
        return {text: self._verdict_in(text) for text in self.texts(rule)}

    def need_marks(self) -> None:
        """Raises GrammarError if the file has no marks for the verdicts."""
        self.value("verdict a"), self.value("verdict b")

    def _verdict_in(self, text: str) -> Label:
        """The last mark in a text of the grammar, in which nothing is a quotation."""
        marks = find_marks(text, self.marks)
        if not marks:
            raise GrammarError(f"it accepts {text!r}, which contains no verdict")
        return marks[-1][1]


@dataclass(frozen=True, slots=True)
class ShownVerdict:
    """A verdict on the answers in the order shown. scores: of both answers, if each was rated by itself.

    verdict, p, text and mass are as in Verdict, respelled as in Distribution.
    """

    verdict: Label | None
    p: Mapping[Label, float] | None = None
    text: str | None = None
    mass: float | None = None
    scores: tuple[float, float] | None = None
    respelled: float = 0.0


class Kind(ABC, Generic[Answer]):
    """How a judge is asked and how its answers are read. It is made from a grammar file, which it validates."""

    one_by_one: ClassVar[bool] = False  # whether each answer has a prompt of its own

    @classmethod
    @abstractmethod
    def from_file(cls, file: GrammarFile) -> Self:
        """Raises GrammarError for a file that is not of this kind, or is broken."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """The verdicts that it can give."""
        return LABELS

    def limit(self, requested: int | None) -> int:
        """The most tokens that are written; 0 if nothing is. requested: the user's limit."""
        return 0

    @property
    def writes(self) -> bool:
        """Whether the judge writes, so that a limit has an effect."""
        return self.limit(None) > 0

    def decoding(self, limit: int) -> str:
        """How verdicts are decoded, in the words of run.json."""
        return "probabilities"

    @abstractmethod
    def request(self, labels: tuple[Label, ...], limit: int) -> Reading[Label] | Reading[int] | Writing:
        """What to request from an engine for each prompt. labels: the legal verdicts."""

    @abstractmethod
    def read(self, answers: Sequence[Answer], labels: tuple[Label, ...], texts: tuple[str, ...]) -> ShownVerdict:
        """The verdict, from an engine's answers to the prompts of a question. texts: those of the benchmark in them."""

    @abstractmethod
    def verdict(self, text: str, texts: tuple[str, ...]) -> Label | None:
        """The verdict that a text gives; None if it gives none. The whole text must belong to the grammar."""


def likeliest(p: Mapping[Label, float]) -> Label:
    """The verdict with the highest probability, the first if several are equal."""
    return max(p, key=lambda label: p[label])


def marked_labels(marks: Mapping[Label, str]) -> tuple[Label, ...]:
    """The verdicts that have a mark, in their usual order."""
    return tuple(label for label in LABELS if label in marks)
