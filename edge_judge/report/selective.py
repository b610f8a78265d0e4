"""Runs' confidence -> tables for a person and plain dicts for a program.

Knows: the few words that tell runs apart, and how thresholds and risks read well.
Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from math import ceil

from edge_judge.analysis.selective import COVERAGES, Abstention, CoveragePoint, Curve
from edge_judge.quantities import counted
from edge_judge.records import Figure, Identity
from edge_judge.report.columns import Value, at, figure_values
from edge_judge.report.formatting import UNDEFINED, Form, Part, Table, interval, notes, percent, table, value
from edge_judge.report.forms import Sheet, sheet, written

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
    content = asdict(run)
    if run.abstention is None:
        del content["abstention"]
    return {**content.pop("identity"), **content}


def short_names(identities: Sequence[Identity]) -> list[str]:
    """What tells these judges apart, of model, scheme and grammar; all three where nothing does."""
    judges = [(who.model, who.scheme, who.grammar) for who in identities]
    differing = [part for part in range(3) if len({judge[part] for judge in judges}) > 1] or range(3)
    return [" ".join(judge[part] for part in differing) for judge in judges]


def confidence_table(runs: Sequence[Confident], *, form: Form = "table", width: int = 80, color: bool = False) -> str:
    """Risk by coverage, a table for each benchmark; one run alone is shown with thresholds and intervals.

    CSV has a line for each run and coverage, and one for each threshold that was asked for. width: columns; color:
    False gives plain text without any escape code.
    """
    parts: list[Part] = []
    for benchmark, group in groupby(runs, key=lambda run: run.identity.benchmark):
        section = list(group)
        parts.append(_in_full(section[0]) if len(runs) == 1 else _side_by_side(benchmark, section))
        if abstentions := {run.identity: run.abstention for run in section if run.abstention is not None}:
            parts.append(_abstentions(abstentions))
    parts.append(notes(*_about_confidence(runs)))
    return written(parts, _sheets(runs), form=form, width=width, color=color)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the CSV: a step of a run's curve."""

    run: Confident
    step: CoveragePoint


def _sheets(runs: Sequence[Confident]) -> list[Sheet]:
    names = ("benchmark", "model", "scheme", "grammar")
    steps: dict[str, Callable[[_Line], Value]] = {
        **{name: at(f"run.identity.{name}") for name in names},
        "surest_share": at("step.wished"),
        "answered_share": at("step.coverage"),
        "threshold": at("step.threshold"),
        **figure_values("wrong", "share", at("step.risk")),
        "area_share": at("run.curve.aurc"),
    }
    chosen: dict[str, Callable[[Confident], Value]] = {
        **{name: at(f"identity.{name}") for name in names},
        "asked_share": at("abstention.wished"),
        "threshold": at("abstention.threshold"),
        "answered_share": at("abstention.effect.coverage.value"),
        **figure_values("wrong", "share", at("abstention.effect.risk")),
        "least_share": at("abstention.best"),
        "pairs_wanted": at("abstention.wanted"),
    }
    asked = [run for run in runs if run.abstention is not None]
    sheets = [sheet("coverage", steps, [_Line(run, step) for run in runs for step in run.steps])]
    return [*sheets, sheet("thresholds", chosen, asked)] if asked else sheets


def threshold(number: float | None) -> str:
    """A threshold on confidence, with as many digits as it takes not to round to 1."""
    if number is None:
        return "none"
    if number >= 1:
        return "1" if number == 1 else "any"
    return next(text for digits in range(DIGITS, 20) if float(text := f"{number:.{digits}f}") < 1)


def _side_by_side(benchmark: str, runs: Sequence[Confident]) -> Table:
    lines = [
        [
            name,
            *(value(step.risk, percent) for step in run.steps or _nothing()),
            UNDEFINED if run.curve.aurc is None else f"{100 * run.curve.aurc:.2f}",
        ]
        for name, run in zip(short_names([run.identity for run in runs]), runs, strict=True)
    ]
    headers = ["% wrong when answering only the", *(f"surest\n{100 * wished:.0f} %" for wished in COVERAGES), "area\n%"]
    return table(f"{benchmark}: error rate at each coverage", headers, lines)


def _nothing() -> list[CoveragePoint]:
    """The steps of a run on pairs of which nobody has judged any."""
    return [CoveragePoint(wished, 1.0, 0.0, Figure(None)) for wished in COVERAGES]


def _in_full(run: Confident) -> Table:
    lines = [
        [f"{100 * step.wished:.0f} %", percent(step.coverage), threshold(step.threshold), interval(step.risk, percent)]
        for step in run.steps
    ]
    who = run.identity
    title = f"{who.benchmark}, judged by {who.model} {who.scheme} with --grammar {who.grammar}"
    headers = ["surest", "answered\n% of pairs", "confidence\nfrom", "wrong, % of those answered\n[95 % interval]"]
    return table(title, headers, lines, frozenset({3}))


def _abstentions(abstentions: Mapping[Identity, Abstention]) -> Table:
    lines = []
    for name, choice in zip(short_names(list(abstentions)), abstentions.values(), strict=True):
        effect = choice.effect
        answered = value(effect.coverage, percent) if choice.threshold is not None else UNDEFINED
        unfiltered = Figure(None if effect.unfiltered.value is None else 1 - effect.unfiltered.value)
        risk = interval(effect.risk, percent)
        least = percent(ceil(1000 * choice.best) / 1000)  # rounded down, it could not have been asked for
        lines.append([name, threshold(choice.threshold), answered, risk, value(unfiltered, percent), least])
    wished = next(iter(abstentions.values())).wished
    title = f"Confidence above which at most {100 * wished:g} % are wrong"
    wrong = "wrong here, %\n[95 % interval]"
    headers = ["", "confidence\nfrom", "answered\n%", wrong, "if all\nanswered", "lowest %\npossible"]
    return table(title, headers, lines, frozenset({3}))


def _about_confidence(runs: Sequence[Confident]) -> list[str]:
    lines = ["confidence: the probability of a pair's verdict, averaged over both orders where both were judged"]
    if areas := [f"{100 * run.curve.aurc:.2f} %" for run in runs if run.curve.aurc is not None]:
        area = f": {areas[0]}" if len(runs) == 1 else ""
        lines.append(f"area: under the curve of risk by coverage, lower is better (AURC){area}")
    if any(step.coverage > step.wished + 0.005 for run in runs for step in run.steps):
        lines.append("pairs with equal confidence are answered together, so coverage may exceed the heading")
    abstentions = [run.abstention for run in runs if run.abstention is not None]
    if abstentions:
        lines.append("on new pairs like these the error rate is higher in at most 5 % of cases")
        lines.append("lowest % possible: the smallest --abstain for which these pairs show a threshold")
    if any(choice.threshold is None for choice in abstentions):
        lines.append(_about_none(abstentions))
    return lines


def _about_none(abstentions: Sequence[Abstention]) -> str:
    """How many pairs a threshold would take, where there is none."""
    begin = "none: no threshold is shown to have so low an error rate"
    wanted = [choice.wanted for choice in abstentions if choice.threshold is None]
    known = sorted({pairs for pairs in wanted if pairs is not None})
    if not known:
        return f"{begin}, and more pairs like these would not show one"
    number = counted(known[0], "pair") if len(known) == 1 else f"{known[0]:,} to {counted(known[-1], 'pair')}"
    return f"{begin}; about {number} like these would show one"
