"""Outputs and votes -> the pairs to read, with each judge's verdict in each order; compact, each text once.

Knows: how votes are packed. `met` has three places a pair: of its task, and of the two systems, the earlier of the
names first. Each order of a judge is columns over the pairs:
    v   a character a pair: a (the first system's answer is better), b, t (tie), = (two equal answers, not asked),
        - (no valid verdict), a blank where it was not judged
    p   three probabilities a pair (first, second, tie) one after the other, or None where the judge gives none
`labels` is a character a pair: what a person said, a, b or t, a blank without a label; None where no pair has one.
Does not know: how a pair is shown, what is searched for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import NamedTuple, TypeAlias

from edge_judge.analysis.ranking.labels import TURNED, HumanVerdict
from edge_judge.analysis.ranking.standings import RankedSystems
from edge_judge.records import ORDERS, Order, Outputs
from edge_judge.report.page.data import Json
from edge_judge.report.page.pairs import DIGITS, UNJUDGED

CODES = {"first": "a", "second": "b", "tie": "t", None: "-"}
UNASKED = "="
COLUMNS = ["question", "first", "second", "order", "verdict", "p_first", "p_second", "p_tie", "asked"]


class Met(NamedTuple):
    """Two systems' answers to a question."""

    question: str
    first: str
    second: str


class Vote(NamedTuple):
    """code: as packed; p: of first, second and tie, None without them."""

    code: str
    p: tuple[float, float, float] | None


Votes: TypeAlias = Mapping[tuple[Met, Order], Vote]


def ranking_pairs(rankings: Sequence[RankedSystems], outputs: Outputs | None) -> Json:
    """systems: their names; tasks: [id, question, reference, the systems' answers, None where one is missing]; met,
    judges and labels: see above. Only tasks with a vote are there. None without outputs: nobody knows the texts then.
    """
    if outputs is None:
        return None
    votes = [_votes(ranked) for ranked in rankings]
    systems = {name: place for place, name in enumerate(outputs.systems)}
    of_task = {task.id: place for place, task in enumerate(outputs.tasks)}
    unordered = {met for judged in votes for met, _ in judged}
    held = sorted(unordered, key=lambda met: (of_task[met.question], systems[met.first], systems[met.second]))
    tasks = [task for task in outputs.tasks if task.id in {met.question for met in held}]
    places = {task.id: place for place, task in enumerate(tasks)}
    return {
        "systems": [*systems],
        "tasks": [
            [task.id, task.question, task.reference, [outputs.answers.get((task.id, name)) for name in systems]]
            for task in tasks
        ],
        "met": [place for met in held for place in (places[met[0]], systems[met[1]], systems[met[2]])],
        "judges": [{order: _side(order, held, judged) for order in ORDERS} for judged in votes],
        "labels": _labels(rankings[0].labels, held),
    }


def _votes(ranked: RankedSystems) -> Votes:
    found: dict[tuple[Met, Order], Vote] = {}
    for question, first, second, order, verdict, *p, asked in ranked.games.frame[COLUMNS].itertuples(index=False):
        known = verdict is not None and asked and not isnan(p[0])
        given = (round(p[0], DIGITS), round(p[1], DIGITS), round(p[2], DIGITS)) if known else None
        found[Met(question, first, second), order] = Vote(CODES[verdict] if asked else UNASKED, given)
    return found


def _labels(labels: Sequence[HumanVerdict], held: Sequence[Met]) -> Json:
    """What a person said of each pair. A label may name the systems in either order."""
    if not labels:
        return None
    said = {}
    for label in labels:
        question, first, second = label.pair.question, label.pair.first, label.pair.second
        said[Met(question, first, second)] = CODES[label.winner]
        said[Met(question, second, first)] = CODES[TURNED[label.winner]]
    return "".join(said.get(met, UNJUDGED) for met in held)


def _side(order: Order, held: Sequence[Met], judged: Votes) -> Json:
    """One order of a judge; None where it judged no pair in it."""
    votes = [judged.get((met, order)) for met in held]
    if not any(votes):
        return None
    flat: list[Json] = []
    for vote in votes:
        flat += vote.p if vote is not None and vote.p is not None else (None, None, None)
    return {
        "v": "".join(UNJUDGED if vote is None else vote.code for vote in votes),
        "p": flat if any(value is not None for value in flat) else None,
    }
