"""How pairs are judged: a grammar, the orders, and what may be written. Part of what decides a run's outcome.

Knows: which verdicts may be given, and what is asked of an engine. Does not know: prompts' words, tokens, models.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_judge.inference import Reading, Writing
from edge_judge.protocols.grammar import Grammar
from edge_judge.records import Label, Order, Pair


@dataclass(frozen=True, slots=True)
class Protocol:
    """ties: whether a tie may be given. written: tokens the judge may write (None: the grammar's own bound).
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
        """The verdicts that may be given."""
        return tuple(label for label in self.grammar.kind.labels if self.ties or label != "tie")

    @property
    def limit(self) -> int:
        """Tokens that are written at most; 0 where everything is read from probabilities."""
        return self.grammar.kind.limit(self.written)

    @property
    def one_by_one(self) -> bool:
        """Whether each answer is looked at by itself."""
        return self.grammar.kind.one_by_one

    @property
    def decoding(self) -> str:
        """How verdicts come about, as run.json says it."""
        return self.grammar.kind.decoding(self.limit)

    @property
    def request(self) -> Reading[Label] | Reading[int] | Writing:
        """What an engine is asked for after each prompt."""
        return self.grammar.kind.request(self.labels, self.limit)


@dataclass(frozen=True, slots=True)
class Question:
    """A pair in one order."""

    pair: Pair
    order: Order

    @property
    def key(self) -> tuple[str, Order]:
        return self.pair.id, self.order
