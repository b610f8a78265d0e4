"""How pairs are judged: a grammar, the orders, and what may be written. It is part of what decides a run's outcome.

Knows: which verdicts are legal, and what to request from an engine. Does not know: words of prompts, tokens, models.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_judge.inference import Reading, Writing
from edge_judge.protocols.grammar import Grammar
from edge_judge.records import Label, Order, Pair


@dataclass(frozen=True, slots=True)
class Protocol:
    """ties: whether a tie is legal. written: tokens that the judge may write, None for the grammar's own limit.
    criteria: those of a rubric. truncate: whether answers may be shortened to fit the context.
    """

    grammar: Grammar
    orders: tuple[Order, ...] = ("ab", "ba")
    ties: bool = True
    written: int | None = None
    criteria: tuple[str, ...] = ()
    truncate: bool = False

    @property
    def labels(self) -> tuple[Label, ...]:
        """The legal verdicts."""
        return tuple(label for label in self.grammar.kind.labels if self.ties or label != "tie")

    @property
    def limit(self) -> int:
        """The most tokens that are written; 0 if the verdict is read from probabilities alone."""
        return self.grammar.kind.limit(self.written)

    @property
    def one_by_one(self) -> bool:
        """Whether each answer is judged by itself."""
        return self.grammar.kind.one_by_one

    @property
    def decoding(self) -> str:
        """How verdicts are decoded, in the words of run.json."""
        return self.grammar.kind.decoding(self.limit)

    @property
    def request(self) -> Reading[Label] | Reading[int] | Writing:
        """What to request from an engine for each prompt."""
        return self.grammar.kind.request(self.labels, self.limit)


@dataclass(frozen=True, slots=True)
class Question:
    """A pair in one order."""

    pair: Pair
    order: Order

    @property
    def key(self) -> tuple[str, Order]:
        return self.pair.id, self.order
