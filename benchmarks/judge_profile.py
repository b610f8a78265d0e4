"""Where the time of reading goes: what each part of a decode call costs, and how much of each a workload has.

    python benchmarks/judge_profile.py [--work NAME]       minutes; kept in results/speed/profile/NAME.json

A call is taken to cost a sum: something for itself, since every weight is read once; for the first token whose
probabilities are wanted, since the output matrix is read; for each token; for each whose probabilities are wanted; and
in attention, over all layers and heads, for each tile of 64 tokens by 64 cells of the cache. Such a tile is computed
where any of its tokens attends to any of its cells, else it is only looked at. The costs are those of least squares
over calls of several sizes, with calls like those of llama-bench's `-p 512` between them, and the machine's drift taken
out by these. Which tiles count is found by giving tokens to cells as llama.cpp does: the first free ones.
Knows: plans, how llama.cpp fills its cache. Does not know: other tools.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from statistics import median

import judge_build
import judge_work
import numpy as np
from judge_build import ROOT
from judge_table import UBATCH
from numpy.typing import NDArray

from edge_judge.engine import LocalEngine, Model, plan
from edge_judge.engine.evaluator import TRUNK, Evaluator
from edge_judge.engine.fitting import evaluator_for_reading
from edge_judge.engine.plan import TILE, Plan, Query, Window
from edge_judge.judging.judge import prepare
from edge_judge.records import Batching, Limits

SIZES = (Batching().cells, 128, 256, 512)  # tokens of a call; first the usual
SEEN = 256  # cells: llama.cpp looks at so many, or twice as many, …
EVERY = 4  # calls between two of -p 512
PARTS = ("call", "first output", "token", "output", "tile", "masked tile")


@dataclass(frozen=True, slots=True)
class Holds:
    """What a decode call holds; the order is that of PARTS."""

    calls: int
    first: int
    tokens: int
    outputs: int
    tiles: int
    masked: int


class Cells:
    """Who holds each cell of a cache, and at which position."""

    def __init__(self, count: int) -> None:
        self._holders: list[set[int]] = [set() for _ in range(count)]
        self._positions = [0] * count

    def remove(self, sequence: int, start: int = 0) -> None:
        for holders, position in zip(self._holders, self._positions, strict=True):
            if position >= start:
                holders.discard(sequence)

    def copy(self, source: int, target: int, end: int) -> None:
        for holders, position in zip(self._holders, self._positions, strict=True):
            if position < end and source in holders:
                holders.add(target)

    def take(self, tokens: Sequence[tuple[int, set[int]]]) -> NDArray[np.bool_]:
        """Put tokens (position, sequences) into the first free cells: which attends to which, (tokens, cells)."""
        free = [cell for cell, holders in enumerate(self._holders) if not holders]
        for cell, (position, sequences) in zip(free, tokens, strict=False):
            self._holders[cell], self._positions[cell] = set(sequences), position
        last = max(cell for cell, holders in enumerate(self._holders) if holders)
        seen = range(min(-(-(last + 1) // SEEN) * SEEN, len(self._holders)))
        return np.array([
            [self._positions[cell] <= position and not sequences.isdisjoint(self._holders[cell]) for cell in seen]
            for position, sequences in tokens
        ])


def held(part: Plan, size: int, capacity: int) -> Iterator[Holds]:
    """What each call of a plan holds, in a cache of so many cells."""
    cells = Cells(capacity)
    for window in plan.windows(part, size, Batching().members):
        slots = range(1, len(window.members) + 1)
        for slot, member in zip(slots, window.members, strict=True):
            cells.copy(TRUNK, slot, member.keep)
        cells.remove(TRUNK, window.trunk)
        yield _holds(window, cells.take(list(_tokens(window, slots))))
        for slot in slots:
            cells.remove(slot)


def _tokens(window: Window, slots: range) -> Iterator[tuple[int, set[int]]]:
    for _, position, members in window.cells:
        kept = {TRUNK} if len(window.members) - 1 in members else set()
        yield position, {slots[member] for member in members} | kept


def _holds(window: Window, attends: NDArray[np.bool_]) -> Holds:
    rows, columns = (-(-length // TILE) for length in attends.shape)
    padded = np.zeros((rows * TILE, columns * TILE), np.bool_)
    padded[: attends.shape[0], : attends.shape[1]] = attends
    tiles = int(padded.reshape(rows, TILE, columns, TILE).any((1, 3)).sum())
    outputs = len({read.cell for read in window.reads})
    return Holds(1, min(outputs, 1), len(window.cells), outputs, tiles, rows * columns - tiles)


class Reference:
    """A call like that of `-p 512`, made again and again: what the machine can do at the moment."""

    def __init__(self, evaluator: Evaluator, part: Plan) -> None:
        self._evaluator, self._part = evaluator, part
        self.seconds: list[float] = []

    def measure(self) -> float:
        """The seconds of one call."""
        start = time.perf_counter()
        for _ in self._evaluator.read(self._part, lambda _: None):
            pass
        self.seconds.append(time.perf_counter() - start)
        return self.seconds[-1]


def timed(evaluator: Evaluator, part: Plan, reference: Reference) -> list[float]:
    """What each call of a plan takes, as a share of what the reference takes at the time."""
    found: list[float] = []
    unit = reference.measure()

    def done(_: int) -> None:
        nonlocal unit, start
        found.append((time.perf_counter() - start) / unit)
        if len(found) % EVERY == 0:
            unit = (unit + reference.measure()) / 2
        start = time.perf_counter()

    start = time.perf_counter()
    for _ in evaluator.read(part, done):
        pass
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", choices=judge_work.WORKS, default="pandalm", help="whose first block is read")
    name = parser.parse_args().work
    judge_work.check_shared()
    work = judge_work.load(name)
    drawn = random.Random(0)
    with Model(judge_build.model(judge_work.VOCABULARY)) as model:
        part = prepare(LocalEngine.of(model), work.protocol, work.questions).work().plans[0]
        tokens = tuple(drawn.choices(range(model.vocabulary), k=UBATCH))
        (plain,) = plan.blocks([Query(tokens, (UBATCH - 1,))], 0)
        with _evaluator(model, plain, UBATCH) as evaluator:
            reference = Reference(evaluator, plain)
            reference.measure()  # the first call is slower
            (alone,) = held(plain, UBATCH, evaluator.capacity)
            seen = [_seen(model, part, size, reference) for size in SIZES]
    unit = median(reference.seconds[1:])
    calls = [(one, share * unit) for found in seen for one, share in found]
    calls += [(alone, unit)] * (len(calls) // EVERY)
    table = np.array([(*astuple(one), seconds) for one, seconds in calls])
    costs = np.linalg.lstsq(table[:, :-1], table[:, -1], rcond=None)[0]
    _keep(name, unit, costs, alone, seen[0])


def _evaluator(model: Model, part: Plan, size: int) -> AbstractContextManager[Evaluator]:
    reads = max(read for wanted in part.reads.values() for _, read in wanted) + 1
    return evaluator_for_reading(model, [part], reads, Batching(cells=size, micro=size), Limits())


def _seen(model: Model, part: Plan, size: int, reference: Reference) -> list[tuple[Holds, float]]:
    """What each call of so many tokens holds, and its share of the reference's time."""
    with _evaluator(model, part, size) as evaluator:
        took = timed(evaluator, part, reference)
        return list(zip(held(part, size, evaluator.capacity), took, strict=True))


def _keep(
    name: str, unit: float, costs: NDArray[np.float64], alone: Holds, seen: Sequence[tuple[Holds, float]]
) -> None:
    """What each part costs, and what a thousand tokens of the workload and of -p 512 take of it."""
    plain = np.array(astuple(alone))
    whole = np.array([astuple(one) for one, _ in seen]).sum(axis=0)
    tokens = int(whole[PARTS.index("token")])
    limit = UBATCH / unit  # tokens a second
    found = {
        "work": name,
        "-p 512, tokens/s": round(limit, 1),
        "of the limit": round(tokens / (sum(share for _, share in seen) * unit) / limit, 3),
        "of the limit, by the costs": round(tokens / float(whole @ costs) / limit, 3),
        "milliseconds of one": _by_part(1e3 * costs),
        "for 1000 tokens": _by_part(1e3 * whole / tokens),
        "for 1000 tokens of -p 512": _by_part(1e3 * plain / UBATCH),
        "milliseconds for 1000 tokens": _by_part(1e6 * costs * whole / tokens),
        "milliseconds for 1000 tokens of -p 512": _by_part(1e6 * costs * plain / UBATCH),
    }
    kept = ROOT / "results" / "speed" / "profile" / f"{name}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found, indent=1) + "\n")
    print(kept.read_text(), end="")


def _by_part(values: NDArray[np.float64]) -> dict[str, float]:
    return {part: round(float(value), 3) for part, value in zip(PARTS, values, strict=True)}


if __name__ == "__main__":
    main()
