"""The work of judging as small blocks: what a worker is given, and what it returns.

Blocks are cut where the prefix tree branches, in the same places whoever evaluates them. So answers do not depend on
how many workers there are, nor on which of them did what.
Knows: how a block is cut, evaluated and checked. Does not know: which machine does it, how it gets there.
"""

from __future__ import annotations

import pickle
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from edge_judge.engine import plan
from edge_judge.engine.candidates import Candidates
from edge_judge.engine.interface import Copied, Wanted
from edge_judge.engine.local import LocalEngine, LocalReading, LocalWriting, writer_maker
from edge_judge.engine.model import Model
from edge_judge.engine.plan import Plan, Query
from edge_judge.errors import ModelError
from edge_judge.inference import Distribution, EncodedPrompt, GuidedWriting, Outcome, Reading, Writing, Written
from edge_judge.records import Batching, Limits

BLOCK = 2048  # least tokens of a block
PER_REPEAT = 20  # least tokens of a block for each token that the next block evaluates again
ROUNDING = 1e-6  # probabilities may miss their sum by this much


@dataclass(frozen=True, slots=True)
class Job:
    """What all blocks of one piece of work have in common. copied: None where probabilities are read; reserve: tokens
    that each answer may take.
    """

    id: str
    request: Reading[Any] | Writing
    batching: Batching
    copied: Copied | None = None
    reserve: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a job that can be done by itself. plans: to be evaluated one after another; texts: the candidates of
    each prompt, empty where it is written; places: of each query, as in `LocalReading`.
    """

    plans: tuple[Plan, ...]
    texts: Mapping[int, Candidates[Any]]
    places: Mapping[int, tuple[int, int]]

    @property
    def prompts(self) -> frozenset[int]:
        """The indices of the prompts that it answers."""
        queries = (query for plan_ in self.plans for query in plan_.queries)
        return frozenset(self.places[query][0] if self.places else query for query in queries)

    @property
    def tokens(self) -> int:
        return sum(plan_.tokens for plan_ in self.plans)


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker returns. answers: by the index of a prompt; seconds: that it took; memory: most bytes that its
    process took so far.
    """

    answers: tuple[tuple[int, Any], ...]
    seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class BlockWork:
    """Work that is done as blocks. local: the same work as one machine would do it, which knows its size."""

    local: LocalReading[Any] | LocalWriting
    job: Job

    @property
    def prompts(self) -> int:
        return self.local.prompts

    @property
    def tokens(self) -> int:
        return self.local.tokens

    @property
    def tokens_alone(self) -> int:
        return self.local.tokens_alone


class BlockEngine(LocalEngine):
    """Divides its work into blocks, which `_divided` makes the work of others too."""

    def probabilities(
        self, prompts: Sequence[EncodedPrompt], reading: Reading[Outcome], wanted: Wanted, batching: Batching
    ) -> Any:
        work = super().probabilities(prompts, reading, wanted, batching)
        return self._divided(work, Job(uuid.uuid4().hex, reading, batching), reading_blocks(work))

    def write(
        self, prompts: Sequence[EncodedPrompt], writing: Writing, copied: Copied, wanted: Wanted, batching: Batching
    ) -> Any:
        work = super().write(prompts, writing, copied, wanted, batching)
        return self._divided(work, Job(uuid.uuid4().hex, writing, batching, copied, work.reserve), writing_blocks(work))

    def _divided(self, work: LocalReading[Any] | LocalWriting, job: Job, blocks: list[Block]) -> BlockWork:
        raise NotImplementedError


class BlockMaker(LocalEngine):
    """Makes prompts and blocks with the vocabulary of a GGUF file. It loads no weights, so it can evaluate nothing."""

    def __init__(self, gguf: Path, *, chat: str | None = None, limits: Limits = Limits()) -> None:
        super().__init__(gguf, chat=chat, limits=limits)
        self._file, self._template = gguf, chat

    @property
    def model(self) -> Model:
        if self._model is None:
            self._model = Model(self._file, chat=self._template, vocab_only=True)
        return self._model

    @property
    def context(self) -> int:
        arch = self.model.metadata("general.architecture")
        length = self.model.metadata(f"{arch}.context_length") or ""
        if not length.isdigit():
            raise ModelError(f"{self.name}: the file does not say how long its context is")
        return int(length)

    def _blocks(self, queries: Sequence[Query]) -> list[Plan]:
        return small_blocks(queries)


def small_blocks(queries: Sequence[Query]) -> list[Plan]:
    """The plans of a cluster's blocks."""
    return plan.blocks(queries, BLOCK, PER_REPEAT)


def reading_blocks(work: LocalReading[Any]) -> list[Block]:
    """The blocks of reading. Plans that share a prompt stay together, so that a block has whole answers."""
    return [
        Block(
            tuple(plans),
            {work.places[query][0]: work.texts[work.places[query][0]] for plan_ in plans for query in plan_.queries},
            {query: work.places[query] for plan_ in plans for query in plan_.queries},
        )
        for plans in _together(work)
    ]


def writing_blocks(work: LocalWriting) -> list[Block]:
    return [Block((plan_,), {}, {}) for plan_ in work.plans]


def evaluate(model: Model, job: Job, block: Block, limits: Limits) -> Iterator[tuple[int, Any]]:
    """The answers to a block, by the index of a prompt."""
    work = _work(model, job, block, limits)
    yield from work.answers(lambda footprint, batching: None, lambda tokens: None)


def _work(model: Model, job: Job, block: Block, limits: Limits) -> LocalReading[Any] | LocalWriting:
    if isinstance(job.request, Reading):
        return LocalReading(model, block.plans, job.batching, limits, block.texts, block.places, 0, 0)
    if job.copied is None:
        raise ModelError("a generation job does not say how quotations are found")
    writer = partial(writer_maker, model, job.request, job.copied)
    return LocalWriting(model, block.plans, job.batching, limits, writer, job.reserve)


def fault(job: Job, block: Block, done: Done) -> str | None:
    """What is wrong with the answers to a block; None if they can be used."""
    answered = [index for index, _ in done.answers]
    if len(answered) != len(set(answered)) or set(answered) != block.prompts:
        return f"{len(answered)} answers to {len(block.prompts)} prompts, not one to each"
    faults = (_fault(job.request, answer) for _, answer in done.answers)
    return next(filter(None, faults), None)


def _fault(request: Reading[Any] | Writing, answer: Any) -> str | None:
    if isinstance(request, Reading):
        return _distribution_fault(answer, frozenset(request.continuations.values()))
    if not isinstance(answer, Written) or not isinstance(answer.text, str):
        return "an answer that is no text"
    if isinstance(request, GuidedWriting) and answer.distribution is not None:
        return _distribution_fault(answer.distribution, frozenset(request.outcomes))
    return None


def _distribution_fault(answer: Any, outcomes: frozenset[Any]) -> str | None:
    if not isinstance(answer, Distribution):
        return "an answer without probabilities"
    numbers = [*answer.p.values(), answer.mass, answer.respelled, answer.unread]
    if not all(isinstance(number, float) and isfinite(number) for number in numbers):
        return "a probability that is no number"
    if not answer.p.keys() <= outcomes:
        return "a probability of something that was not asked"
    if any(not -ROUNDING <= number <= 1 + ROUNDING for number in numbers):
        return "a probability outside 0 to 1"
    if abs(sum(answer.p.values()) - 1) > ROUNDING:
        return f"probabilities that sum to {sum(answer.p.values()):.4f}"
    return None


def by_machine(answer: Any, machine: str) -> Any:
    """An answer with the name of the machine that gave it."""
    return replace(answer, machine=machine)


def packed(content: object) -> bytes:
    """As it goes over the network."""
    return zlib.compress(pickle.dumps(content, pickle.HIGHEST_PROTOCOL), 1)


def unpacked(content: bytes) -> Any:
    """Runs code of whoever packed it, as everything sent by Dask does: only for machines that are trusted."""
    return pickle.loads(zlib.decompress(content))


def _together(work: LocalReading[Any]) -> list[list[Plan]]:
    """Neighbouring plans that share a prompt, in one list."""
    groups: list[list[Plan]] = []
    last: set[int] = set()
    for plan_ in work.plans:
        prompts = {work.places[query][0] for query in plan_.queries}
        if groups and prompts & last:
            groups[-1].append(plan_)
            last |= prompts
        else:
            groups.append([plan_])
            last = prompts
    return groups
