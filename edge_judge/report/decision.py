"""Decisions about a ladder -> a table with the sentence below it, and plain dicts for a program.

Knows: how a decision reads in a few columns. Does not know: how it was reached; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

from edge_judge.analysis.decision import Decision, OnBenchmark
from edge_judge.quantities import counted, signed
from edge_judge.report.columns import Value, figure_values
from edge_judge.report.formatting import UNDEFINED, Form, Part, Sentence, notes, size, table
from edge_judge.report.forms import Sheet, sheet, written
from edge_judge.report.sentence import change, sentence

WIDE = 100  # columns from which both intervals fit
WIDER = 112  # and from which the benchmarks' names do too

OUTCOMES = {"within": "agrees", "worse": "does not", "undecided": "undecided"}


def choice_json(
    decisions: Sequence[Decision], unseen: Sequence[str], other_seeds: Sequence[int] = ()
) -> dict[str, object]:
    """The sentence, each decision (points lost, with their intervals), the schemes that were not looked at, and the
    seeds by which these had been decided before.
    """
    return {
        "sentence": sentence(decisions),
        "decisions": [decision_json(decision) for decision in decisions],
        "not_looked_at": list(unseen),
        "other_seeds_tried": list(other_seeds),
    }


def decision_json(decision: Decision) -> dict[str, object]:
    """All of a decision. outcome: on the benchmarks' own pairs; trusted: on new pairs, null where nothing is said."""
    return {
        **asdict(decision),
        "outcome": decision.outcome,
        "trusted": decision.trusted,
        "pairs": decision.pairs,
        "pairs_total": decision.pairs_total,
        "verdicts": decision.verdicts,
        "verdicts_total": decision.verdicts_total,
    }


def outcome_line(decision: Decision) -> str:
    """The outcome on the benchmarks' own pairs, in a line."""
    scheme, baseline, pairs = decision.run.scheme, decision.baseline.scheme, f"({decision.pairs:,} pairs)"
    if decision.outcome == "within":
        return f"{scheme} agrees with {baseline} {pairs}"
    if decision.outcome == "worse":
        return f"{scheme} does not agree with {baseline} {pairs}"
    return f"{scheme} is undecided {pairs}"


def not_looked_at(unseen: Sequence[str]) -> str:
    """Which schemes nothing is said of, and why."""
    return f"not judged, because a wider scheme was not shown to agree: {', '.join(unseen)}"


def choice_table(
    decisions: Sequence[Decision],
    unseen: Sequence[str],
    other_seeds: Sequence[int] = (),
    *,
    form: Form = "table",
    width: int = 80,
    color: bool = False,
) -> str:
    """A row for each scheme and benchmark that was looked at, and the sentence. width: columns; in few of them the
    change on the benchmark's own pairs stands without its interval, and that by probabilities is left out; color: with
    escape codes.
    """
    first = decisions[0]
    several = len(first.parts) > 1
    margin = counted(first.margin, "point")
    title = f"{first.run.model} against {first.baseline.scheme}, within {margin}"
    headers = ["scheme", "size", "new\npairs", "change", "own\npairs", "change", "pairs\nused"]
    wide = width >= (WIDER if several else WIDE)
    if wide:
        headers.append("expected\naccuracy")
    rows = [row for decision in decisions for row in _rows(decision, wide=wide)]
    if several:
        headers.insert(2, "benchmark")
    lines = [
        "change: points of accuracy (− is a loss), with 95 % intervals that hold at any stopping point",
        "new pairs: new questions like these, each weighted equally; own pairs: the whole benchmark",
        *(
            ["expected accuracy: change in the human label's mean probability on the own pairs; not used to decide"]
            if wide
            else []
        ),
        *(["pooled: all votes as one benchmark; not used to decide"] if several else []),
    ]
    if unseen:
        lines.append(not_looked_at(unseen))
    if other_seeds:
        tried = f"seed {other_seeds[0]}" if len(other_seeds) == 1 else f"seeds {', '.join(map(str, other_seeds))}"
        lines.append(
            f"also decided with {tried}: picking the best of several seeds is wrong more often than 2.5 % of the time"
        )
    headed = [f"\n{text}" if "\n" not in text else text for text in headers]
    body = table(title, headed, rows, frozenset({2 + several, 3 + several}))
    parts: list[Part] = [body, notes(*lines), Sentence(sentence(decisions))]
    return written(parts, [_sheet(decisions)], form=form, width=width, color=color)


@dataclass(frozen=True, slots=True)
class _Decided:
    """A line of the CSV: what a scheme does on one benchmark."""

    decision: Decision
    part: OnBenchmark


def _sheet(decisions: Sequence[Decision]) -> Sheet:
    """A line for each scheme and benchmark. A loss is above 0, as in JSON; the table shows the change."""
    fields: dict[str, Callable[[_Decided], Value]] = {
        "model": lambda row: row.decision.run.model,
        "scheme": lambda row: row.decision.run.scheme,
        "size_bytes": lambda row: row.decision.run.bytes,
        "baseline": lambda row: row.decision.baseline.scheme,
        "benchmark": lambda row: row.part.benchmark,
        "margin_points": lambda row: row.decision.margin,
        "new_pairs": lambda row: row.part.new if row.decision.claims_new else None,
        **figure_values("new_pairs_loss", "points", lambda row: row.part.new_pairs),
        "own_pairs": lambda row: row.part.own,
        **figure_values("own_pairs_loss", "points", lambda row: row.part.by_verdicts),
        **figure_values("probabilities_loss", "points", lambda row: row.part.by_probabilities),
        "pairs": lambda row: row.part.pairs,
        "pairs_total": lambda row: row.part.pairs_total,
    }
    return sheet("schemes", fields, [_Decided(one, part) for one in decisions for part in one.parts])


def _rows(decision: Decision, *, wide: bool) -> Iterator[list[str]]:
    names = [decision.run.scheme, size(decision.run.bytes)]
    if len(decision.parts) == 1:
        yield names + _cells(decision, decision.parts[0], wide=wide)
        return
    for place, part in enumerate(decision.parts):
        yield (["", ""] if place else names) + [part.benchmark, *_cells(decision, part, wide=wide)]
    if decision.pooled is not None:
        yield ["", "", "pooled", "", "", "", signed(-decision.pooled), "", *([""] if wide else [])]


def _cells(decision: Decision, part: OnBenchmark, *, wide: bool) -> list[str]:
    own, probable = part.by_verdicts.value, part.by_probabilities.value
    return [
        OUTCOMES[part.new] if decision.claims_new else UNDEFINED,
        change(part.new_pairs),
        OUTCOMES[part.own],
        change(part.by_verdicts) if wide or own is None else signed(-own),
        f"{part.pairs:,} of {part.pairs_total:,}",
        *([UNDEFINED if probable is None else signed(-probable)] if wide else []),
    ]
