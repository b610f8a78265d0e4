"""A cascade of two judges -> a table with its sentences for a person, and a plain dict for a program.

Knows: how thresholds and costs read well. Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from math import nan

from edge_judge.analysis.cascade import ABOVE, Cascade, Cost, Point
from edge_judge.quantities import counted, short_time
from edge_judge.report.columns import Value, figure_values
from edge_judge.report.formatting import UNDEFINED, Form, Part, Sentence, interval, notes, percent, points, size, table
from edge_judge.report.forms import Sheet, sheet, written
from edge_judge.report.selective import short_names, threshold

HALF = 0.5  # of the large judge's cost


def cascade_json(cascade: Cascade) -> dict[str, object]:
    """A cascade: `drop` in points, `passed`, `kept` and `cost` as shares, cost of the large judge's alone."""
    return asdict(cascade)


def cascade_table(cascade: Cascade, *, form: Form = "table", width: int = 80, color: bool = False) -> str:
    """The sentences, then what each share of pairs passed on gains and costs."""
    small, large = short_names([cascade.small, cascade.large])
    lines = [_cascade_line(point, small) for point in cascade.steps]
    cost = "1.00" if cascade.cost.ratio is not None else UNDEFINED
    kept = "100.0" if cascade.alone.k else UNDEFINED
    lines.append([f"{large} alone", "", interval(cascade.alone, percent), kept, cost])
    headers = ["passed on, % of pairs", "confidence\nbelow", "accuracy %\n[95 % interval]", "kept\n%"]
    title = f"{cascade.small.benchmark}: {small} first, pairs of low confidence go to {large}"
    body = table(title, [*headers, f"{cascade.cost.unit}, of\nlarge alone"], lines, frozenset({2}))
    sentences = [_over_all(cascade, small, large), _recommended(cascade, small, large)]
    explained = [
        f"over {counted(cascade.pairs, 'pair')}: {counted(cascade.verdicts, 'verdict')}, "
        f"{counted(cascade.trials, 'comparison')} with human labels",
        f"kept: accuracy, in % of that of {large} alone",
        "shown: a threshold that keeps less on new pairs is recommended in at most 5 % of cases",
        _about_cost(cascade.cost, small, large),
    ]
    parts: list[Part] = [*map(Sentence, sentences), body, notes(*explained)]
    return written(parts, [_sheet(cascade)], form=form, width=width, color=color)


def _sheet(cascade: Cascade) -> Sheet:
    """A line for each step, and at last one for the large judge alone, which has no threshold."""
    cost, kept = (None if cascade.cost.ratio is None else 1.0), (1.0 if cascade.alone.k else None)
    alone = Point(nan, 1.0, cascade.alone, kept, cost)
    fields: dict[str, Callable[[Point], Value]] = {
        "judges": lambda point: "large alone" if point is alone else "cascade",
        "passed_share": lambda point: point.passed,
        "threshold": lambda point: None if point is alone else point.threshold,
        **figure_values("accuracy", "share", lambda point: point.accuracy),
        "kept_share": lambda point: point.kept,
        f"cost_{cascade.cost.unit}_of_large_alone": lambda point: point.cost,
    }
    return sheet("steps", fields, [*cascade.steps, alone])


def _cascade_line(point: Point, small: str) -> list[str]:
    passed = percent(point.passed)
    return [
        f"{passed} ({small} alone)" if point.passed == 0 else passed,
        UNDEFINED if point.passed == 0 else threshold(point.threshold),
        interval(point.accuracy, percent),
        UNDEFINED if point.kept is None else percent(point.kept),
        UNDEFINED if point.cost is None else f"{point.cost:.2f}",
    ]


def _over_all(cascade: Cascade, small: str, large: str) -> str:
    """What there is to be had, looking back on all pairs."""
    least, unit = cascade.least, cascade.cost.unit
    if least is None or least.kept is None:
        return f"{large} is never right here: no accuracy to keep."
    begin = f"Over all pairs, in hindsight, {_who(least, small)}"
    if least.threshold == ABOVE:
        return f"Only {large} itself keeps {100 * cascade.keep:g} % of its accuracy: no pair can be left to {small}."
    kept = f"{begin} keeps {percent(least.kept)} % of {large}'s accuracy"
    if least.cost is None:
        return f"{kept}, cost unknown: {cascade.cost.unknown}."
    if least.cost < HALF:
        return f"{kept} at {least.cost:.2f} of its {unit}, which is under half."
    if least.cost < 1:
        return f"{kept} at {least.cost:.2f} of its {unit}; no threshold keeps {100 * cascade.keep:g} % at under half."
    return f"{kept} at {least.cost:.2f} of its {unit}: nothing is saved, {large} alone is cheaper."


def _recommended(cascade: Cascade, small: str, large: str) -> str:
    """The threshold that is shown to keep enough, with what it does on these pairs; or that there is none."""
    choice, keep = cascade.choice, f"{100 * cascade.keep:g} %"
    if cascade.least is None:
        return "Nothing is recommended."
    if choice is None:
        begin = (
            f"Recommended: {large} alone. No threshold is shown to keep {keep} of its accuracy on new pairs like these"
        )
        if cascade.wanted is None:
            return f"{begin}, and more pairs like these would not show one."
        return f"{begin}; about {counted(cascade.wanted, 'pair')} like these would show one."
    point = choice.point
    if point.cost is not None and point.cost >= 1:
        return f"Recommended: {large} alone, which costs less than a cascade that is shown to keep {keep}."
    passed = f"It passes on {percent(point.passed)} %, " if point.passed else "It "
    cost = "" if point.cost is None else f" at {point.cost:.2f} of its {cascade.cost.unit}"
    return (
        f"Recommended: {_who(point, small)}, which is shown to keep at least {keep} on new pairs like these. {passed}"
        f"is right in {interval(point.accuracy, percent)} % here{cost}: {interval(choice.drop, points)} points lost."
    )


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
    first, second = short_time(cost.small), short_time(cost.large)
    return f"time of a verdict, loading included: {small} {first}, {large} {second}; {floor}"
