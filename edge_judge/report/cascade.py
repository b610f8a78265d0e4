"""A cascade of two judges -> a table with its sentences for a person, and a plain dict for a program.

Knows: how thresholds and costs read well. Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from dataclasses import asdict

from rich.text import Text

from edge_judge.analysis.cascade import ABOVE, Cascade, Cost, Point
from edge_judge.report.formatting import UNDEFINED, interval, notes, percent, points, render, size, table
from edge_judge.report.selective import short_names, threshold

HALF = 0.5  # of the large judge's cost


def cascade_json(cascade: Cascade) -> dict[str, object]:
    """A cascade: `drop` in points, `passed`, `kept` and `cost` as shares, cost of the large judge's alone."""
    return asdict(cascade)


def cascade_table(cascade: Cascade, *, width: int = 80, color: bool = False) -> str:
    """The sentences, then what each share of pairs passed on gains and costs."""
    small, large = short_names([cascade.small, cascade.large])
    lines = [_cascade_line(point, small) for point in cascade.steps]
    cost = "1.00" if cascade.cost.ratio is not None else UNDEFINED
    kept = "100.0" if cascade.alone.k else UNDEFINED
    lines.append([f"{large} alone", "", interval(cascade.alone, percent), kept, cost])
    headers = ["passed on, % of pairs", "confidence\nbelow", "accuracy %\n[95 % interval]", "kept\n%"]
    title = f"{cascade.small.benchmark}: {small} first, the pairs it is unsure of to {large}"
    body = table(title, [*headers, f"{cascade.cost.unit}, of\nlarge alone"], lines, frozenset({2}))
    sentences = [_over_all(cascade, small, large), _recommended(cascade, small, large)]
    explained = [
        f"over all {cascade.pairs:,} pairs: {cascade.verdicts:,} verdicts, "
        f"{cascade.trials:,} times held to a human vote",
        f"kept: accuracy, in % of that of {large} alone",
        _about_cost(cascade.cost, small, large),
    ]
    return render([*(Text(line) for line in sentences), body, notes(*explained)], width, color)


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
        return f"{large} is never right here: there is no accuracy to keep."
    begin = f"Over all pairs, in hindsight, {_who(least, small)}"
    if least.threshold == ABOVE:
        return f"Only {large} itself keeps {100 * cascade.keep:g} % of its accuracy: no pair can be left to {small}."
    kept = f"{begin} keeps {percent(least.kept)} % of {large}'s accuracy"
    if least.cost is None:
        return f"{kept}, at a cost unknown: {cascade.cost.unknown}."
    if least.cost < HALF:
        return f"{kept} at {least.cost:.2f} of its {unit}, which is under half."
    if least.cost < 1:
        return f"{kept} at {least.cost:.2f} of its {unit}; no point keeps {100 * cascade.keep:g} % for under half."
    return f"{kept} at {least.cost:.2f} of its {unit}: nothing is saved, {large} alone is cheaper."


def _recommended(cascade: Cascade, small: str, large: str) -> str:
    """The threshold chosen on one half, by what it does on the other."""
    choice = cascade.choice
    if choice is None:
        return "Nothing is recommended."
    effect = choice.told
    begin = "Recommended by one half of the pairs:"
    if choice.chosen.threshold == ABOVE:
        return f"{begin} {large} alone, nothing less keeps enough."
    if choice.chosen.cost is not None and choice.chosen.cost >= 1:
        return f"{begin} {large} alone, which costs less than a cascade that keeps enough."
    passed = f"it passes on {percent(effect.passed)} %, " if choice.chosen.passed else "it "
    kept = UNDEFINED if effect.kept is None else percent(effect.kept)
    cost = "" if effect.cost is None else f" at {effect.cost:.2f} of its {cascade.cost.unit}"
    return (
        f"{begin} {_who(choice.chosen, small)}. On the other {choice.pairs:,} pairs {passed}"
        f"is right in {interval(effect.accuracy, percent)} %, and keeps {kept} % of {large}'s accuracy{cost}: "
        f"{interval(choice.drop, points)} points lost{_short(effect, cascade.keep)}."
    )


def _short(point: Point, keep: float) -> str:
    """Chosen by an estimate, a threshold may keep less on other pairs: a reader must know."""
    if point.kept is None or point.kept >= keep:
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
