"""How pairs are judged: a grammar, the orders, and what may be written. Part of what decides a run's outcome.

Knows: what follows from a grammar's kind. Does not know: prompts' words, tokens, models.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_judge.protocols.grammar import Grammar
from edge_judge.records import LABELS, Label, Order, Pair

LIMIT = 256  # tokens a judge may write without a grammar


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
        known = self.grammar.marks or LABELS  # scores can be compared to any verdict
        return tuple(label for label in LABELS if label in known and (self.ties or label != "tie"))

    @property
    def limit(self) -> int:
        """Tokens that are written at most; 0 where everything is read from probabilities."""
        if self.grammar.reasoned is not None:
            return self.written or self.grammar.reasoned.bound
        return (self.written or LIMIT) if self.grammar.free else 0

    @property
    def one_by_one(self) -> bool:
        """Whether each answer is looked at by itself."""
        return self.grammar.scores is not None

    @property
    def decoding(self) -> str:
        """How verdicts come about, as run.json says it."""
        if self.grammar.reasoned is not None:
            return f"greedy reasons of at most {self.limit} tokens, then probabilities"
        return f"greedy, {self.limit} tokens" if self.limit else "probabilities"


@dataclass(frozen=True, slots=True)
class Question:
    """A pair in one order."""

    pair: Pair
    order: Order

    @property
    def key(self) -> tuple[str, Order]:
        return self.pair.id, self.order
