"""Evaluates the windows of a plan in a key-value cache. A window is one decode call, in which sequences share the cells
of the tokens they have in common.

An evaluator reads the probabilities at some positions, or lets the sequences write. As many sequences write side by
side as the cache holds, and the next one replaces each that ends.
Knows: sequences in llama.cpp's cache. Does not know: what a sequence is about, or what it should write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from edge_judge.engine.footprint import OVERHEAD, rounded_up
from edge_judge.engine.llama import Cell, Context, ContextSize, Logits
from edge_judge.engine.model import Model
from edge_judge.engine.plan import Plan, Traversal, Window, windows
from edge_judge.engine.processors import Stopwatch
from edge_judge.engine.threads import Call
from edge_judge.errors import ModelError
from edge_judge.inference import Footprint, Tokens
from edge_judge.records import Batching, Cache, Offloaded

COMPANY = 1  # cells that a context keeps for itself
TRUNK = 0  # the sequence id that keeps the last path; members are 1, 2, …


@dataclass(frozen=True, slots=True)
class NextTokens:
    """What a sequence does next: drop its last `back` tokens, then evaluate `tokens` (at least one)."""

    tokens: Tokens
    back: int = 0


class Writer(Protocol):
    """Decides what a sequence writes."""

    def next(self, logits: Logits) -> NextTokens | None:
        """The next step, from the logits (vocabulary,) after the last token; None when the text is complete."""


AnyWriter = TypeVar("AnyWriter", bound=Writer)


@dataclass(slots=True)
class _Sequence(Generic[AnyWriter]):
    """A sequence that is being written. place: its index in the plan; length: its tokens in the cache; pending: tokens
    to evaluate next.
    """

    place: int
    writer: AnyWriter
    length: int
    pending: Tokens


@dataclass(frozen=True, slots=True)
class Size:
    """The size of an evaluator. cells: tokens in its cache; outputs: tokens of one call whose logits are kept."""

    cells: int
    sequences: int
    outputs: int


class Evaluator:
    """A key-value cache that many sequences share, and the work done in it. Raises ModelError if it cannot be made.

    capacity: cells that its sequences may fill; footprint: the memory it takes; batching: how it is divided into calls.
    """

    def __init__(self, model: Model, batching: Batching, cache: Cache, size: Size) -> None:
        process = model.process
        room = rounded_up(size.cells + COMPANY)
        self.model, self.batching, self.capacity = model, batching, room - COMPANY
        outputs = min(size.outputs, batching.cells)
        sizes = ContextSize(room, batching.cells, batching.micro, size.sequences, outputs)
        estimated = model.placed.check(sizes, cache) if model.placed else 0
        try:
            self._context = Context(model.loaded, sizes, cache, adapters=model.adapters)
        except ModelError as error:
            hint = (
                "free some memory, or judge shorter texts" if cache == "f16" else "--cache f16 works with every model"
            )
            raise ModelError(f"{model.path}: {error}", hint) from error
        cache_bytes, work = self._context.cache, self._context.work
        offloaded = _offloaded(model, self._context, estimated)
        self.footprint = Footprint(process + OVERHEAD, model.weights, cache_bytes, work, offloaded)

    def close(self) -> None:
        self._context.close()

    def read(self, plan: Plan, done: Callable[[int], None]) -> Iterator[tuple[int, int, Logits]]:
        """Evaluate a plan in an empty cache. Yields (query, read, logits (vocabulary,)) for each read.

        done(tokens) is called after each decode call, once its reads have been taken. The logits are llama.cpp's own
        memory, valid only until the next read.
        """
        self._context.clear()
        for window in windows(plan, self.batching.cells, self.batching.members):
            slots = range(1, len(window.members) + 1)
            self._decode(self._cells(window, slots), {read.cell for read in window.reads})
            for read in window.reads:
                yield read.query, read.read, self._context.logits(read.cell)
            done(len(window.cells))
            self._free(slots)  # later windows need only the trunk

    def write(
        self, plan: Plan, writer: Callable[[int], AnyWriter], reserve: int, done: Callable[[int], None]
    ) -> Iterator[tuple[int, AnyWriter]]:
        """Continue each prompt of a plan, whose queries have one read each, at their end. Yields (query, writer) as
        each ends.

        writer(query) is called when the prompt has been evaluated; a writer may write `reserve` tokens. Equal prompts
        are written once and yielded for each query. done: as in `read`.
        """
        self._context.clear()
        traversal, live = Traversal(plan), dict[int, _Sequence[AnyWriter]]()
        while live or not traversal.finished:
            cells, last = _pending(live, self.batching.cells)  # last: slot -> the cell whose logits its writer gets
            slots = self._free_slots(plan, traversal.next, live, reserve) if len(cells) < self.batching.cells else []
            if slots:
                window = traversal.take(self.batching.cells - len(cells), len(slots))
                for slot, place, cell in _complete_prompts(plan, window, slots):
                    live[slot] = _Sequence(place, writer(plan.first_query[place]), plan.distinct[place].size, ())
                    last[slot] = len(cells) + cell
                cells += self._cells(window, slots[: len(window.members)])
            self._decode(cells, set(last.values()))
            self._free(slot for slot in slots if slot not in live)  # an incomplete prompt goes on from the trunk
            for slot, cell in last.items():
                step = live[slot].writer.next(self._context.logits(cell))
                if step is not None:
                    self._advance(slot, live[slot], step)
                    continue
                ended = live.pop(slot)
                self._free([slot])
                equal_queries = plan.reads_of(ended.place)[plan.distinct[ended.place].size - 1]
                yield from ((query, ended.writer) for query, _ in equal_queries)
            done(len(cells))

    def _free_slots(self, plan: Plan, start: int, live: Mapping[int, _Sequence[AnyWriter]], reserve: int) -> list[int]:
        """Free slots for the sequences of a plan from place `start` on, as many as fit in the cache."""
        free = [slot for slot in range(1, self.batching.slots + 1) if slot not in live]
        places = sorted(sequence.place for sequence in live.values())
        for count in range(min(len(free), len(plan.distinct) - start)):
            places.append(start + count)
            if plan.tree(places) + len(places) * reserve > self.capacity and len(places) > 1:
                return free[:count]
        return free[: len(plan.distinct) - start]

    def _advance(self, slot: int, sequence: _Sequence[AnyWriter], step: NextTokens) -> None:
        if step.back:
            sequence.length -= step.back
            self._context.remove(slot, sequence.length)
        sequence.pending = step.tokens

    def _free(self, slots: Iterable[int]) -> None:
        for slot in slots:
            self._context.remove(slot)

    def _cells(self, window: Window, slots: Sequence[int]) -> list[Cell]:
        """The cells of a window. Prepares the cache: members copy what they share from the trunk, and the last member
        becomes the trunk.
        """
        for slot, member in zip(slots, window.members, strict=True):
            self._context.remove(slot)
            if member.keep:
                self._context.copy(TRUNK, slot, member.keep)
        self._context.remove(TRUNK, window.trunk)
        last = len(window.members) - 1
        return [
            (token, position, [*([TRUNK] if last in sharing else []), *(slots[member] for member in sharing)])
            for token, position, sharing in window.cells
        ]

    def _decode(self, cells: Sequence[Cell], outputs: Container[int]) -> None:
        """Evaluate cells and keep the logits of those in `outputs`."""
        tuner, watch = self.model.threads, Stopwatch()
        threads = tuner.count(len(cells))
        try:
            self._context.decode(cells, outputs, threads)
        except ModelError as error:
            raise ModelError(f"{self.model.path}: {error}") from error
        tuner.add(Call(threads, len(cells), *watch.read()))


def _offloaded(model: Model, context: Context, estimated: int) -> Offloaded | None:
    """What is on devices; None if nothing is."""
    placed = model.placed
    if placed is None:
        return None
    used = model.offloaded + context.offloaded
    return Offloaded(placed.description, placed.layers, placed.total, estimated, used, sum(placed.available))


def _pending(live: Mapping[int, _Sequence[AnyWriter]], room: int) -> tuple[list[Cell], dict[int, int]]:
    """The cells that live sequences need evaluated, at most `room`, and the last cell of each slot that is up to date.
    Where there are more, the rest waits for the next call.
    """
    cells: list[Cell] = []
    last: dict[int, int] = {}
    for slot, sequence in live.items():
        left = room - len(cells)
        now, sequence.pending = sequence.pending[:left], sequence.pending[left:]
        cells += [(token, sequence.length + offset, (slot,)) for offset, token in enumerate(now)]
        sequence.length += len(now)
        if not sequence.pending:
            last[slot] = len(cells) - 1
    return cells, last


def _complete_prompts(plan: Plan, window: Window, slots: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(slot, place in the plan, cell) of each sequence whose prompt ends in the window."""
    slot_of = {member.query: slot for slot, member in zip(slots, window.members, strict=False)}
    place_of = {query: place for place, query in enumerate(plan.first_query) if query in slot_of}
    for read in window.reads:
        if read.query in slot_of:
            yield slot_of[read.query], place_of[read.query], read.cell


def log_probabilities(logits: Logits, tokens: Sequence[int]) -> list[float]:
    """Natural logarithms of the probabilities of some tokens, from the logits (vocabulary,)."""
    top = logits.max()
    total = float(top) + math.log(float(np.exp(logits - top).sum(dtype=np.float64)))
    return [float(logits[token]) - total for token in tokens]
