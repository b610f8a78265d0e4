"""Recorded runs beside their baselines -> the decisions on each ladder among them, for `compare` and the page.

A ladder is the schemes of one judge under one protocol. It is decided on each benchmark by itself and, where all its
schemes judged several, on all of them together.

Knows: which runs make a ladder. All pairs that were judged are used, since they are there.
Does not know: how a decision is reached (`decision`), its words (`report.sentence`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from edge_judge.analysis.decision import Decision, decide_ladder
from edge_judge.analysis.paired_losses import Part
from edge_judge.errors import DataError, RunError
from edge_judge.records import Identity


@dataclass(frozen=True, slots=True)
class LadderDecision:
    """decisions: on the schemes of a judge, the widest first, at least one; unseen: the schemes below the first that
    was not shown to agree.
    """

    model: str
    grammar: str
    decisions: tuple[Decision, ...]
    unseen: tuple[str, ...]

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """One where the ladder is decided on it alone."""
        return self.decisions[0].benchmarks

    def is_alone_on(self, run: Identity) -> bool:
        """Whether it is on this run's judge and benchmark, and on no other benchmark."""
        return (self.benchmarks, self.model, self.grammar) == ((run.benchmark,), run.model, run.grammar)

    def on(self, scheme: str) -> Decision | None:
        return next((decision for decision in self.decisions if decision.run.scheme == scheme), None)


Ladder = dict[str, list[Part]]  # by scheme, a part for each benchmark


def decide_ladders(parts: Iterable[Part], margin: float) -> list[LadderDecision]:
    """The decisions on each benchmark, in the order of the parts, and then on several together.

    A run that is its own baseline is no part of a ladder. There is no decision where nobody labelled the pairs, where a
    scheme has two runs on one benchmark, or where the runs of a ladder are not of one baseline.
    """
    compared = [part for part in parts if part.run.identity != part.baseline.identity]
    alone = _ladders(compared, lambda part: (part.benchmark.name, part.run.identity.model, part.run.identity.grammar))
    together = _ladders(compared, lambda part: (part.run.identity.model, part.run.identity.grammar))
    ladders = [*alone, *(ladder for ladder in together if _several(ladder))]
    decided = (_decide(ladder, margin) for ladder in ladders if not _doubled(ladder))
    return [decision for decision in decided if decision is not None]


def _ladders(parts: Sequence[Part], key: Callable[[Part], Hashable]) -> list[Ladder]:
    ladders: dict[Hashable, Ladder] = {}
    for part in parts:
        ladders.setdefault(key(part), {}).setdefault(part.run.identity.scheme, []).append(part)
    return list(ladders.values())


def _benchmarks(parts: Sequence[Part]) -> list[str]:
    return sorted(part.benchmark.name for part in parts)


def _several(ladder: Ladder) -> bool:
    """Whether there are several benchmarks, and every scheme judged each."""
    judged = [_benchmarks(parts) for parts in ladder.values()]
    return len(judged[0]) > 1 and all(names == judged[0] for names in judged)


def _doubled(ladder: Ladder) -> bool:
    return any(len(set(_benchmarks(parts))) < len(parts) for parts in ladder.values())


def _decide(ladder: Ladder, margin: float) -> LadderDecision | None:
    try:
        decisions, unseen = decide_ladder(list(ladder.values()), margin)
    except (RunError, DataError):  # not of one baseline, or no label at all: there is nothing to say
        return None
    if len({decision.baseline for decision in decisions}) > 1:
        return None
    first = next(iter(ladder.values()))[0].run.identity
    return LadderDecision(first.model, first.grammar, tuple(decisions), tuple(unseen))
