"""Benchmarks and verdicts -> the pairs to read, with each run's verdict in each order; compact, for 14,000 of them.

Knows: how a verdict is packed. Each order of a run is columns over the pairs of its benchmark:
    v     a character a pair: a, b, t (tie), - (no valid verdict), a blank where it was not judged
    p     three probabilities a pair (a, b, tie) one after the other, or None where the run has none
    mass  a number a pair, or None where the run has none
    wrong, flipped, cut   the places of these pairs
    text  what the judge wrote, by place
Does not know: how a pair is shown, what is searched for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from edge_judge.records import LABELS, ORDERS, Order, Pair, Verdict
from edge_judge.report.formatting import DASH
from edge_judge.report.page.data import Entry, Json

CODES = {"a": "a", "b": "b", "tie": "t", None: "-"}
UNJUDGED = " "
DIGITS = 4


def pairs(entries: Sequence[Entry]) -> dict[str, Json]:
    """sets: for each benchmark its pairs, as [id, question, a, b, human label, reference]; runs: see above, with `set`,
    the place of their benchmark. Only pairs that were judged are there.
    """
    sets: dict[tuple[str, str], dict[str, Pair]] = {}
    for entry in entries:
        sets.setdefault(_key(entry), {}).update((pair.id, pair) for pair in entry.run.judged.pairs)
    keys = list(sets)
    verdicts = [{(verdict.id, verdict.order): verdict for verdict in entry.run.run.verdicts} for entry in entries]
    runs: list[Json] = []
    for entry, own in zip(entries, verdicts, strict=True):
        before = verdicts[entry.baseline] if entry.baseline is not None else {}
        sides: dict[str, Json] = {order: _side(order, sets[_key(entry)], own, before) for order in ORDERS}
        runs.append({"set": keys.index(_key(entry)), **sides})
    return {"sets": [{"name": key[0], "pairs": [*map(_pair, pairs.values())]} for key, pairs in sets.items()],
            "runs": runs}  # fmt: skip


def human(pair: Pair) -> str:
    """The human label; where several people voted, their votes."""
    if not pair.labels:
        return DASH
    if len(pair.labels) == 1:
        return _name(pair.labels[0])
    votes = Counter(pair.labels)
    return " · ".join(f"{_name(label)} {votes[label]}" for label in LABELS if votes[label])


def wrong(pair: Pair, verdict: Verdict) -> bool:
    """Whether fewer than half of the human votes say so; a missing verdict is wrong. False where nobody voted."""
    return bool(pair.labels) and 2 * sum(label == verdict.verdict for label in pair.labels) < len(pair.labels)


def _key(entry: Entry) -> tuple[str, str]:
    return entry.run.benchmark.name, entry.run.benchmark.sha256


def _pair(pair: Pair) -> list[Json]:
    return [pair.id, pair.question, pair.a, pair.b, human(pair), pair.reference]


def _side(
    order: Order,
    pairs: Mapping[str, Pair],
    own: Mapping[tuple[str, Order], Verdict],
    before: Mapping[tuple[str, Order], Verdict],
) -> Json:
    """One order of a run; None where no pair was judged in it."""
    rows = [own.get((pair, order)) for pair in pairs]
    if not any(rows):
        return None
    there = [(place, pair, row) for place, (pair, row) in enumerate(zip(pairs.values(), rows, strict=True)) if row]
    return {
        "v": "".join(UNJUDGED if row is None else CODES[row.verdict] for row in rows),
        "p": _probabilities(rows),
        "mass": _column(rows, lambda row: None if row.mass is None else float(f"{row.mass:.3g}")),
        "wrong": [place for place, pair, row in there if wrong(pair, row)],
        "flipped": [place for place, _, row in there if _flipped(row, before.get((row.id, order)))],
        "cut": [place for place, _, row in there if row.truncated],
        "text": {str(place): row.text for place, _, row in there if row.text is not None},
    }


def _flipped(row: Verdict, before: Verdict | None) -> bool:
    return before is not None and before.verdict != row.verdict


def _column(rows: Iterable[Verdict | None], read: Callable[[Verdict], float | None]) -> Json:
    column = [None if row is None else read(row) for row in rows]
    return list(column) if any(value is not None for value in column) else None


def _probabilities(rows: Sequence[Verdict | None]) -> Json:
    if not any(row is not None and row.p is not None for row in rows):
        return None
    flat: list[Json] = []
    for row in rows:
        if row is None or row.p is None:
            flat += [None] * len(LABELS)
        else:  # a label that is not legal in this benchmark has no probability, which is not 0
            flat += [None if label not in row.p else round(row.p[label], DIGITS) for label in LABELS]
    return flat


def _name(label: str) -> str:
    return label if label == "tie" else label.upper()
