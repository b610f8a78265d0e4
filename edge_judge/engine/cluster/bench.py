"""A worker's side: one model at a time, what it proves, what it evaluates.

Knows: how requests and answers are packed. Does not know: where files come from, how requests arrive.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge_judge.engine import memory
from edge_judge.engine.cluster.blocks import Block, Done, Job, evaluate, packed, unpacked
from edge_judge.engine.cluster.proof import Proof, Refusal, Wanted, prove
from edge_judge.engine.local import LocalEngine
from edge_judge.errors import EdgeJudgeError
from edge_judge.records import Limits

Find = Callable[[Wanted], tuple[Path, str]]  # the file of a judge on this machine, and its hash


@dataclass(frozen=True, slots=True)
class Assignment:
    """Blocks to evaluate. sha256: of the judge's file; job: None where the worker has it from an earlier assignment."""

    sha256: str
    job_id: str
    job: Job | None
    blocks: tuple[Block, ...]


class Bench:
    """machine: its name; find: finds, or makes, the file of a judge; note: says what happens."""

    def __init__(
        self,
        machine: str,
        find: Find,
        *,
        threads: int | None = None,
        limits: Limits = Limits(),
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.machine, self._find, self._threads, self._limits, self._note = machine, find, threads, limits, note
        self._engine: LocalEngine | None = None
        self._wanted: Wanted | None = None
        self._sha256 = ""
        self._job: Job | None = None
        self._tasks = 0

    def prove(self, request: bytes) -> bytes:
        """A `Proof`, or a `Refusal`, for the judge that is wanted, which stays loaded."""
        wanted: Wanted = unpacked(request)
        try:
            return packed(self._proof(wanted))
        except EdgeJudgeError as error:
            self._note(f"cannot judge with {wanted.model} {wanted.scheme}: {error}")
            return packed(Refusal(str(error), error.hint))

    def work(self, request: bytes) -> bytes:
        """`Done` for each block of an assignment, or a `Refusal`."""
        try:
            return packed(self._done(unpacked(request)))
        except EdgeJudgeError as error:
            self._note(str(error))
            return packed(Refusal(str(error), error.hint))

    def tell(self, request: bytes) -> bytes:
        """Show a message of the coordinator's to whoever sits at this machine."""
        self._note(str(unpacked(request)))
        return packed(None)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _proof(self, wanted: Wanted) -> Proof:
        if self._engine is None or wanted != self._wanted:
            self.close()
            path, sha256 = self._find(wanted)
            limits = replace(self._limits, cache=wanted.cache)
            self._engine = LocalEngine(path, chat=wanted.chat, threads=self._threads, limits=limits)
            self._wanted, self._sha256 = wanted, sha256
        proof = prove(self._engine, self.machine, self._sha256)
        self._note(f"ready to judge with {wanted.model} {wanted.scheme}")
        return proof

    def _done(self, assignment: Assignment) -> tuple[Done, ...] | Refusal:
        if assignment.job is not None:
            self._job = assignment.job
        engine, job = self._engine, self._job
        if engine is None or self._sha256 != assignment.sha256 or job is None or job.id != assignment.job_id:
            return Refusal("it was given work that it was not prepared for")
        done = tuple(self._evaluated(engine, job, block) for block in assignment.blocks)
        self._tasks += 1
        prompts, tokens = sum(len(one.answers) for one in done), sum(block.tokens for block in assignment.blocks)
        seconds = sum(one.seconds for one in done)
        self._note(f"task {self._tasks}: {prompts} prompts, {tokens:,} tokens, {seconds:.1f} s")
        return done

    def _evaluated(self, engine: LocalEngine, job: Job, block: Block) -> Done:
        begun = time.monotonic()
        answers = tuple(evaluate(engine.model, job, block, engine.limits))
        return Done(answers, time.monotonic() - begun, _memory())


def _memory() -> int:
    with suppress(OSError):
        return memory.peak()
    return 0
