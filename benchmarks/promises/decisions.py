"""What `edge-judge choose` and the page say of schemes: how often a statement is wrong, whenever one stops.

All populations lose a little more than the margin, where an error is most likely, but for some schemes or benchmarks
that lose nothing, so that wider gates open. A run is a population (new pairs), or a random order of one (own pairs).
Stopping at any look: a statement counts as made if any block of the walk would have let it be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_judge.analysis import sequential_test
from edge_judge.analysis.sampling import FEWEST, LOOK
from edge_judge.analysis.sequential_test import ALPHA, Observations
from promises.promise import Promise

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Generator = np.random.Generator

MARGIN = 0.02
CHUNK = 250_000  # values that are walked at once, to keep memory small
LITTLE = 1e-7  # by which a population lies beyond the margin


def losses(rng: Generator, shape: tuple[int, ...], flips: float, together: float, loss: float) -> Numbers:
    """The losses of pairs by verdicts, the mean of both orders. flips: the share of verdicts that become right or
    wrong; together: the share of these that the other order shares; loss: their mean, at most `flips`.
    """
    both = rng.random(shape) < together
    first, second = (_one_order(rng, shape, flips, loss) for _ in range(2))
    found: Numbers = (first + np.where(both, first, second)) / 2
    return found


def _one_order(rng: Generator, shape: tuple[int, ...], flips: float, loss: float) -> Numbers:
    chance = rng.random(shape)
    return (chance < (flips + loss) / 2).astype(float) - (chance >= 1 - (flips - loss) / 2)


def ends(n: int) -> NDArray[np.int64]:
    """Of the blocks of `sampling.walk`."""
    count = min(n, max(FEWEST, -(-n // LOOK)))
    return np.array([n * number // count for number in range(1, count + 1)])


def ever_within(values: Numbers, total: int | None, margin: float, bound: float = 1.0) -> Flags:
    """For each walk whether some block says that it is within the margin. values: shape (runs, n)."""
    walk = Observations(values, ends(values.shape[-1]), total, bound, MARGIN)
    found: Flags = sequential_test.not_above(walk, margin).any(axis=-1)
    return found


def chunks(runs: int, pairs: int) -> Iterator[int]:
    size = max(1, CHUNK // pairs)
    yield from (min(size, runs - done) for done in range(0, runs, size))


def counted(runs: int, pairs: int, wrong: Callable[[int], Flags]) -> int:
    return sum(int(wrong(count).sum()) for count in chunks(runs, pairs))


def own(pairs: int, flips: float, together: float) -> Callable[[Generator, int], int]:
    """Random orders of one benchmark that loses more than the margin."""

    def broken(rng: Generator, runs: int) -> int:
        values = losses(rng, (pairs,), flips, together, MARGIN)
        margin = float(values.mean()) - LITTLE
        return counted(runs, pairs, lambda n: ever_within(rng.permuted(np.tile(values, (n, 1)), axis=1), pairs, margin))

    return broken


def new(pairs: int, flips: float, together: float) -> Callable[[Generator, int], int]:
    """Benchmarks drawn from a population that loses the margin."""

    def broken(rng: Generator, runs: int) -> int:
        return counted(
            runs, pairs, lambda n: ever_within(losses(rng, (n, pairs), flips, together, MARGIN), None, MARGIN)
        )

    return broken


def questions(clusters: int, votes: bool) -> Callable[[Generator, int], int]:
    """Questions of one to nine pairs; the larger ones lose more, pairs of a question lose alike. votes: three on each
    pair, of which a flipped verdict loses one or all. What a question says is made as `decision` makes it: its pairs
    up to a random one, and questions in an order that owes nothing to their size.
    """

    def wrong(rng: Generator, count: int) -> Flags:
        shape = (count, clusters)
        size = rng.choice([1, 1, 1, 2, 4, 9], shape)
        hard = rng.random(shape) < 0.05 + 0.01 * size  # a question whose pairs may flip
        speaks = rng.integers(1, size + 1)
        mean = MARGIN / float((0.05 + 0.01 * np.array([1, 1, 1, 2, 4, 9])).mean())
        total, seen = np.zeros(shape), np.zeros(shape)
        for place in range(9):
            lost = losses(rng, shape, 0.6, 0.5, mean)
            if votes:
                lost = lost * rng.choice([1 / 3, 1.0], shape) * 1.5
            use = place < speaks
            total += np.where(use & hard, np.clip(lost, -1, 1), 0)
            seen += use
        return ever_within(total / seen, None, MARGIN if not votes else clipped(mean))

    def clipped(mean: float) -> float:
        """The population's mean loss where votes are counted; exact by listing what two orders can lose."""
        more, less = (0.6 + mean) / 2, (0.6 - mean) / 2
        one = {1.0: more, -1.0: less, 0.0: 0.4}
        chances: dict[float, float] = {}
        for a, p in one.items():
            chances[a] = chances.get(a, 0.0) + 0.5 * p
            for b, q in one.items():
                chances[(a + b) / 2] = chances.get((a + b) / 2, 0.0) + 0.5 * p * q
        each = sum(p * (np.clip(x * 1.5 / 3, -1, 1) + np.clip(x * 1.5, -1, 1)) / 2 for x, p in chances.items())
        return float(each) * float((0.05 + 0.01 * np.array([1, 1, 1, 2, 4, 9])).mean())

    return lambda rng, runs: counted(runs, clusters, lambda n: wrong(rng, n))


def voted(pairs: int) -> Callable[[Generator, int], int]:
    """Random orders of a benchmark whose pairs have 1 to 30 votes, and lose the more the more they have."""

    def broken(rng: Generator, runs: int) -> int:
        votes = rng.integers(1, 31, pairs)
        lost = losses(rng, (pairs,), 0.08, 0.5, MARGIN) * (rng.random(pairs) < votes / 20) * votes
        margin = float(lost.mean()) - LITTLE
        return counted(
            runs, pairs, lambda n: ever_within(rng.permuted(np.tile(lost, (n, 1)), axis=1), pairs, margin, 30.0)
        )

    return broken


def benchmarks(sizes: Sequence[int], population: bool) -> Callable[[Generator, int], int]:
    """One of several benchmarks loses the margin, the others nothing; wrong if every one is said to be within."""

    def broken(rng: Generator, runs: int) -> int:
        fixed = [losses(rng, (size,), 0.04, 0.5, MARGIN if not place else 0.0) for place, size in enumerate(sizes)]

        def wrong(count: int) -> Flags:
            said = np.ones(count, bool)
            for place, size in enumerate(sizes):
                if population:
                    values = losses(rng, (count, size), 0.04, 0.5, MARGIN if not place else 0.0)
                    said &= ever_within(values, None, MARGIN)
                else:
                    values = rng.permuted(np.tile(fixed[place], (count, 1)), axis=1)
                    said &= ever_within(values, size, MARGIN if place else float(fixed[0].mean()) - LITTLE)
            return said

        return counted(runs, sum(sizes), wrong)

    return broken


def ladder(schemes: int, good: int, pairs: int, population: bool) -> Callable[[Generator, int], int]:
    """The widest schemes lose nothing, all others the margin, on the same pairs in the same order; wrong if any of the
    others is said to be within. Decided one after the other, up to the first that is not said to be.
    """

    def broken(rng: Generator, runs: int) -> int:
        lost = [MARGIN if place >= good else 0.0 for place in range(schemes)]
        fixed = np.stack([losses(rng, (pairs,), 0.04, 0.5, one) for one in lost])

        def wrong(count: int) -> Flags:
            order = rng.permuted(np.tile(np.arange(pairs), (count, 1)), axis=1)
            open_, error = np.ones(count, bool), np.zeros(count, bool)
            for place in range(schemes):
                if population:
                    open_ &= ever_within(losses(rng, (count, pairs), 0.04, 0.5, lost[place]), None, MARGIN)
                else:
                    margin = (
                        max(MARGIN, float(fixed[0].mean())) if place < good else float(fixed[place].mean()) - LITTLE
                    )
                    open_ &= ever_within(fixed[place][order], pairs, margin)
                if place >= good:
                    error |= open_
            return error

        return counted(runs, pairs, wrong)

    return broken


def interval(pairs: int, loss: float, population: bool) -> Callable[[Generator, int], int]:
    """Whether the interval at some block leaves out the mean."""

    def excludes(values: Numbers, mean: float) -> Flags:
        walk = Observations(values, ends(pairs), None if population else pairs, 1.0, MARGIN)
        high = sequential_test.log_capital(walk, mean) >= -np.log(ALPHA)
        low = sequential_test.log_capital(walk.mirrored(), -mean) >= -np.log(ALPHA)
        known = walk.whole()  # then it is the mean itself
        return np.asarray(((high | low) & ~known).any(axis=-1))

    def broken(rng: Generator, runs: int) -> int:
        fixed = losses(rng, (pairs,), 0.06, 0.5, loss)
        if population:
            return counted(runs, pairs, lambda n: excludes(losses(rng, (n, pairs), 0.06, 0.5, loss), loss))
        mean = float(fixed.mean())
        return counted(runs, pairs, lambda n: excludes(rng.permuted(np.tile(fixed, (n, 1)), axis=1), mean))

    return broken


OWN = "a scheme is said to agree on the benchmark's own pairs and loses more than the margin there"
NEW = "a scheme is said to be trusted on new pairs and loses more than the margin there"
EVERY = "a scheme is said to agree on every benchmark and loses more than the margin on one"
INTERVAL = "the interval of a change leaves out what is true, at some look"
LADDER = "some scheme of a ladder is said to agree and loses more than the margin"

DESIGNS = (  # pairs, share of verdicts that flip, how the two orders of a pair flip, in words and as a share
    (100, 0.04, "apart", 0.0),
    (600, 0.02, "together", 1.0),
    (600, 0.10, "together", 1.0),
    (1400, 0.06, "half together", 0.5),
    (3000, 0.04, "apart", 0.0),
)

PROMISES = [
    *(
        Promise(OWN, f"{n:,} pairs, {flips:.0%} flips, orders {how}", ALPHA, own(n, flips, share))
        for n, flips, how, share in DESIGNS
    ),
    Promise(OWN, "600 pairs of 1 to 30 votes", ALPHA, voted(600)),
    *(
        Promise(NEW, f"{n:,} pairs, {flips:.0%} flips, orders {how}", ALPHA, new(n, flips, share))
        for n, flips, how, share in DESIGNS
    ),
    Promise(NEW, "500 questions of 1 to 9 pairs, larger ones lose more", ALPHA, questions(500, votes=False)),
    Promise(NEW, "500 questions of 1 to 9 pairs, votes that differ", ALPHA, questions(500, votes=True)),
    Promise(EVERY, "own pairs, 1,000 and 400", ALPHA, benchmarks((400, 1000), population=False)),
    Promise(EVERY, "own pairs, 300, 600 and 1,000", ALPHA, benchmarks((300, 600, 1000), population=False)),
    Promise(EVERY, "new pairs, 1,000 and 600", ALPHA, benchmarks((600, 1000), population=True)),
    *(
        Promise(INTERVAL, f"{where}, {n:,} pairs, {loss:.0%} lost", 2 * ALPHA, interval(n, loss, where == "new pairs"))
        for where, n, loss in (
            ("own pairs", 600, 0.0),
            ("own pairs", 1400, 0.03),
            ("new pairs", 600, 0.03),
            ("new pairs", 1400, 0.0),
        )
    ),
    *(
        Promise(LADDER, f"{where}, {n} {'schemes' if n > 1 else 'scheme'}, {good} of them good, 600 pairs", ALPHA, made)
        for where, n, good, made in (
            ("own pairs", 1, 0, ladder(1, 0, 600, population=False)),
            ("own pairs", 3, 1, ladder(3, 1, 600, population=False)),
            ("own pairs", 5, 2, ladder(5, 2, 600, population=False)),
            ("new pairs", 3, 1, ladder(3, 1, 600, population=True)),
            ("new pairs", 5, 0, ladder(5, 0, 600, population=True)),
        )
    ),
]
