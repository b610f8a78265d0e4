"""Decisions about a ladder -> a table with the sentence below it, and plain dicts for a program.

Knows: how a decision reads in a few columns. Does not know: how it was reached; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from edge_judge.analysis.decision import Decision, OnBenchmark
from edge_judge.quantities import counted, signed
from edge_judge.report.columns import Column, Value, figure_values, terminal_table
from edge_judge.report.formatting import UNDEFINED, Form, Part, Sentence, natural_width, notes, size
from edge_judge.report.forms import Sheet, sheet, written
from edge_judge.report.sentence import change, sentence

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
    change on the benchmark's own pairs stands without its interval, and what the sentence or no decision needs is left
    out; color: with escape codes.
    """
    first = decisions[0]
    rows = [row for decision in decisions for row in _rows(decision)]
    margin = counted(first.margin, "point")
    title = f"{first.run.model} against {first.baseline.scheme}, within {margin}"
    several = len(first.parts) > 1
    columns = _fitting(title, rows, width, several=several)
    expected = "expected accuracy: change in the human label's mean probability on the own pairs; not used to decide"
    lines = [
        "change: points of accuracy (− is a loss), with 95 % intervals that hold at any stopping point",
        "new pairs: new questions like these, each weighted equally; own pairs: the whole benchmark",
        *([expected] if PROBABLE in columns else []),
        *(["pooled: all votes as one benchmark; not used to decide"] if several else []),
    ]
    if unseen:
        lines.append(not_looked_at(unseen))
    if other_seeds:
        tried = f"seed {other_seeds[0]}" if len(other_seeds) == 1 else f"seeds {', '.join(map(str, other_seeds))}"
        lines.append(
            f"also decided with {tried}: picking the best of several seeds is wrong more often than 2.5 % of the time"
        )
    parts: list[Part] = [terminal_table(title, columns, rows), notes(*lines), Sentence(sentence(decisions))]
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


@dataclass(frozen=True, slots=True)
class _Row:
    """Of a decision one benchmark, or all of them pooled: None. named: whether the row has the scheme's name."""

    decision: Decision
    part: OnBenchmark | None
    named: bool


def _of_part(
    text: Callable[[Decision, OnBenchmark], str], pooled: Callable[[Decision], str] = lambda _: ""
) -> Callable[[_Row], str]:
    return lambda row: pooled(row.decision) if row.part is None else text(row.decision, row.part)


def _pooled(decision: Decision) -> str:
    return UNDEFINED if decision.pooled is None else signed(-decision.pooled)


def _point(value: float | None) -> str:
    return UNDEFINED if value is None else signed(-value)


SCHEME: Column[_Row] = Column("\nscheme", lambda row: row.decision.run.scheme if row.named else "")
SIZE: Column[_Row] = Column("\nsize", lambda row: size(row.decision.run.bytes) if row.named else "")
BENCHMARK: Column[_Row] = Column("\nbenchmark", _of_part(lambda _, part: part.benchmark, lambda _: "pooled"))
NEW: Column[_Row] = Column(
    "new\npairs", _of_part(lambda decision, part: OUTCOMES[part.new] if decision.claims_new else UNDEFINED), bold=True
)
NEW_CHANGE: Column[_Row] = Column("\nchange", _of_part(lambda _, part: change(part.new_pairs)), bold=True)
OWN: Column[_Row] = Column("own\npairs", _of_part(lambda _, part: OUTCOMES[part.own]))
OWN_CHANGE: Column[_Row] = Column("\nchange", _of_part(lambda _, part: change(part.by_verdicts), _pooled))
OWN_POINT: Column[_Row] = Column("\nchange", _of_part(lambda _, part: _point(part.by_verdicts.value), _pooled))
USED: Column[_Row] = Column("pairs\nused", _of_part(lambda _, part: f"{part.pairs:,} of {part.pairs_total:,}"))
PROBABLE: Column[_Row] = Column("expected\naccuracy", _of_part(lambda _, part: _point(part.by_probabilities.value)))

LAYOUTS = (
    (SCHEME, SIZE, BENCHMARK, NEW, NEW_CHANGE, OWN, OWN_CHANGE, USED, PROBABLE),
    (SCHEME, SIZE, BENCHMARK, NEW, NEW_CHANGE, OWN, OWN_POINT, USED),
    (SCHEME, BENCHMARK, NEW, NEW_CHANGE, OWN, OWN_POINT, USED),
    (SCHEME, BENCHMARK, NEW, NEW_CHANGE, OWN, OWN_POINT),
)  # the sentence has sizes and pairs too


def _fitting(title: str, rows: Sequence[_Row], width: int, *, several: bool) -> tuple[Column[_Row], ...]:
    """As many columns as the width allows without folding a name, else the fewest."""
    for layout in LAYOUTS:
        columns = tuple(column for column in layout if several or column is not BENCHMARK)
        if natural_width(terminal_table("", columns, rows)) <= width:
            break
    return columns


def _rows(decision: Decision) -> list[_Row]:
    rows = [_Row(decision, part, place == 0) for place, part in enumerate(decision.parts)]
    return [*rows, _Row(decision, None, False)] if decision.pooled is not None else rows
