"""Two answers rated by themselves: from the probabilities of their scores to a verdict.

Knows: numbers. Does not know: models, prompts, where the probabilities come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_judge.records import Label

SAME = 0.5  # expected scores less than this apart are rounded to the same one as often as not


def expected(p: Mapping[int, float]) -> float:
    """The probability-weighted score (Liu et al. 2023, G-Eval, arXiv:2303.16634)."""
    return sum(score * share for score, share in p.items())


def compare(
    first: Mapping[int, float], second: Mapping[int, float], labels: Sequence[Label]
) -> tuple[Label | None, dict[Label, float]]:
    """The verdict on two answers in the order shown, and its probabilities, from those of their scores.

    The verdict goes to the higher expected score; where a tie is legal, one of less than half a point is a tie,
    and where it is not, two equal scores give no verdict. The probabilities are those of what two scores, drawn
    independently, would say; without ties, a draw of equal ones is halved.
    """
    above = sum(p * q for score, p in first.items() for other, q in second.items() if score > other)
    below = sum(p * q for score, p in first.items() for other, q in second.items() if score < other)
    equal = max(0.0, 1.0 - above - below)
    apart = expected(first) - expected(second)
    if "tie" in labels:
        verdict: Label | None = "tie" if abs(apart) < SAME else "a" if apart > 0 else "b"
        return verdict, {"a": above, "b": below, "tie": equal}
    verdict = None if apart == 0 else "a" if apart > 0 else "b"
    return verdict, {"a": above + equal / 2, "b": below + equal / 2}
