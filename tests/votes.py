"""Made-up votes of a judge on systems of known strength, for the tests of rankings."""

from __future__ import annotations

from math import nan

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from edge_judge.analysis.ranking.games import WINNERS, Game, Games, games

FEW = settings(max_examples=40)  # a frame takes its time
NAMES = ("ada", "bert", "cleo", "dora", "egon", "fritz", "gina", "hugo")


def made_up(
    strengths: list[float],
    questions: int,
    seed: int,
    *,
    soft: bool = False,
    tie: float = 0.4,
    bias: float = 0.3,
    errors: float = 0.0,
    spread: float = 1.0,
) -> Games:
    """Both orders of every pair on every question. spread: of a system's luck on a question; bias: for what is first.

    soft: with the probabilities that the verdicts were drawn from. errors: share of votes without a verdict.
    """
    chance = np.random.default_rng(seed)
    names = NAMES[: len(strengths)]
    rows = []
    for question in range(questions):
        quality = np.array(strengths) + spread * chance.standard_normal(len(strengths))
        lengths = chance.integers(50, 900, len(strengths))
        for i, j in zip(*np.triu_indices(len(strengths), 1), strict=True):
            for order in ("ab", "ba"):
                half = (quality[i] - quality[j] + (bias if order == "ab" else -bias)) / 2
                p = np.array([np.exp(half), np.exp(-half), tie])
                p /= p.sum()
                verdict = None if chance.random() < errors else WINNERS[chance.choice(3, p=p)]
                given = p.tolist() if soft and verdict else (nan, nan, nan)
                size = int(lengths[i]), int(lengths[j])
                rows.append(Game(f"q{question}", names[i], names[j], order, verdict, *given, *size))
    return games(rows, names)


def any_votes(systems: int = 4, most: int = 15) -> st.SearchStrategy[list[Game]]:
    """Votes in any number on any pairs, with and without probabilities and verdicts."""
    pairs = [(one, other) for one in NAMES[:systems] for other in NAMES[:systems] if one != other]
    shares = [(nan, nan, nan), (0.6, 0.3, 0.1), (0.0, 0.25, 0.75), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0)]
    votes = st.tuples(
        st.integers(0, 4), st.sampled_from(pairs), st.sampled_from(["ab", "ba"]),
        st.sampled_from([*WINNERS, None]), st.sampled_from(shares), st.integers(0, 50), st.integers(0, 50),
    )  # fmt: skip

    def rows(drawn: list[tuple]) -> list[Game]:
        return [Game(f"q{n}", *pair, order, verdict, *p, *sizes) for n, pair, order, verdict, p, *sizes in drawn]

    return st.lists(votes, min_size=1, max_size=most).map(rows)
