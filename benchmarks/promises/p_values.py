"""The p of a loss, Holm's p and the smallest loss that could have been seen: how often each is wrong.

Knows: populations of clusters in which two judges are equally good, or one loses as much as said.
Does not know: verdicts, files. It calls the project's own tests.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edge_judge.metrics.sign_flip import LEVEL, POWER, holm, sign_flip, smallest_loss

from .promise import Promise

Whole = NDArray[np.int64]
Draw = Callable[[np.random.Generator, float], Whole]  # (chance, points lost as a share) -> lost minus won of each trial


def orders(pairs: int, flips: float, together: float, random: np.random.Generator, loss: float = 0.0) -> Whole:
    """Lost minus won of both orders of each pair: shape (pairs, 2).

    flips: the share of trials that differ; together: the share of pairs whose second order does what the first does.
    """
    up = (flips - loss) / 2
    kinds = random.choice([-1, 0, 1], size=(pairs, 2), p=[up, 1 - flips, flips - up])
    same = random.random(pairs) < together
    kinds[same, 1] = kinds[same, 0]
    return kinds


def clustered(
    sizes: Whole, flips: float, alike: float, votes: int, random: np.random.Generator, loss: float = 0.0
) -> tuple[Whole, Whole]:
    """Lost minus won of each vote, and its question. sizes: pairs of each question, each in both orders; alike: the
    share of a question's pairs that do what its first does. A judge that flips is told so by all votes on the pair.
    """
    questions = np.repeat(np.arange(len(sizes)), sizes)
    kinds = orders(len(questions), flips, 0.5, random, loss)
    first = np.searchsorted(questions, questions)
    copied = random.random(len(questions)) < alike
    kinds[copied] = kinds[first[copied]]
    agreeing = random.random((len(questions), votes)) < 0.8  # a vote that says otherwise turns what was lost into won
    signed = np.where(agreeing, 1, -1)[:, None, :] * kinds[:, :, None]
    return signed.reshape(-1), np.repeat(questions, 2 * votes)


def false_differences(pairs: int, flips: float, together: float, random: np.random.Generator, runs: int) -> int:
    places = np.repeat(np.arange(pairs), 2)
    return sum(sign_flip(orders(pairs, flips, together, random).ravel(), places) <= LEVEL for _ in range(runs))


def false_in_clusters(
    sizes: Whole, flips: float, alike: float, votes: int, random: np.random.Generator, runs: int
) -> int:
    return sum(sign_flip(*clustered(sizes, flips, alike, votes, random)) <= LEVEL for _ in range(runs))


def false_where_losses_are_large(groups: int, times: int, random: np.random.Generator, runs: int) -> int:
    """Beyond what the test takes for granted: a cluster that loses, loses so many times what one that wins wins."""
    sizes, chances = np.array([-1, 0, times]), np.array([0.4, 0.6 - 0.4 / times, 0.4 / times])
    return sum(sign_flip(random.choice(sizes, groups, p=chances), np.arange(groups)) <= LEVEL for _ in range(runs))


def some_false(schemes: int, random: np.random.Generator, runs: int) -> int:
    """Ladders of schemes that lose nothing, alike because they share their f16, with some Holm's p at 5 % or less."""
    places, wrong = np.repeat(np.arange(600), 2), 0
    for _ in range(runs):
        shared = orders(600, 0.03, 0.5, random)
        own = [orders(600, 0.03, 0.5, random) for _ in range(schemes)]
        adjusted = holm([sign_flip(np.where(shared, shared, one).ravel(), places) for one in own])
        wrong += any(p is not None and p <= LEVEL for p in adjusted)
    return wrong


def unseen(pairs: int, flips: float, together: float, random: np.random.Generator, runs: int) -> int:
    """Runs in which a loss as large as one benchmark says could be seen is not seen on the next."""
    places, missed = np.repeat(np.arange(pairs), 2), 0
    for _ in range(runs):
        first = orders(pairs, flips, together, random).ravel()
        loss = smallest_loss(first == 1, first == -1, places)
        assert loss is not None
        lost = orders(pairs, max(flips, loss), together, random, loss).ravel()
        missed += not (sign_flip(lost, places) <= LEVEL and lost.sum() > 0)
    return missed


EQUAL = "Of two equally good judges p is at most 5 % in no more than 5 %"
PANDALM = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10] * 17)  # pairs of an instruction
MTBENCH = np.full(80, 12)

PROMISES = [
    Promise(EQUAL, "100 pairs, 10 % flip, orders apart", LEVEL, partial(false_differences, 100, 0.1, 0.0)),
    Promise(EQUAL, "600 pairs, 5 % flip, orders together", LEVEL, partial(false_differences, 600, 0.05, 1.0)),
    Promise(EQUAL, "3,000 pairs, 4 % flip, orders half together", LEVEL, partial(false_differences, 3000, 0.04, 0.5)),
    Promise(EQUAL, "170 questions of 1 to 10 pairs, 1 vote", LEVEL, partial(false_in_clusters, PANDALM, 0.1, 0.5, 1)),
    Promise(EQUAL, "80 questions of 12 pairs, 3 votes", LEVEL, partial(false_in_clusters, MTBENCH, 0.1, 0.3, 3)),
    Promise(EQUAL, "100 pairs of 30 votes", LEVEL, partial(false_in_clusters, np.ones(100, np.int64), 0.1, 0.0, 30)),
    Promise(
        "Of two judges that are equally good on average alone, p is at most 5 % in no more than 12 %",
        "100 clusters, what loses loses 10 times what wins",
        0.12,
        partial(false_where_losses_are_large, 100, 10),
    ),
    Promise(
        "Of five schemes that lose nothing, some Holm's p is at most 5 % in no more than 5 %",
        "600 pairs, 6 % flip, half of it in all schemes",
        LEVEL,
        partial(some_false, 5),
    ),
    Promise(
        "The smallest loss to be seen is missed on the next benchmark in no more than 20 %",
        "600 pairs, 4 % flip, orders half together",
        1 - POWER,
        partial(unseen, 600, 0.04, 0.5),
        1000,
    ),
    Promise(
        "The smallest loss to be seen is missed on the next benchmark in no more than 20 %",
        "300 pairs, 1 % flip, orders apart",
        1 - POWER,
        partial(unseen, 300, 0.01, 0.0),
        1000,
    ),
]
