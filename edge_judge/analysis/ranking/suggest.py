"""Which pairs a person should label next, so that the labels are a random sample of all pairs.

All pairs have one order, drawn at random by a seed. Whoever labels its first n has labelled n pairs drawn evenly, also
where n grows from one day to the next. So the next ones are the first in the order that have no label yet. To prefer
pairs of which the judge is unsure would need fewer labels, and an estimate that weights them: it is not done.

The order is a hash of names. Pairs that are added later have places among the others, and come first if theirs are
early: so that the sample is one of all pairs again.

Knows: the names of pairs. Does not know: verdicts, files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from edge_judge.analysis import sampling
from edge_judge.analysis.ranking.games import Games
from edge_judge.analysis.ranking.pairs import AnswerPair, pair_scores
from edge_judge.errors import UsageError

SEED = 0


def to_label(games: Games) -> tuple[AnswerPair, ...]:
    """The pairs that were judged and can be labelled: not those with equal answers."""
    scores = pair_scores(games)
    return tuple(pair for pair, asked in zip(scores.pairs, scores.asked.tolist(), strict=True) if asked)


def suggest(
    pairs: Sequence[AnswerPair], labelled: Collection[AnswerPair], count: int, seed: int = SEED
) -> tuple[AnswerPair, ...]:
    """The next `count` pairs in random order, fewer where fewer are left. pairs: all that could be labelled.

    labelled: with a label already, either system first; they are left out. Raises UsageError for a count below 1.
    """
    if count < 1:
        raise UsageError(f"{count} pairs to label", "use at least 1")
    known = {_name(pair) for pair in labelled}
    return tuple([pair for pair in in_order(pairs, seed) if _name(pair) not in known][:count])


def skipped(pairs: Sequence[AnswerPair], labelled: Collection[AnswerPair], seed: int = SEED) -> int:
    """How many pairs come before the last labelled one in the order and have no label.

    Labels are a random sample only where none was passed over because it was hard, or chosen because it was not.
    """
    known = {_name(pair) for pair in labelled}
    flags = [_name(pair) in known for pair in in_order(pairs, seed)]
    last = max((place for place, flag in enumerate(flags) if flag), default=-1)
    return flags[: last + 1].count(False)


def in_order(pairs: Iterable[AnswerPair], seed: int = SEED) -> list[AnswerPair]:
    """The pairs in random order, whatever the order in which they are given."""
    named = {_name(pair): pair for pair in pairs}
    return [named[name] for name in sampling.shuffled(list(named), "label", seed)]


def _name(pair: AnswerPair) -> str:
    """The same for both orders of the systems."""
    return "\n".join([pair.question, *sorted([pair.first, pair.second])])
