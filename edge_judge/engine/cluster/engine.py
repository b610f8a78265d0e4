"""An engine whose work is done by workers on other machines. It has the vocabulary of the judge's file here, and makes
the prompts and the blocks; the workers evaluate them.

A worker shows first that it has the same file and computes alike. One that is lost, suspended or slow costs time: what
it had is done by others, and the first answer counts. One whose answers are broken is not asked again.
Knows: workers, blocks, answers. Does not know: pairs, verdicts, how a worker is reached.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from edge_judge.engine import memory
from edge_judge.engine.cluster.blocks import (
    Block,
    BlockEngine,
    BlockMaker,
    BlockWork,
    Done,
    Job,
    by_machine,
    fault,
    unpacked,
)
from edge_judge.engine.cluster.crew import Crew, Pool
from edge_judge.engine.cluster.dispatch import Dispatcher, Task
from edge_judge.engine.cluster.pool import Event
from edge_judge.engine.cluster.proof import Proof, Refusal, Wanted, prove
from edge_judge.engine.interface import Evaluated, Started
from edge_judge.engine.local import LocalEngine, LocalReading, LocalWriting
from edge_judge.errors import ModelError
from edge_judge.inference import (
    Footprint,
    Tokens,
    Writing,
)
from edge_judge.records import Judge, Limits, ProgressListener

TICK = 0.25  # seconds between two looks at who is there
FAILURES = 3  # workers on which a task may fail before the run ends


@dataclass(slots=True)
class Share:
    """What a machine did of the work. bytes: sent to it and received from it."""

    tasks: int = 0
    tokens: int = 0
    seconds: float = 0.0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """proofs: what this machine has proved to itself, by the hash of the file; machines: those that were named once."""

    proofs: dict[str, Proof] = field(default_factory=dict)
    machines: set[str] = field(default_factory=set)


class ClusterEngine(BlockEngine, BlockMaker):
    """judge: with its file on this machine. limits: only the type of the cache counts; memory is each worker's own.
    known: kept here where engines of several judges share a pool, which is then not closed with one of them.
    """

    def __init__(
        self,
        judge: Judge,
        pool: Pool,
        limits: Limits = Limits(),
        listener: ProgressListener = ProgressListener(),
        known: Known | None = None,
    ) -> None:
        if judge.gguf is None or judge.sha256 is None:
            raise ModelError(f"{judge.model}: no GGUF file of this judge on this machine", "build it here first")
        super().__init__(judge.gguf, chat=judge.chat, limits=limits)
        self._judge = judge
        self._shares_pool, self._known = known is not None, known or Known()
        self.crew = Crew(pool, self._wanted(), self._own_proof, listener, self._known.machines)
        self.machines: dict[str, Share] = {}
        self.evaluated_by: dict[Tokens, set[str]] = {}  # the machines that did a block, by its first prompt

    def _divided(self, work: LocalReading[Any] | LocalWriting, job: Job, blocks: list[Block]) -> ClusterWork:
        return ClusterWork(work, job, self, blocks)

    def close(self) -> None:
        super().close()
        if not self._shares_pool:
            self.crew.close()

    def _wanted(self) -> Wanted:
        judge = self._judge
        return Wanted(judge.model, judge.scheme, str(judge.sha256), judge.bytes, judge.chat, self._limits.cache)

    def _own_proof(self) -> Proof:
        """This machine's, which costs one pass over the file."""
        judge, proofs = self._judge, self._known.proofs
        if judge.sha256 in proofs:
            return proofs[judge.sha256]
        assert judge.gguf is not None
        engine = LocalEngine(judge.gguf, chat=judge.chat, limits=Limits(cache=self._limits.cache))
        try:
            return proofs.setdefault(str(judge.sha256), prove(engine, "", str(judge.sha256)))
        finally:
            engine.close()


@dataclass(frozen=True, slots=True)
class ClusterWork(BlockWork):
    """Blocks for the workers of an engine."""

    engine: ClusterEngine
    blocks: Sequence[Block]

    def answers(self, started: Started, evaluated: Evaluated) -> Generator[tuple[int, Any], None, None]:
        started(Footprint(memory.now(), 0, 0, 0), self.job.batching)
        shift = Shift(self.engine, self.job, self.blocks)
        try:
            while not shift.finished:
                shift.look()
                event = self.engine.crew.pool.next(TICK)
                while event is not None:
                    for number, answers in shift.take(event):
                        yield from answers
                        evaluated(self.blocks[number].tokens)
                    shift.give()
                    event = self.engine.crew.pool.next(0)
        finally:
            shift.drop()


class Shift:
    """One piece of work in progress: what each worker has been given, and what came back."""

    def __init__(self, engine: ClusterEngine, job: Job, blocks: Sequence[Block]) -> None:
        self._engine, self._crew, self._job, self._blocks = engine, engine.crew, job, blocks
        written = job.request.limit if isinstance(job.request, Writing) else 0
        sizes = [block.tokens + written * len(block.prompts) for block in blocks]
        self._dispatcher = Dispatcher(sizes, self._did_before)
        self._given: dict[int, tuple[Task, int]] = {}  # by request: the task, and the bytes that were sent
        self._failures: dict[int, int] = {}  # by block

    @property
    def finished(self) -> bool:
        return self._dispatcher.finished

    def look(self) -> None:
        """Take in newcomers, take back the blocks of those who left, give work to whoever is free."""
        self._crew.look()
        for worker in self._dispatcher.workers - self._crew.names.keys():
            self._lose(worker)
        for worker in self._crew.names.keys() - self._dispatcher.workers:
            self._dispatcher.join(worker)
        self.give()

    def give(self) -> None:
        now = time.monotonic()
        for worker in sorted(self._dispatcher.workers & self._crew.names.keys()):
            while task := self._dispatcher.give(worker, now):
                request, size = self._crew.give(worker, self._job, [self._blocks[block] for block in task.blocks])
                self._given[request] = task, size

    def take(self, event: Event) -> list[tuple[int, list[tuple[int, Any]]]]:
        """The answers to blocks that had none before, by the number of the block."""
        if self._crew.proved(event) or event.id not in self._given:
            return []
        task, sent = self._given.pop(event.id)
        if event.content is None:
            if not self._crew.patience(task.worker):
                self._crew.refuse(task.worker, event.error)
            self._lose(task.worker)
            return []
        done = unpacked(event.content)
        if reason := self._fault(task, done):
            self._fail(task, reason)
            return []
        machine = self._crew.names.get(task.worker, task.worker)
        seconds = sum(one.seconds for one in done)
        share = self._engine.machines.setdefault(machine, Share())
        share.tasks, share.tokens = share.tasks + 1, share.tokens + sum(self._blocks[b].tokens for b in task.blocks)
        share.seconds, share.bytes = share.seconds + seconds, share.bytes + sent + len(event.content)
        answers = dict(zip(task.blocks, done, strict=True))
        new = self._dispatcher.done(task, seconds)
        for block in new:
            self._engine.evaluated_by.setdefault(self._key(block), set()).add(machine)
        return [(block, [(index, by_machine(a, machine)) for index, a in answers[block].answers]) for block in new]

    def drop(self) -> None:
        """Nothing more is needed."""
        for request in self._given:
            self._crew.pool.drop(request)
        self._given.clear()

    def _fault(self, task: Task, done: Any) -> str | None:
        if isinstance(done, Refusal):
            return done.reason
        if not isinstance(done, tuple) or len(done) != len(task.blocks) or not all(isinstance(o, Done) for o in done):
            return "its answer is none"
        faults = (fault(self._job, self._blocks[block], one) for block, one in zip(task.blocks, done, strict=True))
        return next(filter(None, faults), None)

    def _fail(self, task: Task, reason: str) -> None:
        self._crew.refuse(task.worker, reason)
        self._lose(task.worker)
        for block in task.blocks:
            self._failures[block] = self._failures.get(block, 0) + 1
            if self._failures[block] >= FAILURES:
                raise ModelError(f"the same prompts failed on {FAILURES} workers: {reason}")

    def _lose(self, worker: str) -> None:
        """What a worker had goes to others. If it is still there, it starts over with a small task."""
        lost = {task.id for task in self._dispatcher.leave(worker)}
        for request in [request for request, (task, _) in self._given.items() if task.id in lost]:
            del self._given[request]
            self._crew.pool.drop(request)
        self._crew.jobs.pop(worker, None)

    def _did_before(self, worker: str, block: int) -> bool:
        """Whether the machine of a worker evaluated a block before: a repeat is given to another."""
        return self._crew.names.get(worker) in self._engine.evaluated_by.get(self._key(block), ())

    def _key(self, block: int) -> Tokens:
        return self._blocks[block].plans[0].distinct[0].tokens


def shares_json(machines: Mapping[str, Share]) -> dict[str, Any]:
    """What each machine did, as run.json keeps it."""
    return {name: {**asdict(share), "seconds": round(share.seconds, 3)} for name, share in sorted(machines.items())}
