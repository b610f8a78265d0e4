"""The groups of systems that cannot be told apart, as letters (a compact letter display).

Knows: places, and which pairs of them differ. Does not know: what makes them differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Pair = tuple[int, int]


def letters(ranked: Sequence[int], apart: Iterable[Pair]) -> dict[int, tuple[str, ...]]:
    """The letters of each place: two share one if and only if they are not apart.

    ranked: all places, the best first; `a` is the group of the best. By inserting and absorbing (Piepho 2004, J. Comp.
    Graph. Stat. 13:456-466): a group with two members that are apart becomes two groups, each without one of them, and
    a group within another one is dropped.
    """
    groups = [frozenset(ranked)]
    for first, second in apart:
        split: list[frozenset[int]] = []
        for group in groups:
            split += [group - {first}, group - {second}] if {first, second} <= group else [group]
        kept = list(dict.fromkeys(split))
        groups = [group for group in kept if not any(group < other for other in kept)]
    order = {place: rank for rank, place in enumerate(ranked)}
    groups.sort(key=lambda group: sorted(order[place] for place in group))
    return {place: tuple(_letter(n) for n, group in enumerate(groups) if place in group) for place in ranked}


def _letter(number: int) -> str:
    """a to z, then aa, ab and so on."""
    more, last = divmod(number, 26)
    return (_letter(more - 1) if more else "") + chr(ord("a") + last)
