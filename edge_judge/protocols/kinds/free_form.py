"""Free form: the judge may write anything, and the last mark counts that is not a quotation from an answer.

Knows: the marks. Does not know: how a text is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from edge_judge.inference import Writing, Written
from edge_judge.protocols.kinds.kind import GrammarFile, Kind, ShownVerdict, marked_labels
from edge_judge.protocols.marks import last_mark
from edge_judge.records import Label

LIMIT = 256  # tokens, unless another limit is requested


@dataclass(frozen=True, slots=True)
class FreeForm(Kind[Written[Label]]):
    """marks: the text that gives each verdict."""

    marks: Mapping[Label, str]

    @classmethod
    def from_file(cls, file: GrammarFile) -> Self:
        file.need_marks()
        return cls(file.marks)

    @property
    def labels(self) -> tuple[Label, ...]:
        return marked_labels(self.marks)

    def limit(self, requested: int | None) -> int:
        return requested or LIMIT

    def decoding(self, limit: int) -> str:
        return f"greedy, {limit} tokens"

    def request(self, labels: tuple[Label, ...], limit: int) -> Writing:
        return Writing(limit)

    def read(
        self, answers: Sequence[Written[Label]], labels: tuple[Label, ...], texts: tuple[str, ...]
    ) -> ShownVerdict:
        (written,) = answers
        verdict = self.verdict(written.text, texts)
        return ShownVerdict(verdict if verdict in labels else None, text=written.text)

    def verdict(self, text: str, texts: tuple[str, ...]) -> Label | None:
        return last_mark(text, self.marks, texts)
