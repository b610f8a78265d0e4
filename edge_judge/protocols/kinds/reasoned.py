"""Reasons first: an optional fixed opening, the rule `reasoning`, then the rule `verdict` with finitely many texts.

Knows: the parts of such a grammar. Does not know: tokens, how reasons are written or ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from edge_judge import foreign_json
from edge_judge.errors import GrammarError
from edge_judge.inference import GuidedWriting, Written
from edge_judge.protocols import gbnf_matcher
from edge_judge.protocols.gbnf_parser import Rule, Series
from edge_judge.protocols.kinds.kind import GrammarFile, Kind, ShownVerdict, likeliest, marked_labels
from edge_judge.records import Label

MOST_DIGITS = 9  # of a number of tokens
_AFTER_OPENING = "what-follows-the-opening"  # a rule name that no grammar uses


@dataclass(frozen=True, slots=True)
class Reasoned(Kind[Written[Label]]):
    """endings: every text of the rule `verdict` and the verdict it gives; bound: most tokens of reasons; bridge: text
    between reasons that were cut off and the verdict; schema: a JSON schema with the same language.
    """

    opening: str
    endings: Mapping[str, Label]
    bound: int
    bridge: str
    schema: str | None
    rules: Mapping[str, gbnf_matcher.Node]
    marks: Mapping[Label, str]
    grammar: str

    @classmethod
    def from_file(cls, file: GrammarFile) -> Self:
        file.need_marks()
        opening = _opening(file)
        bound, bridge = file.value("reasoning"), _bridge(file)
        if not bound.isdecimal() or len(bound) > MOST_DIGITS or int(bound) < 1:
            raise GrammarError(f"reasoning is '{bound}', expected a number of tokens")
        if not gbnf_matcher.matches(file.rules, bridge, "reasoning"):
            raise GrammarError(f"the rule reasoning does not accept the bridge {bridge!r}")
        schema = file.value("schema") if "schema" in file.comments else None
        endings = file.verdicts("verdict")
        return cls(opening, endings, int(bound), bridge, schema, file.rules, file.marks, file.text)

    @property
    def labels(self) -> tuple[Label, ...]:
        return marked_labels(self.marks)

    def limit(self, requested: int | None) -> int:
        return requested or self.bound

    def decoding(self, limit: int) -> str:
        return f"greedy reasons of at most {limit} tokens, then probabilities"

    def request(self, labels: tuple[Label, ...], limit: int) -> GuidedWriting[Label]:
        return GuidedWriting(
            limit=limit,
            opening=self.opening,
            grammar=f"{self.grammar}\n{_AFTER_OPENING} ::= reasoning verdict\n",
            start=_AFTER_OPENING,
            schema=self.schema,
            reader=partial(gbnf_matcher.Reader, self.rules, "reasoning"),
            endings=self.endings,
            outcomes=labels,
            bridge=self.bridge,
        )

    def read(
        self, answers: Sequence[Written[Label]], labels: tuple[Label, ...], texts: tuple[str, ...]
    ) -> ShownVerdict:
        (written,) = answers
        verdict, read = self.verdict(written.text, texts), written.distribution
        if verdict not in labels:
            return ShownVerdict(None, text=written.text)
        if read is None:  # the engine does not tell probabilities
            return ShownVerdict(verdict, text=written.text)
        return ShownVerdict(likeliest(read.p), read.p, written.text, read.mass, respelled=read.respelled)

    def verdict(self, text: str, texts: tuple[str, ...]) -> Label | None:
        if not gbnf_matcher.matches(self.rules, text):
            return None
        return self.endings[max((ending for ending in self.endings if text.endswith(ending)), key=len)]


def _bridge(file: GrammarFile) -> str:
    """The text between reasons that were cut off and the verdict; it may be empty."""
    written = file.comments.get("bridge", ['""'])[0]
    try:
        bridge = foreign_json.parse(written)
    except ValueError:
        bridge = None
    if not isinstance(bridge, str):
        raise GrammarError(f"bridge is {written!r}, expected a JSON string")
    return bridge


def _opening(file: GrammarFile) -> str:
    """The fixed text before the reasons; it may be empty."""
    root = file.rules["root"]
    parts = root.parts if isinstance(root, Series) else ()
    if tuple(parts[-2:]) != (Rule("reasoning"), Rule("verdict")):
        raise GrammarError("root does not end with reasoning and verdict", "write: root ::= reasoning verdict")
    opening = gbnf_matcher.texts({**file.rules, "opening": Series(parts[:-2])}, "opening")
    if opening is None or len(opening) != 1:
        raise GrammarError("the text before the reasoning is not fixed")
    return opening[0]
