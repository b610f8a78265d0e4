"""A cascade of two judges -> a table with its sentences for a person, and a plain dict for a program.

Knows: how thresholds and costs read well. Does not know: where figures come from; it prints nothing and opens no file.
"""

from __future__ import annotations

from dataclasses import asdict

from edge_judge.analysis.cascade import ABOVE, Cascade, Cost, Point
from edge_judge.report.formatting import UNDEFINED, interval, notes, percent, points, render, size, table
from edge_judge.report.selective import called, threshold

HALF = 0.5  # of the large judge's cost


def cascade_json(found: Cascade) -> dict[str, object]:
    """A cascade: `drop` in points, `passed`, `kept` and `cost` as shares, cost of the large judge's alone."""
    return asdict(found)


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
