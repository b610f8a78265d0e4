"""Pairs of answers, benchmarks of them, and verdicts on them.

Knows: how a verdict in the order shown becomes a verdict on the pair. Does not know: judges, runs, files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Label: TypeAlias = Literal["a", "b", "tie"]
Order: TypeAlias = Literal["ab", "ba"]
LABELS: tuple[Label, ...] = ("a", "b", "tie")
ORDERS: tuple[Order, ...] = ("ab", "ba")
MIRROR: dict[Label, Label] = {"a": "b", "b": "a", "tie": "tie"}


def to_pair_order(order: Order, shown: Label) -> Label:
    """The verdict on the pair, from the verdict on the answers in the order shown. It is its own inverse."""
    return shown if order == "ab" else MIRROR[shown]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one instruction.

    labels: the human verdicts to score against: one in most benchmarks, none without labels, several where each vote
    counts (MT-Bench). given: the order in which each of these votes saw the answers, empty if it is always "ab".
    group: pairs with the same group are one cluster when intervals are computed. votes: what each person said, where
    the label to score against is made of several votes (PandaLM); empty where the labels are the votes. category: the
    kind of the task, empty if the benchmark names none. authors: the systems that wrote `a` and `b`, None if they are
    unknown.
    """

    id: str
    question: str
    a: str
    b: str
    labels: tuple[Label, ...] = ()
    group: str = ""
    reference: str | None = None
    given: tuple[Order, ...] = ()
    votes: tuple[Label, ...] = ()
    category: str = ""
    authors: tuple[str, str] | None = None

    @property
    def people(self) -> tuple[Label, ...]:
        """What each person said of the pair."""
        return self.votes or self.labels

    @property
    def cluster(self) -> str:
        return self.group or self.id

    def shown(self, order: Order) -> tuple[str, str]:
        """The answers as (first, second)."""
        return (self.a, self.b) if order == "ab" else (self.b, self.a)


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """A labelled pair that a judge learns from.

    reasons: why the label is right, None if the data does not say. In them {a} and {b} stand for the names of the
    answers, which depend on the prompt and on the order shown.
    """

    pair: Pair
    reasons: str | None = None

    @property
    def label(self) -> Label:
        return self.pair.labels[0]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Pairs with a name. sha256: of the published file, or of the user's file; ties: whether a tie is a legal label."""

    name: str
    pairs: tuple[Pair, ...]
    sha256: str
    ties: bool
    source: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judgement, in the pair's own order.

    verdict: None means that no valid verdict was given; it is never a tie. p: the probability of each legal verdict, in
    sum 1. mass: the share of all probability that is on legal verdicts. text: what the judge wrote, or the text of a
    verdict that was read from probabilities. truncated: whether an answer was shortened to fit. respelled: the share of
    `mass` on other tokens for the same texts than the likeliest, which is part of `p`; None if it is not worth noting.
    machine: the one that judged, where several did.
    """

    id: str
    order: Order
    verdict: Label | None
    p: Mapping[Label, float] | None = None
    text: str | None = None
    mass: float | None = None
    truncated: bool = False
    respelled: float | None = None
    machine: str | None = None
