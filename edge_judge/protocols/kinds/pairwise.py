"""Verdicts without reasons: the grammar has finitely many texts, and each is a verdict on both answers.

Knows: those texts. Does not know: how their probabilities are computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from edge_judge.inference import Distribution, Reading, Written
from edge_judge.protocols.kinds.kind import GrammarFile, Kind, ShownVerdict, likeliest, marked_labels
from edge_judge.records import Label


@dataclass(frozen=True, slots=True)
class Pairwise(Kind[Distribution[Label] | Written[Label]]):
    """verdicts: every legal text and the verdict it gives; marks: the text that gives each verdict."""

    verdicts: Mapping[str, Label]
    marks: Mapping[Label, str]

    @classmethod
    def from_file(cls, file: GrammarFile) -> Self:
        return cls(file.verdicts("root"), file.marks)

    @property
    def labels(self) -> tuple[Label, ...]:
        return marked_labels(self.marks)

    def request(self, labels: tuple[Label, ...], limit: int) -> Reading[Label]:
        return Reading({text: label for text, label in self.verdicts.items() if label in labels})

    def read(
        self, answers: Sequence[Distribution[Label] | Written[Label]], labels: tuple[Label, ...], texts: tuple[str, ...]
    ) -> ShownVerdict:
        (answer,) = answers
        if isinstance(answer, Written):
            verdict = self.verdict(answer.text, texts)
            return ShownVerdict(verdict if verdict in labels else None, text=answer.text)
        return ShownVerdict(likeliest(answer.p), answer.p, mass=answer.mass, respelled=answer.respelled)

    def verdict(self, text: str, texts: tuple[str, ...]) -> Label | None:
        return self.verdicts.get(text)
