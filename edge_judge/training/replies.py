"""The text that a judge should write about a pair: a legal text of the grammar that gives the label.

Verdict alone where the grammar has finitely many texts or none is asked for; reasons first where the grammar has them.
Knows: the kinds of protocol, the names that prompts give to the answers. Does not know: tokens, models.
"""

from __future__ import annotations

import json

from edge_judge.errors import UsageError
from edge_judge.protocols.kinds import FreeForm, Kind, Pairwise, Reasoned
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Label, TrainingPair, to_pair_order

A, B = "{a}", "{b}"
NAMES = ("Answer A", "Answer B")  # as this project's own prompts name the answers
TRAINED_NAMES = ("Response 1", "Response 2")  # as the prompts of Auto-J and PandaLM do
_NO_BRACKETS = str.maketrans("[]", "()")


def check(protocol: Protocol) -> None:
    """Raise UsageError for a protocol whose replies a label does not give."""
    kind = protocol.grammar.kind
    if not isinstance(kind, Pairwise | Reasoned | FreeForm):
        raise UsageError(
            f"--grammar {protocol.grammar.name} rates each answer by itself, and a label gives no score to learn",
            "train with pairwise, pairwise-cot, pairwise-json, or none",
        )


def reply(protocol: Protocol, pair: TrainingPair, question: Question) -> str | None:
    """The reply to the pair in an order. None where the grammar begins with reasons and the pair has none that it can
    express, or has reasons that do not say which answer they mean while the answers are swapped.
    """
    shown = to_pair_order(question.order, pair.label)
    kind = protocol.grammar.kind
    if not isinstance(kind, Reasoned):
        return _at_once(kind, shown)
    if pair.reasons is None or (question.order == "ba" and not names_answers(pair.reasons)):
        return None
    reasons = _named(pair.reasons, question, TRAINED_NAMES if protocol.grammar.trained_in else NAMES)
    return _reasoned(kind, reasons, shown)


def names_answers(reasons: str) -> bool:
    """Whether reasons say by {a} or {b} which answer they mean, so that they hold in either order."""
    return A in reasons or B in reasons


def _at_once(kind: Kind[object], label: Label) -> str:
    """The shortest text that gives a verdict at once."""
    if isinstance(kind, Pairwise):
        return min((text for text, given in kind.verdicts.items() if given == label), key=len)
    if isinstance(kind, FreeForm):
        return kind.marks[label]
    raise TypeError(f"{type(kind).__name__} gives no verdict at once")


def _named(reasons: str, question: Question, names: tuple[str, str]) -> str:
    first, second = names if question.order == "ab" else names[::-1]
    return reasons.replace(A, first).replace(B, second)


def _reasoned(kind: Reasoned, reasons: str, label: Label) -> str | None:
    """Opening, reasons, bridge and ending. Brackets become round ones where the grammar keeps them for its marks."""
    ending = min((text for text, given in kind.endings.items() if given == label), key=len)
    for said in (reasons, reasons.translate(_NO_BRACKETS)):
        written = json.dumps(said, ensure_ascii=False)[1:-1] if kind.schema else said
        text = f"{kind.opening}{written}{kind.bridge}{ending}"
        if kind.verdict(text, ()) == label:
            return text
    return None
