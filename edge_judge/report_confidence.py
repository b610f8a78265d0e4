"""Confidence, cascades and juries -> tables for a person and plain dicts for a program.

Knows: how runs are told apart in a few words, and the sentence in which a cascade's figures end.
Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from edge_judge.cascade import ABOVE, Cascade, Cost, Point
from edge_judge.confidence import COVERAGES, Abstention, Curve, Step
from edge_judge.jury import Jury
from edge_judge.layout import UNDEFINED, interval, notes, percent, points, render, signed_number, size, table, value
from edge_judge.records import Figure, Identity

if TYPE_CHECKING:
    from rich.console import RenderableType

DIGITS = 4  # of a threshold, and more where it would round to 1
HALF = 0.5  # of the large judge's cost


@dataclass(frozen=True, slots=True)
class Confident:
    """One run as `confidence` shows it. abstention: where one was asked for."""

    identity: Identity
    curve: Curve
    steps: tuple[Step, ...]
    abstention: Abstention | None = None


def confidence_json(run: Confident) -> dict[str, object]:
    """A run's curve: shares in [0, 1], every figure with value, low, high, k and n."""
    told = {} if run.abstention is None else {"abstention": asdict(run.abstention)}
    return {**asdict(run.identity), "curve": asdict(run.curve), "steps": [asdict(step) for step in run.steps], **told}


def cascade_json(found: Cascade) -> dict[str, object]:
    """A cascade: `drop` in points, `passed`, `kept` and `cost` as shares, cost of the large judge's alone."""
    return asdict(found)


def jury_json(found: Jury) -> dict[str, object]:
    """A jury: `gain` in points, everything else as shares and coefficients."""
    return asdict(found)


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


def cascade_table(found: Cascade, *, width: int = 80, color: bool = False) -> str:
    """The sentences, then what each share of pairs passed on gains and costs."""
    from rich.text import Text

    small, large = called([found.small, found.large])
    lines = [_cascade_line(point, small) for point in found.steps]
    cost = "1.00" if found.cost.ratio is not None else UNDEFINED
    kept = UNDEFINED if found.alone.k in (None, 0) else "100.0"
    lines.append([f"{large} alone", "", interval(found.alone, percent), kept, cost])
    headers = ["passed on, % of pairs", "confidence\nbelow", "accuracy %\n[95 % interval]", "kept\n%"]
    title = f"{found.small.benchmark}: {small} first, the pairs it is unsure of to {large}"
    body = table(title, [*headers, f"{found.cost.unit}, of\nlarge alone"], lines, frozenset({2}))
    sentences = [_over_all(found, small, large), _recommended(found, small, large)]
    explained = [
        f"over all {found.pairs:,} pairs: {found.verdicts:,} verdicts, {found.trials:,} times held to a human vote",
        f"kept: accuracy, in % of that of {large} alone",
        _about_cost(found.cost, small, large),
    ]
    return render([*(Text(line) for line in sentences), body, notes(*explained)], width, color)


def jury_table(found: Jury, *, width: int = 80, color: bool = False) -> str:
    """Jurors and juries by accuracy, then how far each two jurors agree."""
    names = dict(
        zip([one.identity for one in found.jurors], called([one.identity for one in found.jurors]), strict=True)
    )
    alone = [
        [names[one.identity], interval(one.accuracy, percent), "", value(one.format_errors, percent)]
        for one in found.jurors
    ]
    together = [[one.name, interval(one.accuracy, percent), interval(one.gain, points), ""] for one in found.together]
    headers = ["juror, jury", "accuracy %\n[95 % interval]", "points gained on\nthe best juror", "format\nerrors %"]
    twos = [
        [
            f"{names[two.first]}, {names[two.second]}",
            interval(two.agreement, percent),
            interval(two.kappa, _coefficient),
        ]
        for two in found.twos
    ]
    agreeing = ["jurors", "same verdict %\n[95 % interval]", "Cohen's kappa\n[95 % interval]"]
    title = f"{found.jurors[0].identity.benchmark}, judged by {len(found.jurors)} jurors"
    return render(
        [
            table(title, headers, alone + together, frozenset({1})),
            table("", agreeing, twos),
            notes(*_about_jury(found, names)),
        ],
        width,
        color,
    )


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


def _nothing() -> list[Step]:
    """The steps of a run on pairs of which nobody has judged any."""
    return [Step(wished, 1.0, 0.0, Figure(None)) for wished in COVERAGES]


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


def _cascade_line(point: Point, small: str) -> list[str]:
    passed = percent(point.passed)
    return [
        f"{passed} ({small} alone)" if point.passed == 0 else passed,
        UNDEFINED if point.passed == 0 else threshold(point.threshold),
        interval(point.accuracy, percent),
        UNDEFINED if point.kept is None else percent(point.kept),
        UNDEFINED if point.cost is None else f"{point.cost:.2f}",
    ]


def _over_all(found: Cascade, small: str, large: str) -> str:
    """What there is to be had, looking back on all pairs."""
    least, unit = found.least, found.cost.unit
    if least is None or least.kept is None:
        return f"{large} is never right here: there is no accuracy to keep."
    begin = f"Over all pairs, in hindsight, {_who(least, small)}"
    if least.threshold == ABOVE:
        return f"Only {large} itself keeps {100 * found.keep:g} % of its accuracy: no pair can be left to {small}."
    kept = f"{begin} keeps {percent(least.kept)} % of {large}'s accuracy"
    if least.cost is None:
        return f"{kept}, at a cost unknown: {found.cost.unknown}."
    if least.cost < HALF:
        return f"{kept} at {least.cost:.2f} of its {unit}, which is under half."
    if least.cost < 1:
        return f"{kept} at {least.cost:.2f} of its {unit}; no point keeps {100 * found.keep:g} % for under half."
    return f"{kept} at {least.cost:.2f} of its {unit}: nothing is saved, {large} alone is cheaper."


def _recommended(found: Cascade, small: str, large: str) -> str:
    """The threshold chosen on one half, by what it does on the other."""
    choice = found.choice
    if choice is None:
        return "Nothing is recommended."
    told = choice.told
    begin = "Recommended by one half of the pairs:"
    if choice.chosen.threshold == ABOVE:
        return f"{begin} {large} alone, nothing less keeps enough."
    if choice.chosen.cost is not None and choice.chosen.cost >= 1:
        return f"{begin} {large} alone, which costs less than a cascade that keeps enough."
    passed = f"it passes on {percent(told.passed)} %, " if choice.chosen.passed else "it "
    kept = UNDEFINED if told.kept is None else percent(told.kept)
    cost = "" if told.cost is None else f" at {told.cost:.2f} of its {found.cost.unit}"
    return (
        f"{begin} {_who(choice.chosen, small)}. On the other {choice.pairs:,} pairs {passed}"
        f"is right in {interval(told.accuracy, percent)} %, and keeps {kept} % of {large}'s accuracy{cost}: "
        f"{interval(choice.drop, points)} points lost{_short(told, found.keep)}."
    )


def _short(told: Point, keep: float) -> str:
    """Chosen by an estimate, a threshold may keep less elsewhere: that must not pass unsaid."""
    if told.kept is None or told.kept >= keep:
        return ""
    return f"; that is less than the {100 * keep:g} % asked for, which one half of the pairs is too few to tell"


def _who(point: Point, small: str) -> str:
    if point.passed == 0:
        return f"{small} alone"
    return f"passing on below {threshold(point.threshold)}"


def _about_cost(cost: Cost, small: str, large: str) -> str:
    if cost.unknown is not None or cost.small is None or cost.large is None or cost.ratio is None:
        return f"cost unknown: {cost.unknown}"
    floor = f"{small} judges every pair, so no cascade costs less than {cost.ratio:.2f}"
    if cost.unit == "bytes":
        return f"bytes of weights: {small} {size(int(cost.small))}, {large} {size(int(cost.large))}; {floor}"
    first, second = _seconds(cost.small), _seconds(cost.large)
    return f"time of a verdict, loading included: {small} {first}, {large} {second}; {floor}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _about_jury(found: Jury, names: dict[Identity, str]) -> list[str]:
    lines = [
        f"{found.pairs:,} pairs, {found.verdicts:,} verdicts of each juror, {found.trials:,} times held to a human vote"
    ]
    if found.best is not None:
        lines.append(f"best juror: {names[found.jurors[found.best].identity]}, on these same verdicts")
    if any(one.accuracy.value is None for one in found.together) and found.trials:
        lines.append("mean probability: a juror has no probabilities, so there is none")
    lines.append(f"all jurors: Fleiss' kappa {interval(found.fleiss, _coefficient)}")
    return lines


def _coefficient(kappa: float) -> str:
    return signed_number(kappa, ".3f")
