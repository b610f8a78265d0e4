"""Stopping as soon as it is known who is ahead: how often a wrong claim is made at any time, and how many questions it
takes.

    python benchmarks/ranking_stopping.py        # a few minutes; writes results/ranking/stopping.json

**Wrong claims.** Systems that are all equally good, so that each "A beats B" is wrong: their own questions come in
random order and have a mean of exactly 1/2 for every pair, or are a sample of a population with that mean. It is
counted in how many walks any pair of systems is ever said to be decided, looking after every block of 16 questions.

**Questions needed** for one pair of systems with a true win rate, and for one of 45 pairs (ten systems), beside a
design whose size is fixed beforehand, with the true rate known, for a power of 0.8.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
OUT = ROOT / "results" / "ranking"

from edge_judge.analysis.ranking.stopping import ahead, observations  # noqa: E402
from edge_judge.analysis.sequential_test import ALPHA  # noqa: E402

Numbers = NDArray[np.float64]

QUESTIONS = 805
WALKS = 2000
CHUNK = 100
RATES = (0.53, 0.56, 0.6, 0.7)
SEED = 16


@dataclass(frozen=True, slots=True)
class WrongClaims:
    """wrong: the share of walks in which some pair of systems was ever said to be decided."""

    systems: int
    scores: str
    questions: int
    new: bool
    walks: int
    wrong: float


@dataclass(frozen=True, slots=True)
class Needed:
    """Questions until it is known who is ahead. decided: the share of walks in which it was, with all questions or
    before. fixed: of a design of fixed size, power 0.8.
    """

    rate: float
    scores: str
    pairs: int
    new: bool
    median: float
    mean: float
    decided: float
    fixed: int


def verdicts(chance: np.random.Generator, shape: tuple[int, ...], edge: Numbers) -> Numbers:
    """Scores by verdicts alone, the mean over two orders. edge: of each question, how likely `first` is the better."""
    better = chance.random(shape) < edge
    turned = chance.random(shape) < 0.2  # the other order says the opposite
    return np.where(turned, 0.5, better.astype(float))


def probabilities(chance: np.random.Generator, shape: tuple[int, ...], edge: Numbers) -> Numbers:
    """Scores by probabilities, most of them near 1/2."""
    return np.clip(chance.normal(edge, 0.2, shape), 0, 1)


def rare(chance: np.random.Generator, shape: tuple[int, ...], edge: Numbers) -> Numbers:
    """Ties, but for one question in thirty: hard for a test that trusts what it has seen."""
    won = chance.random(shape) < edge
    return np.where(chance.random(shape) < 1 / 30, won.astype(float), 0.5)


KINDS: dict[str, Callable[..., Numbers]] = {"verdicts": verdicts, "probabilities": probabilities, "rare wins": rare}


def equal_systems(chance: np.random.Generator, systems: int, kind: Callable[..., Numbers]) -> Numbers:
    """Scores of each pair of systems on each question: shape (pairs, questions), of a population whose mean is 1/2.

    Each question suits one system more than another, so that pairs with a system in common are wrong together.
    """
    suits = chance.normal(0, 0.15, (systems, QUESTIONS))
    edges = np.array([np.clip(0.5 + suits[one] - suits[two], 0, 1) for one, two in combinations(range(systems), 2)])
    return kind(chance, edges.shape, edges)


def own_questions(scores: Numbers) -> Numbers:
    """The same with a mean of exactly 1/2: half of the questions, and each turned round."""
    half = scores[:, : QUESTIONS // 2]
    return np.concatenate([half, 1 - half], axis=1)


def wrong_claims(systems: int, name: str, new: bool) -> WrongClaims:
    chance = np.random.default_rng([SEED, systems, new])
    pairs, wrong = comb(systems, 2), 0
    for _ in range(WALKS // CHUNK):
        walks = [equal_systems(chance, systems, KINDS[name]) for _ in range(CHUNK)]
        if not new:  # all pairs of a walk have the same order of questions
            walks = [chance.permutation(own_questions(scores), axis=1) for scores in walks]
        stacked = np.array(walks)
        seen = observations(stacked, None if new else stacked.shape[-1])
        sides = (seen, seen.mirrored())
        claimed = np.any([ahead(side, ALPHA / pairs).any(axis=(-2, -1)) for side in sides], axis=0)
        wrong += int(claimed.sum())
    return WrongClaims(systems, name, stacked.shape[-1], new, WALKS, wrong / WALKS)


def needed(rate: float, name: str, pairs: int, new: bool) -> Needed:
    chance = np.random.default_rng([SEED, round(100 * rate)])
    edge = 0.5 + (rate - 0.5) / 0.8 if name == "verdicts" else rate  # a fifth of these is drawn to 1/2
    scores = KINDS[name](chance, (WALKS // 4, QUESTIONS), np.full(QUESTIONS, edge))
    seen = observations(scores, None if new else QUESTIONS)
    known = ahead(seen, ALPHA / pairs)
    used = np.where(known.any(axis=1), seen.ends[known.argmax(axis=1)], QUESTIONS)
    mean, variance = float(scores.mean()), float(scores.var())
    size = (ndtri(1 - ALPHA / pairs) + ndtri(0.8)) ** 2 * variance / (mean - 0.5) ** 2
    fixed = size if new else size / (1 + size / QUESTIONS)
    return Needed(
        rate, name, pairs, new, float(np.median(used)), round(float(used.mean()), 1), float(known.any(axis=1).mean()),
        round(fixed),
    )  # fmt: skip


def main() -> None:
    claims = [wrong_claims(systems, name, new) for name in KINDS for systems in (2, 6) for new in (False, True)]
    for claim in claims:
        print(claim, flush=True)
    costs = [
        needed(rate, name, pairs, new)
        for name in ("verdicts", "probabilities")
        for pairs in (1, 45)
        for new in (False, True)
        for rate in RATES
    ]
    for cost in costs:
        print(cost, flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    record = {
        "alpha_each_side": ALPHA,
        "seed": SEED,
        "wrong_claims": [asdict(claim) for claim in claims],
        "questions_needed": [asdict(cost) for cost in costs],
    }
    (OUT / "stopping.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
