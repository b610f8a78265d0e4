"""Confidence, cascades and juries -> tables for a person and plain dicts for a program.

Knows: how runs are told apart in a few words, and the sentence in which a cascade's figures end.
Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from edge_judge.analysis.selective import COVERAGES, Abstention, CoveragePoint, Curve
from edge_judge.records import Figure, Identity
from edge_judge.report.formatting import UNDEFINED, interval, notes, percent, render, table, value

if TYPE_CHECKING:
    from rich.console import RenderableType

DIGITS = 4  # of a threshold, and more where it would round to 1


@dataclass(frozen=True, slots=True)
class Confident:
    """One run as `confidence` shows it. abstention: where one was asked for."""

    identity: Identity
    curve: Curve
    steps: tuple[CoveragePoint, ...]
    abstention: Abstention | None = None


def confidence_json(run: Confident) -> dict[str, object]:
    """A run's curve: shares in [0, 1], every figure with value, low, high, k and n."""
    told = {} if run.abstention is None else {"abstention": asdict(run.abstention)}
    return {**asdict(run.identity), "curve": asdict(run.curve), "steps": [asdict(step) for step in run.steps], **told}


def called(identities: Sequence[Identity]) -> list[str]:
    """What tells these judges apart, of model, scheme and grammar; all three where nothing does."""
    parts = ("model", "scheme", "grammar")
    apart = [part for part in parts if len({getattr(one, part) for one in identities}) > 1] or parts
    return [" ".join(getattr(one, part) for part in apart) for one in identities]


def confidence_table(runs: Sequence[Confident], *, width: int = 80, color: bool = False) -> str:
    """Risk by coverage, a table for each benchmark; one run alone is shown with thresholds and intervals.

    width: columns; color: False gives plain text without any escape code.
    """
    parts: list[RenderableType] = []
    for benchmark, group in groupby(runs, key=lambda run: run.identity.benchmark):
        section = list(group)
        parts.append(_in_full(section[0]) if len(runs) == 1 else _side_by_side(benchmark, section))
        if abstentions := [(run.identity, run.abstention) for run in section if run.abstention is not None]:
            parts.append(_abstentions(abstentions))
    return render([*parts, notes(*_about_confidence(runs))], width, color)


def threshold(number: float | None) -> str:
    """A threshold on confidence, with as many digits as it takes not to round to 1."""
    if number is None:
        return "none"
    if number >= 1:
        return "1" if number == 1 else "any"
    return next(text for digits in range(DIGITS, 20) if float(text := f"{number:.{digits}f}") < 1)


def _side_by_side(benchmark: str, runs: Sequence[Confident]) -> RenderableType:
    lines = [
        [
            name,
            *(value(step.risk, percent) for step in run.steps or _nothing()),
            UNDEFINED if run.curve.aurc is None else f"{100 * run.curve.aurc:.2f}",
        ]
        for name, run in zip(called([run.identity for run in runs]), runs, strict=True)
    ]
    headers = ["% wrong of those answered", *(f"surest\n{wished:.0%}" for wished in COVERAGES), "area\n%"]
    return table(f"{benchmark}: answering only the surest pairs", headers, lines)


def _nothing() -> list[CoveragePoint]:
    """The steps of a run on pairs of which nobody has judged any."""
    return [CoveragePoint(wished, 1.0, 0.0, Figure(None)) for wished in COVERAGES]


def _in_full(run: Confident) -> RenderableType:
    lines = [
        [f"{step.wished:.0%}", percent(step.coverage), threshold(step.threshold), interval(step.risk, percent)]
        for step in run.steps
    ]
    who = run.identity
    title = f"{who.benchmark}, judged by {who.model} {who.scheme} with --grammar {who.grammar}"
    headers = ["surest", "answered\n% of pairs", "confidence\nfrom", "wrong, % of those answered\n[95 % interval]"]
    return table(title, headers, lines, frozenset({3}))


def _abstentions(found: Sequence[tuple[Identity, Abstention]]) -> RenderableType:
    lines = []
    for name, (_, one) in zip(called([identity for identity, _ in found]), found, strict=True):
        bound = percent(one.best if one.bound is None else one.bound)
        answered = value(one.told.coverage, percent) if one.threshold is not None else UNDEFINED
        unfiltered = Figure(None if one.told.unfiltered.value is None else 1 - one.told.unfiltered.value)
        risk = interval(one.told.risk, percent)
        lines.append([name, threshold(one.threshold), bound, answered, risk, value(unfiltered, percent)])
    title = f"At most {100 * found[0][1].wished:g} % wrong: chosen on one half of the pairs, told on the other"
    headers = ["", "confidence\nfrom", "surely\nbelow %", "answered\n%", "wrong %\n[95 % interval]", "if all\nanswered"]
    return table(title, headers, lines, frozenset({4}))


def _about_confidence(runs: Sequence[Confident]) -> list[str]:
    lines = ["confidence: the probability of a pair's verdict, by the mean of both orders where both were judged"]
    if any(run.curve.aurc is not None for run in runs):
        areas = [f"{100 * run.curve.aurc:.2f} %" for run in runs if run.curve.aurc is not None]
        told = f" (AURC): {areas[0]}" if len(runs) == 1 else " (AURC)"
        lines.append(f"area: under the curve of risk by coverage, lower is better{told}")
    if any(step.coverage > step.wished + 0.005 for run in runs for step in run.steps):
        lines.append("pairs equally sure are answered together, so more may be answered than the heading says")
    found = [run.abstention for run in runs if run.abstention is not None]
    if found:
        lines.append(
            "surely below: the error rate's 95 % upper bound on the half it was chosen on; no cluster is in both"
        )
    if any(one.threshold is None for one in found):
        lines.append("none: no threshold is surely below what was asked; beside it the least that could be asked for")
    return lines
