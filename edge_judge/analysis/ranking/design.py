"""Which systems meet on which questions, and the votes that a judge's verdicts on their pairs are.

A meeting is two systems' answers to one question. Its pair shows them in an order drawn by a hash of their texts, so
the pair's name says nothing of who wrote what, and a pair is the same one whatever the files are called or hold
besides. A changed answer makes a new pair. Equal answers are no pair: that tie is not asked.

Knows: outputs, pairs, verdicts on them. Does not know: judges, runs, figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from math import nan

import numpy as np

from edge_judge.analysis.ranking.games import Game, Games, Winner, games
from edge_judge.errors import DataError, UsageError, nearest
from edge_judge.records import ORDERS, Label, Order, Outputs, Pair, Task, Verdict, to_pair_order

SEED = 0  # of a sample of meetings, fixed so that every judge gets the same ones


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two systems' answers to a question. id: of their pair, also where the answers are the same text; question: the
    id of what was asked; swapped: whether the pair has the answer of `second` as its `a`; same: whether the two answers
    are one text; length_first, length_second: characters.
    """

    id: str
    question: str
    first: str
    second: str
    swapped: bool
    same: bool
    length_first: int
    length_second: int


def meetings(outputs: Outputs, against: str | None = None, sample: int | None = None) -> list[Meeting]:
    """All meetings of these systems, task by task. against: those of one system alone, the baseline; sample: only so
    many, drawn so that each pair of systems meets about equally often and a larger sample holds a smaller one.

    Raises UsageError for a baseline that is none of the systems and for a sample that leaves systems unconnected,
    DataError where all meetings do: then nothing says how they compare.
    """
    if against is not None and against not in outputs.systems:
        raise UsageError(f"--against '{against}': no such system", nearest(against, outputs.systems))
    pairs = [pair for pair in combinations(outputs.systems, 2) if against is None or against in pair]
    by_task = {task.id: [pair for pair in pairs if _both(outputs, task, pair)] for task in outputs.tasks}
    parts = connected(outputs.systems, {pair for of_task in by_task.values() for pair in of_task})
    if len(parts) > 1:
        raise DataError(
            f"no question connects {', '.join(parts[0])} with {', '.join(parts[1])}, so they cannot be compared",
            "rank systems that answered the same questions",
        )
    if sample is not None and sample < sum(map(len, by_task.values())):
        by_task = _sampled(by_task, outputs.systems, pairs, sample)
    return [_meeting(outputs, task, *pair) for task in outputs.tasks for pair in by_task[task.id]]


def pairs_of(outputs: Outputs, held: Iterable[Meeting]) -> tuple[Pair, ...]:
    """The pairs to judge: one for all meetings of the same two texts, none where the texts are equal."""
    tasks = {task.id: task for task in outputs.tasks}
    pairs = {meeting.id: _pair(outputs, tasks[meeting.question], meeting) for meeting in held if not meeting.same}
    return tuple(pairs.values())


def games_of(held: Sequence[Meeting], systems: Sequence[str], verdicts: Iterable[Verdict]) -> Games:
    """The votes: a verdict on a meeting's pair, in each order that was judged. Where the answers are equal there is a
    tie that was not asked.

    Raises DataError where a meeting was not judged.
    """
    by_pair: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_pair.setdefault(verdict.id, []).append(verdict)
    return games((game for meeting in held for game in _games(meeting, by_pair)), systems)


def connected(systems: Sequence[str], met: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """The systems in groups, in each of which all are compared with all, if need be by way of others."""
    group = {name: name for name in systems}
    for first, second in met:
        old, new = group[first], group[second]
        group = {name: new if one == old else one for name, one in group.items()}
    parts = dict.fromkeys(group.values())
    return [tuple(name for name in systems if group[name] == part) for part in parts]


def _both(outputs: Outputs, task: Task, pair: tuple[str, str]) -> bool:
    return all((task.id, system) in outputs.answers for system in pair)


def _sampled(
    by_task: Mapping[str, list[tuple[str, str]]], systems: Sequence[str], pairs: Sequence[tuple[str, str]], number: int
) -> dict[str, list[tuple[str, str]]]:
    """So many meetings: question after question in random order, each time the pair of systems that met least often.

    The first pairs are a random chain through all systems (a star around the baseline), so that few meetings connect.
    """
    rng = np.random.default_rng(SEED)
    chain = [systems[place] for place in rng.permutation(len(systems))]
    links = {tuple(sorted(link, key=systems.index)) for link in zip(chain, chain[1:], strict=False)}
    drawn = [pairs[place] for place in rng.permutation(len(pairs))]
    priority = {pair: place for place, pair in enumerate(sorted(drawn, key=lambda pair: pair not in links))}
    left = {name: list(of_task) for name, of_task in by_task.items()}
    names = [list(by_task)[place] for place in rng.permutation(len(by_task))]
    met, taken = dict.fromkeys(pairs, 0), 0
    chosen: dict[str, list[tuple[str, str]]] = {name: [] for name in by_task}
    while taken < number:
        for name in names:
            if taken < number and left[name]:
                pair = min(left[name], key=lambda pair: (met[pair], priority[pair]))
                left[name].remove(pair)
                chosen[name].append(pair)
                met[pair] += 1
                taken += 1
    if len(connected(systems, (pair for pair, times in met.items() if times))) > 1:
        raise UsageError(
            f"--games {number}: too few: some systems would not be compared", f"at least {len(systems) - 1}"
        )
    return {name: sorted(of_task, key=pairs.index) for name, of_task in chosen.items()}


def _meeting(outputs: Outputs, task: Task, first: str, second: str) -> Meeting:
    one, other = outputs.answers[task.id, first], outputs.answers[task.id, second]
    low, high = sorted((one, other), key=lambda text: _digest(task.question, text))
    return Meeting(
        id=f"{task.id}/{_digest(task.question, task.reference or '', low, high)[:12]}",
        question=task.id,
        first=first,
        second=second,
        swapped=one != low,
        same=one == other,
        length_first=len(one),
        length_second=len(other),
    )


def _pair(outputs: Outputs, task: Task, meeting: Meeting) -> Pair:
    first, second = (meeting.second, meeting.first) if meeting.swapped else (meeting.first, meeting.second)
    return Pair(
        id=meeting.id,
        question=task.question,
        a=outputs.answers[task.id, first],
        b=outputs.answers[task.id, second],
        group=task.id,
        reference=task.reference,
        authors=(first, second),
    )


def _games(meeting: Meeting, verdicts: Mapping[str, Sequence[Verdict]]) -> Iterable[Game]:
    if meeting.same:
        yield from (_game(meeting, order, "tie", {"tie": 1.0}, asked=False) for order in ORDERS)
        return
    if meeting.id not in verdicts:
        raise DataError(f"pair {meeting.id}: no verdict on it")
    for verdict in verdicts[meeting.id]:
        turn: Order = "ba" if meeting.swapped else "ab"
        order: Order = verdict.order if turn == "ab" else ("ba" if verdict.order == "ab" else "ab")
        shown = None if verdict.verdict is None else to_pair_order(turn, verdict.verdict)
        p = None if verdict.p is None else {to_pair_order(turn, label): value for label, value in verdict.p.items()}
        yield _game(meeting, order, shown, p)


_WINNERS: Mapping[Label, Winner] = {"a": "first", "b": "second", "tie": "tie"}


def _game(
    meeting: Meeting, order: Order, verdict: Label | None, p: Mapping[Label, float] | None, *, asked: bool = True
) -> Game:
    """verdict, p: `a` is the answer of `first`."""
    known = verdict is not None and p is not None
    of = dict(p or {})
    return Game(
        question=meeting.question,
        first=meeting.first,
        second=meeting.second,
        order=order,
        verdict=None if verdict is None else _WINNERS[verdict],
        p_first=of.get("a", 0.0) if known else nan,
        p_second=of.get("b", 0.0) if known else nan,
        p_tie=of.get("tie", 0.0) if known else nan,
        length_first=meeting.length_first,
        length_second=meeting.length_second,
        asked=asked,
    )


def _digest(*texts: str) -> str:
    return sha256("\x00".join(texts).encode(errors="surrogatepass")).hexdigest()
