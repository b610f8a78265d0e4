"""Each answer rated by itself: the grammar has finitely many texts, and each is a score.

Knows: how the probabilities of two answers' scores become a verdict. Does not know: models, prompts, where the
probabilities come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import ClassVar, Self

from edge_judge.errors import GrammarError
from edge_judge.inference import Distribution, Reading, Written
from edge_judge.protocols.kinds.kind import GrammarFile, Kind, ShownVerdict
from edge_judge.records import Label

TIE_GAP = 0.5  # expected scores closer than this round to the same score as often as not
UNSCORED = "no score"
ROUNDING = 1e-9  # by which the difference of two expected scores may come out smaller than it is


@dataclass(frozen=True, slots=True)
class Pointwise(Kind[Distribution[int] | Written[int]]):
    """scores: every legal text and its score."""

    one_by_one: ClassVar[bool] = True
    scores: Mapping[str, int]

    @classmethod
    def from_file(cls, file: GrammarFile) -> Self:
        legal = file.texts("root")
        if odd := [text for text in legal if not text.strip().isdigit()]:
            raise GrammarError(f"it accepts {odd[0]!r}, which is not a score", "a score is a whole number")
        return cls({text: int(text) for text in legal})

    def request(self, labels: tuple[Label, ...], limit: int) -> Reading[int]:
        return Reading(self.scores)

    def read(
        self, answers: Sequence[Distribution[int] | Written[int]], labels: tuple[Label, ...], texts: tuple[str, ...]
    ) -> ShownVerdict:
        first, second = answers
        if isinstance(first, Written) or isinstance(second, Written):
            return self._from_texts(answers, labels)
        verdict, p = verdict_from_scores(first.p, second.p, labels)
        mass = (first.mass + second.mass) / 2
        scores, respelled = (expected(first.p), expected(second.p)), max(first.respelled, second.respelled)
        return ShownVerdict(verdict, p, mass=mass, scores=scores, respelled=respelled)

    def _from_texts(
        self, answers: Sequence[Distribution[int] | Written[int]], labels: tuple[Label, ...]
    ) -> ShownVerdict:
        """The verdict where a score was written: it counts in full, and the verdict has no probabilities."""
        scores = [
            self.scores.get(answer.text) if isinstance(answer, Written) else round(expected(answer.p))
            for answer in answers
        ]
        first, second = scores
        if first is None or second is None:
            return ShownVerdict(None, text=", ".join(UNSCORED if score is None else str(score) for score in scores))
        verdict, _ = verdict_from_scores({first: 1.0}, {second: 1.0}, labels)
        return ShownVerdict(verdict, scores=(float(first), float(second)))

    def verdict(self, text: str, texts: tuple[str, ...]) -> Label | None:
        """A score alone is no verdict."""
        return None


def expected(p: Mapping[int, float]) -> float:
    """The probability-weighted score (Liu et al. 2023, G-Eval, arXiv:2303.16634)."""
    return fsum(score * share for score, share in p.items())  # from Python 3.12 on its own sum adds in another way


def verdict_from_scores(
    first: Mapping[int, float], second: Mapping[int, float], labels: Sequence[Label]
) -> tuple[Label, dict[Label, float]]:
    """The verdict on two answers in the order shown, and its probabilities, from the probabilities of their scores.

    The answer with the higher expected score wins. If a tie is legal, a gap of less than half a point is a tie. If it
    is not and the expected scores are equal, the answer wins that is more often ahead in two independent draws. If
    these are equal too, as for one answer shown twice, the verdict is a tie, legal or not: both answers were rated, so
    it is no format error, and either name would be a bias. The probabilities are those of two independent draws;
    without ties, the probability of equal scores is halved.
    """
    draws = [(score - other, p * q) for score, p in first.items() for other, q in second.items()]
    above = fsum(p for gap, p in draws if gap > 0)  # exact, so that equal answers are exactly as often ahead
    below = fsum(p for gap, p in draws if gap < 0)
    equal = max(0.0, 1.0 - above - below)
    lead = expected(first) - expected(second)
    if "tie" in labels:
        return _winner(lead, TIE_GAP), {"a": above, "b": below, "tie": equal}
    return _winner(lead or above - below), {"a": above + equal / 2, "b": below + equal / 2}


def _winner(lead: float, least: float = 0.0) -> Label:
    """The winner by the lead of a over b; a tie if the lead is 0 or less than `least`."""
    if lead == 0 or abs(lead) < least - ROUNDING:
        return "tie"
    return "a" if lead > 0 else "b"
