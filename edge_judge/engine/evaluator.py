"""A plan's windows in a key-value cache: each is one decode call in which a token carries every sequence that
shares it. Either the probabilities at some positions are read, or the sequences write on, as many side by side as
the cache holds, each finished one replaced at once.

Knows: llama.cpp's context, batch and memory. Does not know: what a sequence is about, nor what it should write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

import llama_cpp.llama_cpp as llama
import numpy as np
from numpy.typing import NDArray

from edge_judge.engine.batching import Batching
from edge_judge.engine.footprint import BESIDE, GRAIN, TYPES, Footprint
from edge_judge.engine.model import Model, buffers, clear_log, in_own_thread, last_error
from edge_judge.engine.plan import Plan, Tokens, Traversal, Window, windows
from edge_judge.errors import ModelError
from edge_judge.records import Cache

TRUNK = 0  # the sequence id that keeps the last path; members are 1, 2, …

Logits: TypeAlias = NDArray[np.float32]
_Cell: TypeAlias = tuple[int, int, Sequence[int]]  # token, position, the sequence ids that share it


@dataclass(frozen=True, slots=True)
class NextTokens:
    """What a sequence does next: go `back` so many tokens, then on with `tokens` (at least one)."""

    tokens: Tokens
    back: int = 0


class Writer(Protocol):
    """Who decides what a sequence writes."""

    def next(self, logits: Logits) -> NextTokens | None:
        """The next step, from the logits (vocabulary,) after the last token; None when all is written."""


AnyWriter = TypeVar("AnyWriter", bound=Writer)


@dataclass(slots=True)
class _Writing(Generic[AnyWriter]):
    """A sequence under way: its place in the plan, how long it is in the cache, and what is to be evaluated."""

    place: int
    author: AnyWriter
    length: int
    pending: Tokens


@dataclass(frozen=True, slots=True)
class Size:
    """Of an evaluator: tokens in its cache, sequences, tokens of a call whose probabilities are wanted."""

    cells: int
    sequences: int
    outputs: int


class Evaluator:
    """A key-value cache shared by many sequences, and the work done in it.

    capacity: the cells of its cache; footprint: what it takes; batching: how the work is cut, which may be smaller
    than was asked where memory is short.
    """

    def __init__(self, model: Model, batching: Batching, cache: Cache, size: Size) -> None:
        process, params = model.process, llama.llama_context_default_params()
        params.n_ctx = self.capacity = -(-size.cells // GRAIN) * GRAIN
        params.n_batch, params.n_ubatch = batching.cells, batching.micro
        params.n_seq_max = size.sequences
        # fewer than sequences: llama.cpp aborts
        params.n_outputs_max = max(min(size.outputs, batching.cells), size.sequences)
        params.n_threads = params.n_threads_batch = model.threads
        params.kv_unified = True
        params.no_perf = True
        # Flash attention is left to llama.cpp, which takes it wherever the device has it: on two cores a model of 0.5B
        # reads twice as fast with it, and what it computes in is half as large. A small cache needs it.
        if cache != "f16":  # llama.cpp's own choice
            params.type_k = params.type_v = TYPES[cache]
        clear_log()
        self._context = in_own_thread(llama.llama_init_from_model, model.handle, params)
        if not self._context:
            raise ModelError(
                f"{model.path}: no context of {params.n_ctx} tokens could be made{last_error()}",
                "free some memory, or judge shorter texts" if cache == "f16" else "--cache f16 fits every model",
            )
        work = buffers("compute", "output")
        self.footprint = Footprint(process + BESIDE, model.weights, buffers("KV"), work)
        self.model, self.batching = model, batching
        self._memory = llama.llama_get_memory(self._context)
        self._batch = llama.llama_batch_init(batching.cells, 0, size.sequences)

    def close(self) -> None:
        llama.llama_batch_free(self._batch)
        llama.llama_free(self._context)

    def read(self, plan: Plan, done: Callable[[int], None]) -> Iterator[tuple[int, int, Logits]]:
        """Evaluate a plan in an empty cache: (query, read, logits (vocabulary,)) for each read, as it is reached.

        done(tokens) is called after each decode call. The logits are llama.cpp's own memory: look, don't keep.
        """
        llama.llama_memory_clear(self._memory, False)
        for window in windows(plan, self.batching.cells, self.batching.members):
            slots = range(1, len(window.members) + 1)
            self._decode(self._cells(window, slots), {read.cell for read in window.reads})
            done(len(window.cells))
            for read in window.reads:
                yield read.query, read.read, self._logits(read.cell)
            self._free(slots)  # only the trunk is needed further

    def write(
        self, plan: Plan, author: Callable[[int], AnyWriter], reserve: int, done: Callable[[int], None]
    ) -> Iterator[tuple[int, AnyWriter]]:
        """Let each prompt of a plan (queries with one read, at their end) be continued by its author, who is made
        from the query when its prompt is evaluated and may write `reserve` tokens: (query, author) as each ends.
        Equal prompts are written once, and yielded for each.
        """
        llama.llama_memory_clear(self._memory, False)
        walk, live = Traversal(plan), dict[int, _Writing[AnyWriter]]()
        while live or not walk.finished:
            cells, last = _pending(live, self.batching.cells)  # last: slot -> the cell after which its author is asked
            slots = self._vacant(plan, walk.next, live, reserve) if len(cells) < self.batching.cells else []
            if slots:
                window = walk.take(self.batching.cells - len(cells), len(slots))
                for slot, place, cell in _begun(plan, window, slots):
                    live[slot] = _Writing(place, author(plan.first_query[place]), len(plan.sequences[place]), ())
                    last[slot] = len(cells) + cell
                cells += self._cells(window, slots[: len(window.members)])
            self._decode(cells, set(last.values()))
            done(len(cells))
            self._free(slot for slot in slots if slot not in live)  # a prompt that was cut goes on from the trunk
            for slot, cell in last.items():
                step = live[slot].author.next(self._logits(cell))
                if step is not None:
                    self._go_on(slot, live[slot], step)
                    continue
                one = live.pop(slot)
                self._free([slot])
                twins = plan.reads[one.place, len(plan.sequences[one.place]) - 1]
                yield from ((query, one.author) for query, _ in twins)

    def _vacant(self, plan: Plan, start: int, live: Mapping[int, _Writing[AnyWriter]], reserve: int) -> list[int]:
        """Free slots for the sequences of a plan from place `start` on, as many as the cache has room for."""
        free = [slot for slot in range(1, self.batching.slots + 1) if slot not in live]
        places = sorted(one.place for one in live.values())
        for count in range(min(len(free), len(plan.sequences) - start)):
            places.append(start + count)
            if plan.tree(places) + len(places) * reserve > self.capacity and len(places) > 1:
                return free[:count]
        return free[: len(plan.sequences) - start]

    def _go_on(self, slot: int, one: _Writing[AnyWriter], step: NextTokens) -> None:
        if step.back:
            one.length -= step.back
            llama.llama_memory_seq_rm(self._memory, slot, one.length, -1)
        one.pending = step.tokens

    def _free(self, slots: Iterable[int]) -> None:
        for slot in slots:
            llama.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def _cells(self, window: Window, slots: Sequence[int]) -> list[_Cell]:
        """A window's cells, with the cache made ready for them: members take what they share from the trunk, the
        last one becomes the trunk.
        """
        for slot, member in zip(slots, window.members, strict=True):
            llama.llama_memory_seq_rm(self._memory, slot, -1, -1)
            if member.keep:
                llama.llama_memory_seq_cp(self._memory, TRUNK, slot, 0, member.keep)
        llama.llama_memory_seq_rm(self._memory, TRUNK, window.trunk, -1)
        last = len(window.members) - 1
        return [
            (token, position, [*([TRUNK] if last in sharing else []), *(slots[member] for member in sharing)])
            for token, position, sharing in window.cells
        ]

    def _decode(self, cells: Sequence[_Cell], outputs: Container[int]) -> None:
        """Evaluate cells; logits are kept for those in `outputs`."""
        batch = self._batch
        batch.n_tokens = len(cells)
        for index, (token, position, sequences) in enumerate(cells):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = len(sequences)
            ids = batch.seq_id[index]
            for place, sequence in enumerate(sequences):
                ids[place] = sequence
            batch.logits[index] = index in outputs
        clear_log()
        if cells and llama.llama_decode(self._context, batch):
            raise ModelError(f"{self.model.path}: llama.cpp could not evaluate {len(cells)} tokens{last_error()}")

    def _logits(self, cell: int) -> Logits:
        """Logits (vocabulary,) of the next token after a cell of the last call."""
        row = llama.llama_get_logits_ith(self._context, cell)
        return np.ctypeslib.as_array(row, shape=(self.model.vocabulary,))


def _pending(live: Mapping[int, _Writing[AnyWriter]], room: int) -> tuple[list[_Cell], dict[int, int]]:
    """The cells that sequences under way want evaluated, at most `room`, and the last of each slot's. Long texts of
    many at once can be more: the rest of them waits for the next call.
    """
    cells: list[_Cell] = []
    last: dict[int, int] = {}
    for slot, one in live.items():
        left = room - len(cells)
        now, one.pending = one.pending[:left], one.pending[left:]
        cells += [(token, one.length + offset, (slot,)) for offset, token in enumerate(now)]
        one.length += len(now)
        if not one.pending:
            last[slot] = len(cells) - 1
    return cells, last


def _begun(plan: Plan, window: Window, slots: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(slot, place in the plan, cell) of each sequence whose prompt ends in the window."""
    slot_of = {member.query: slot for slot, member in zip(slots, window.members, strict=False)}
    place_of = {query: place for place, query in enumerate(plan.first_query) if query in slot_of}
    for read in window.reads:
        if read.query in slot_of:
            yield slot_of[read.query], place_of[read.query], read.cell


def log_probabilities(logits: Logits, tokens: Sequence[int]) -> list[float]:
    """Natural logarithms of the probabilities of some tokens, out of all tokens of the vocabulary."""
    top = logits.max()
    total = float(top) + math.log(float(np.exp(logits - top).sum(dtype=np.float64)))
    return [float(logits[token]) - total for token in tokens]
