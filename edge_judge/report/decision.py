"""Decisions about a ladder -> a table with the sentence below it, and plain dicts for a program.

Knows: how a decision reads in a few columns. Does not know: how it was reached; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from textwrap import fill

from edge_judge.analysis.decision import Decision
from edge_judge.report.formatting import UNDEFINED, notes, render, size, table
from edge_judge.report.sentence import change, sentence, signed

WIDE = 96  # columns from which both intervals fit

OUTCOMES = {"within": "agrees", "worse": "does not", "undecided": "undecided"}


def choice_json(decisions: Sequence[Decision], unseen: Sequence[str]) -> dict[str, object]:
    """The sentence, each decision (points lost, with their intervals), and the schemes that were not looked at."""
    return {
        "sentence": sentence(decisions),
        "decisions": [asdict(decision) for decision in decisions],
        "not_looked_at": list(unseen),
    }


def choice_table(decisions: Sequence[Decision], unseen: Sequence[str], *, width: int = 80, color: bool = False) -> str:
    """A row for each scheme that was looked at, and the sentence. width: columns; below 96 the estimate that is not
    claimed stands without its interval, which the sentence has; color: with escape codes.
    """
    first = decisions[0]
    where = f"on {', '.join(first.benchmarks)}, within {first.margin:g} points"
    title = f"{first.run.model} against {first.baseline.scheme} {where}"
    headers = ["scheme", "size", "", f"change by\n{first.claim}", f"change by\n{first.other_claim}", "pairs\nused"]
    headers.append(f"over all\n{first.pairs_total:,} pairs")
    rows = [_row(decision, wide=width >= WIDE) for decision in decisions]
    lines = [
        f"change: points of accuracy, − lost; what is claimed is that by {first.claim}",
        "its 95 % interval is about the whole benchmark, and holds wherever one stops",
    ]
    if unseen:
        lines.append(f"not looked at, since a wider scheme is not shown to agree: {', '.join(unseen)}")
    parts = [table(title, [f"\n{text}" if "\n" not in text else text for text in headers], rows, frozenset({2, 3}))]
    return render([*parts, notes(*lines)], width, color) + "\n" + fill(sentence(decisions), width)


def _row(decision: Decision, *, wide: bool) -> list[str]:
    other = decision.of(decision.other_claim)
    return [
        decision.run.scheme,
        size(decision.run.bytes),
        OUTCOMES[decision.outcome],
        change(decision.claimed),
        change(other) if wide or other.value is None else signed(-other.value),
        f"{decision.pairs:,} of {decision.pairs_total:,}",
        _full(decision),
    ]


def _full(decision: Decision) -> str:
    """The claimed change where every pair is judged, which is certain."""
    value = decision.full.of(decision.claim)
    return UNDEFINED if value is None or decision.full.pairs < decision.pairs_total else signed(-value)
