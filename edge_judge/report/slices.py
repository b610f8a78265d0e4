"""A judge in slices -> tables for a person, CSV, and a plain dict for a program.

Knows: which slice comes first, and how a p that chance may explain is told. Does not know: where figures come from; it
prints nothing and opens no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from edge_judge.analysis.slices import FEWEST, AuthorPreference, Parity, Slice, Slices, Trait
from edge_judge.metrics.sign_flip import LEVEL
from edge_judge.records import Figure
from edge_judge.report.columns import INTERVAL_LINE, Value
from edge_judge.report.formatting import (
    UNDEFINED,
    Form,
    Part,
    Table,
    difference,
    difference_of_shares,
    interval,
    notes,
    percent,
    points,
    probability,
    table,
    value,
)
from edge_judge.report.forms import Sheet, sheet, written

TOO_FEW = "too few"
CATEGORY_HEADINGS = ("pairs", "accuracy %" + INTERVAL_LINE, "drop, points" + INTERVAL_LINE, "p", "adjusted\np")
LENGTH_HEADINGS = ("pairs", "accuracy %" + INTERVAL_LINE, "baseline", "drop, points" + INTERVAL_LINE)
TRAITS: Mapping[str, tuple[str, Callable[[float], str]]] = {  # in JSON: in the table, and how a figure looks there
    "position_bias": ("position bias, points", difference_of_shares),
    "hidden_mass": ("hidden mass, %", percent),
    "overconfidence": ("overconfidence, points", difference_of_shares),
    "brier": ("Brier score, × 100", percent),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A figure of the CSV: what it is about, and what it is."""

    slices: Slices
    kind: str
    name: str
    figure: str
    value: Figure
    unit: str
    pairs: int | None = None
    p: float | None = None
    adjusted_p: float | None = None


def slices_json(found: Slices) -> dict[str, object]:
    """A judge in slices: `drop`, `gap` and `change` of a parity in points, everything else as shares in [0, 1]."""
    content = asdict(found)
    content["worst"] = None if found.worst is None else found.worst.name
    return {**content.pop("identity"), **content}


def _sheet(found: Sequence[Slices]) -> Sheet:
    """A line for each figure: of all pairs, of each category, length, trait and author."""
    fields: dict[str, Callable[[Line], Value]] = {
        "benchmark": lambda line: line.slices.identity.benchmark,
        "model": lambda line: line.slices.identity.model,
        "scheme": lambda line: line.slices.identity.scheme,
        "grammar": lambda line: line.slices.identity.grammar,
        "baseline": lambda line: None if line.slices.baseline is None else line.slices.baseline.scheme,
        "kind": lambda line: line.kind,
        "name": lambda line: line.name,
        "figure": lambda line: line.figure,
        "unit": lambda line: line.unit,
        "value": lambda line: line.value.value,
        "low": lambda line: line.value.low,
        "high": lambda line: line.value.high,
        "pairs": lambda line: line.pairs,
        "p": lambda line: line.p,
        "adjusted_p": lambda line: line.adjusted_p,
    }
    return sheet("figures", fields, [line for one in found for line in _lines(one)])


def slices_table(found: Sequence[Slices], *, form: Form = "table", width: int = 80, color: bool = False) -> str:
    """Each judge's tables: categories, the worst first; length; what changed; authors.

    CSV has a line for each figure. width: columns; color: False gives plain text without any escape code.
    """
    parts: list[Part] = []
    for one in found:
        about = list(about_categories(one))
        parts += [_categories(one), *([notes(*about)] if about else []), _about_judge(one)]
        if one.length is not None:
            parts.append(_length(one.length))
        if one.authors:
            parts.append(_authors(one.authors, one.baseline is not None))
    parts.append(notes(*_legend(found)))
    return written(parts, [_sheet(found)], form=form, width=width, color=color)


def _title(one: Slices) -> str:
    who = one.identity
    against = "" if one.baseline is None else f", against {one.baseline.scheme}"
    return f"{who.benchmark}, judged by {who.model} {who.scheme} with --grammar {who.grammar}{against}"


def _worst_first(one: Slices) -> list[Slice]:
    def place(slice_: Slice) -> tuple[float, float]:
        accuracy = 2.0 if slice_.accuracy.value is None else slice_.accuracy.value
        return (-(slice_.drop.value or 0.0) if one.baseline else 0.0, accuracy)

    return sorted(one.categories, key=place)


def _categories(one: Slices) -> Table:
    headers = ["category", *CATEGORY_HEADINGS[: None if one.baseline else 2]]
    return table(_title(one), headers, category_rows(one), frozenset({2 if one.baseline is None else 3}))


def category_rows(one: Slices) -> list[list[str]]:
    """A row for all pairs, and one for each category, the worst first: its name, then what CATEGORY_HEADINGS say, the
    first two of them without a baseline.
    """
    if one.baseline is None:
        return [[row.name or "none", f"{row.pairs:,}", interval(row.accuracy, percent)] for row in _all(one)]
    return [
        [
            row.name or "none",
            f"{row.pairs:,}",
            interval(row.accuracy, percent),
            value(row.drop, points) if row.is_small else interval(row.drop, points),
            TOO_FEW if row.is_small else probability(row.p),
            UNDEFINED if row is one.whole or row.is_small else probability(row.adjusted_p),
        ]
        for row in _all(one)
    ]


def _all(one: Slices) -> list[Slice]:
    return [one.whole, *_worst_first(one)]


def about_categories(one: Slices) -> Iterator[str]:
    """What to make of them, a line each."""
    if one.worst is not None:
        worst = one.worst
        chance = " and chance alone may explain it" if (worst.adjusted_p or 0.0) > LEVEL else ""
        tested = sum(row.adjusted_p is not None for row in one.categories)
        yield (
            f"worst of {tested} categories: {worst.name}, {value(worst.drop, points)} points lost; "
            f"adjusted for all of them p is {probability(worst.adjusted_p)}{chance}"
        )
    elif one.categories and one.baseline is not None:
        yield "no tested category lost accuracy"
    if one.two_way:
        yield "intervals: for new questions and new pairs of answering systems; p: for new questions"


def _about_judge(one: Slices) -> Table:
    traits = {name: getattr(one.traits, name) for name in TRAITS}
    compared = one.baseline is not None
    rows = [
        [
            TRAITS[name][0],
            interval(trait.value, TRAITS[name][1]),
            *([value(trait.was, TRAITS[name][1]), interval(trait.change, difference_of_shares)] * compared),
        ]
        for name, trait in traits.items()
    ]
    was = [] if one.baseline is None else [one.baseline.scheme, "change" + INTERVAL_LINE]
    headers = ["what accuracy does not show", one.identity.scheme + INTERVAL_LINE, *was]
    return table("", headers, rows, frozenset({len(headers) - 1}))


def _length(length: Parity) -> Table:
    headers = ["by length", *LENGTH_HEADINGS[: 4 if length.was.value is not None else 2]]
    return table("", headers, length_rows(length))


def length_rows(length: Parity) -> list[list[str]]:
    """Where the longer answer is right, where the shorter is, and the gap: the name, then what LENGTH_HEADINGS say, the
    first two of them without a baseline.
    """
    compared = length.was.value is not None
    slices = (length.favoured, length.other)
    rows = [
        [
            row.name,
            f"{row.pairs:,}",
            interval(row.accuracy, percent),
            *([value(row.was, percent), interval(row.drop, points)] * compared),
        ]
        for row in slices
    ]
    gap = [value(length.was, difference), interval(_turned(length.change), difference)] * compared
    return [*rows, ["gap, points", "", interval(length.gap, difference), *gap]]


def _turned(change: Figure) -> Figure:
    """What the gap lost, as the drops above it."""
    if change.value is None or change.low is None or change.high is None:
        return change
    return Figure(-change.value, -change.high, -change.low)


def _authors(authors: Sequence[AuthorPreference], compared: bool) -> Table:
    rows = [
        [
            author.author + " (own)" * author.own,
            f"{author.pairs:,}",
            value(author.judge, percent),
            value(author.people, percent),
            interval(author.parity.gap, difference),
            probability(author.adjusted_p),
            *([value(author.parity.change, difference)] * compared),
        ]
        for author in authors
    ]
    wins = ["wins %,\njudge", "wins %,\npeople", "preference, points" + INTERVAL_LINE, "adjusted\np"]
    return table("", ["author", "pairs", *wins, *(["change"] * compared)], rows, frozenset({4}))


def _legend(found: Sequence[Slices]) -> Iterator[str]:
    if any(one.baseline for one in found):
        yield "drop: points of accuracy lost; p: exact sign-flip test of the loss per cluster of pairs"
    if any(row.adjusted_p is not None for one in found for row in one.categories):
        yield "adjusted p: for all categories of one run that are tested (Holm, Westfall & Wolfinger)"
    if any(row.is_small for one in found for row in one.categories):
        yield f"{TOO_FEW}: fewer than {FEWEST} independent questions, not tested"
    yield "hidden mass: probability not on legal verdicts; overconfidence: mean probability minus accuracy"
    if any(one.length for one in found):
        yield "gap: accuracy where the longer answer is right, minus where the shorter is; above 0 favours length"
    if any(one.authors for one in found):
        yield (
            "preference: accuracy where this author's answer is right, minus accuracy where the other's is; "
            "own: judge and author have the same name"
        )


def _lines(one: Slices) -> Iterator[Line]:
    yield from _slice_lines(one, "all", one.whole)
    for category in one.categories:
        yield from _slice_lines(one, "category", category)
    for name in TRAITS:
        trait: Trait = getattr(one.traits, name)
        for figure in ("value", "was", "change"):
            yield Line(one, "trait", name, figure, getattr(trait, figure), "share")
    if one.length is not None:
        yield from _parity_lines(one, "length", "longer", one.length, one.length.p)
    for author in one.authors:
        yield Line(one, "author", author.author, "judge", author.judge, "share", author.pairs)
        yield Line(one, "author", author.author, "people", author.people, "share", author.pairs)
        yield from _parity_lines(one, "author", author.author, author.parity, author.adjusted_p)


def _slice_lines(one: Slices, kind: str, row: Slice) -> Iterator[Line]:
    yield Line(one, kind, row.name, "accuracy", row.accuracy, "share", row.pairs)
    if one.baseline is not None:
        yield Line(one, kind, row.name, "was", row.was, "share", row.pairs)
        yield Line(one, kind, row.name, "drop", row.drop, "points", row.pairs, row.p, row.adjusted_p)


def _parity_lines(one: Slices, kind: str, name: str, parity: Parity, adjusted_p: float | None) -> Iterator[Line]:
    yield from _slice_lines(one, kind, parity.favoured)
    yield from _slice_lines(one, kind, parity.other)
    yield Line(one, kind, name, "gap", parity.gap, "points", None, parity.p, adjusted_p)
    if one.baseline is not None:
        yield Line(one, kind, name, "was", parity.was, "points")
        yield Line(one, kind, name, "change", parity.change, "points")
