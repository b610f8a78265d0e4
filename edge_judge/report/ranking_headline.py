"""Ranked systems -> the answer in one sentence, for the top of a page.

Knows: who is known to be ahead of whom. Does not know: figures, tables.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from edge_judge.analysis.ranking.standings import RankedSystems

NAMED = 3  # systems that are named where there are more


def headline(ranked: RankedSystems) -> str:
    """The answer in one sentence: who is the best, or how each system does against the baseline."""
    names = [standing.system for standing in ranked.standings]
    won, equal = beats(ranked), _equal(ranked)
    if ranked.against is not None:
        others = [name for name in names if name != ranked.against]
        return _against(ranked.against, others, won, equal)
    best, *others = names
    if not won and len(others) > 1:
        return f"No two of the {len(names)} systems can be told apart"
    lost = [name for name in others if (name, best) in won]
    ahead = [name for name in others if (best, name) in won]
    within = [name for name in others if frozenset((best, name)) in equal]
    open_ = [name for name in others if name not in {*ahead, *lost, *within}]
    if len(ahead) == len(others):
        many = "both" if len(others) == 2 else f"all {len(others)}"
        return f"{best} beats {others[0] if len(others) == 1 else f'{many} other systems'}"
    but = [
        f"{what} {_listed(some)}"
        for what, some in (("loses to", lost), ("is not told apart from", open_), ("is within the margin of", within))
        if some
    ]
    return f"{best} {' and '.join(but)}" if len(others) == 1 else f"{best} leads, but {' and '.join(but)}"


def _against(baseline: str, others: Sequence[str], won: Set[tuple[str, str]], equal: Set[frozenset[str]]) -> str:
    ahead = [name for name in others if (name, baseline) in won]
    behind = [name for name in others if (baseline, name) in won]
    within = [name for name in others if frozenset((name, baseline)) in equal]
    open_ = [name for name in others if name not in {*ahead, *behind, *within}]
    said = [
        f"{_listed(some)} {one if len(some) == 1 else several} {baseline}"
        for one, several, some in (
            ("beats", "beat", ahead),
            ("is within the margin of", "are within the margin of", within),
            ("is not told apart from", "are not told apart from", open_),
            ("loses to", "lose to", behind),
        )
        if some
    ]
    return "; ".join(said)


def beats(ranked: RankedSystems) -> Set[tuple[str, str]]:
    """Who is known to be ahead of whom: by the statements that hold wherever judging stops, where there are some."""
    if ranked.decided is None:
        return {(one.better, one.worse) for one in ranked.ranking.differences if one.decided}
    known = {pair: pair.new.outcome for pair in ranked.decided.pairs}
    return {
        (pair.first, pair.second) if outcome == "first" else (pair.second, pair.first)
        for pair, outcome in known.items()
        if outcome in ("first", "second")
    }


def _equal(ranked: RankedSystems) -> Set[frozenset[str]]:
    pairs = ranked.decided.pairs if ranked.decided else ()
    return {frozenset((pair.first, pair.second)) for pair in pairs if pair.new.outcome == "equal"}


def _listed(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    if len(names) > NAMED + 1:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
