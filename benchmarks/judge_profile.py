"""Where the time of reading goes: the cost of each part of a decode call, and how much of each part a workload has.

    python benchmarks/judge_profile.py [--work NAME]       minutes; saved in results/speed/profile/NAME.json

The model: the cost of a call is a sum. One part is for the call itself, which reads every weight once; one for its
first output (a token whose probabilities are read), which reads the output matrix; one for each token; one for each
output; and in attention, over all layers and heads, one for each tile of 64 tokens by 64 cells of the cache. A tile is
computed where any of its tokens attends to any of its cells; any other is masked and only tested. The costs are a
least-squares fit over calls of several sizes. Calls like those of llama-bench's `-p 512` run in between and remove the
machine's drift. Tiles are counted by placing tokens as llama.cpp does: into the first free cells.
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

SIZES = (Batching().cells, 128, 256, 512)  # tokens of a call; the first is the product's own
VISIBLE = 256  # cells: llama.cpp attends to a multiple of this many
EVERY = 4  # calls between two reference calls
PARTS = ("call", "first output", "token", "output", "tile", "masked tile")


@dataclass(frozen=True, slots=True)
class CallParts:
    """How much of each part a decode call has, in the order of PARTS."""

    calls: int
    first: int
    tokens: int
    outputs: int
    tiles: int
    masked: int


class Cells:
    """The sequences and the position of each cell of a cache."""

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
        """Put tokens (position, sequences) into the first free cells. Returns which token attends to which cell, as
        booleans of shape (tokens, cells).
        """
        free = [cell for cell, holders in enumerate(self._holders) if not holders]
        for cell, (position, sequences) in zip(free, tokens, strict=False):
            self._holders[cell], self._positions[cell] = set(sequences), position
        last = max(cell for cell, holders in enumerate(self._holders) if holders)
        visible = range(min(-(-(last + 1) // VISIBLE) * VISIBLE, len(self._holders)))
        return np.array(
            [
                [
                    self._positions[cell] <= position and not sequences.isdisjoint(self._holders[cell])
                    for cell in visible
                ]
                for position, sequences in tokens
            ]
        )


def call_parts(part: Plan, size: int, capacity: int) -> Iterator[CallParts]:
    """The parts of each call of a plan. size: tokens of a call; capacity: cells of the cache."""
    cells = Cells(capacity)
    for window in plan.windows(part, size, Batching().members):
        slots = range(1, len(window.members) + 1)
        for slot, member in zip(slots, window.members, strict=True):
            cells.copy(TRUNK, slot, member.keep)
        cells.remove(TRUNK, window.trunk)
        yield _parts(window, cells.take(list(_tokens(window, slots))))
        for slot in slots:
            cells.remove(slot)


def _tokens(window: Window, slots: range) -> Iterator[tuple[int, set[int]]]:
    for _, position, members in window.cells:
        kept = {TRUNK} if len(window.members) - 1 in members else set()
        yield position, {slots[member] for member in members} | kept


def _parts(window: Window, attends: NDArray[np.bool_]) -> CallParts:
    rows, columns = (-(-length // TILE) for length in attends.shape)
    padded = np.zeros((rows * TILE, columns * TILE), np.bool_)
    padded[: attends.shape[0], : attends.shape[1]] = attends
    tiles = int(padded.reshape(rows, TILE, columns, TILE).any((1, 3)).sum())
    outputs = len({read.cell for read in window.reads})
    return CallParts(1, min(outputs, 1), len(window.cells), outputs, tiles, rows * columns - tiles)


class Reference:
    """A call like that of `-p 512`, repeated to measure the current speed of the machine."""

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
    """The time of each call of a plan, as a share of the reference's time just then."""
    shares: list[float] = []
    unit = reference.measure()

    def done(_: int) -> None:
        nonlocal unit, start
        shares.append((time.perf_counter() - start) / unit)
        if len(shares) % EVERY == 0:
            unit = (unit + reference.measure()) / 2
        start = time.perf_counter()

    start = time.perf_counter()
    for _ in evaluator.read(part, done):
        pass
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", choices=judge_work.WORKS, default="pandalm", help="its first block is read")
    name = parser.parse_args().work
    judge_work.check_shared()
    work = judge_work.load(name)
    rng = random.Random(0)
    with Model(judge_build.model(judge_work.VOCABULARY)) as model:
        part = prepare(LocalEngine.of(model), work.protocol, work.questions).work().plans[0]
        tokens = tuple(rng.choices(range(model.vocabulary), k=UBATCH))
        (prompt,) = plan.blocks([Query(tokens)], 0)
        with _evaluator(model, prompt, UBATCH) as evaluator:
            reference = Reference(evaluator, prompt)
            reference.measure()  # the first call is slower
            (reference_parts,) = call_parts(prompt, UBATCH, evaluator.capacity)
            by_size = [_timed_calls(model, part, size, reference) for size in SIZES]
    unit = median(reference.seconds[1:])
    calls = [(parts, share * unit) for timed_calls in by_size for parts, share in timed_calls]
    calls += [(reference_parts, unit)] * (len(calls) // EVERY)
    table = np.array([(*astuple(parts), seconds) for parts, seconds in calls])
    costs = np.linalg.lstsq(table[:, :-1], table[:, -1], rcond=None)[0]
    _save(name, unit, costs, reference_parts, by_size[0])


def _evaluator(model: Model, part: Plan, size: int) -> AbstractContextManager[Evaluator]:
    reads = max(part.reads[2::3]) + 1
    return evaluator_for_reading(model, [part], reads, Batching(cells=size, micro=size), Limits())


def _timed_calls(model: Model, part: Plan, size: int, reference: Reference) -> list[tuple[CallParts, float]]:
    """The parts of each call of a plan, and its share of the reference's time. size: tokens of a call."""
    with _evaluator(model, part, size) as evaluator:
        shares = timed(evaluator, part, reference)
        return list(zip(call_parts(part, size, evaluator.capacity), shares, strict=True))


def _save(
    name: str,
    unit: float,
    costs: NDArray[np.float64],
    reference_parts: CallParts,
    calls: Sequence[tuple[CallParts, float]],
) -> None:
    """Write the cost of each part, and its share in a thousand tokens of the workload and of -p 512."""
    plain = np.array(astuple(reference_parts))
    whole = np.array([astuple(parts) for parts, _ in calls]).sum(axis=0)
    tokens = int(whole[PARTS.index("token")])
    limit = UBATCH / unit  # tokens per second
    profile = {
        "work": name,
        "-p 512, tokens/s": round(limit, 1),
        "of the limit": round(tokens / (sum(share for _, share in calls) * unit) / limit, 3),
        "of the limit, by the costs": round(tokens / float(whole @ costs) / limit, 3),
        "milliseconds of one": _by_part(1e3 * costs),
        "for 1000 tokens": _by_part(1e3 * whole / tokens),
        "for 1000 tokens of -p 512": _by_part(1e3 * plain / UBATCH),
        "milliseconds for 1000 tokens": _by_part(1e6 * costs * whole / tokens),
        "milliseconds for 1000 tokens of -p 512": _by_part(1e6 * costs * plain / UBATCH),
    }
    path = ROOT / "results" / "speed" / "profile" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(profile, indent=1) + "\n")
    print(path.read_text("utf-8"), end="")


def _by_part(values: NDArray[np.float64]) -> dict[str, float]:
    return {part: round(float(value), 3) for part, value in zip(PARTS, values, strict=True)}


if __name__ == "__main__":
    main()
