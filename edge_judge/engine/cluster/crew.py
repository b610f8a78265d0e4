"""The workers of a coordinator: who is there, who has proved itself, and what they are sent.

Knows: proofs, requests. Does not know: which worker should get what, how a worker is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from edge_judge.engine.cluster.bench import Assignment
from edge_judge.engine.cluster.blocks import Block, Job, packed, unpacked
from edge_judge.engine.cluster.pool import Event
from edge_judge.engine.cluster.proof import Proof, Refusal, Wanted, difference
from edge_judge.records import ProgressListener

SILENCES = 3  # requests that a worker may leave unanswered


class Pool(Protocol):
    """Workers, and requests to them. `DaskPool` is one."""

    @property
    def command(self) -> str: ...
    def workers(self) -> frozenset[str]: ...
    def ask(self, worker: str, method: str, content: bytes) -> int: ...
    def next(self, seconds: float) -> Event | None: ...
    def drop(self, request: int) -> None: ...
    def close(self) -> None: ...


class Crew:
    """The workers that have proved themselves, and requests to them."""

    def __init__(self, pool: Pool, wanted: Wanted, own: Any, listener: ProgressListener, named: set[str]) -> None:
        self._named = named
        self.pool, self._wanted, self._own_proof, self._listener = pool, wanted, own, listener
        self._own: Proof | None = None
        self._asked: dict[int, str] = {}  # proofs that are awaited: request -> worker
        self._known: set[str] = set()  # asked, accepted or refused
        self.names: dict[str, str] = {}  # of the workers that may work
        self.jobs: dict[str, str] = {}  # the job that each worker has
        self._silences: dict[str, int] = {}  # requests without an answer
        self._waiting = False

    @property
    def sha256(self) -> str:
        return self._wanted.sha256

    def look(self) -> None:
        """See who came and who left. A newcomer is asked for its proof."""
        if self._own is None:
            self._own = self._own_proof()
        present = self.pool.workers()
        for worker in present - self._known:
            self._asked[self.pool.ask(worker, "prove", packed(self._wanted))] = worker
        for worker in self.names.keys() - present:
            self._named.discard(self.names[worker])
            self._listener.note(f"{self.names.pop(worker)} left")
            self.jobs.pop(worker, None)
        self._known = set(present)
        self._asked = {request: worker for request, worker in self._asked.items() if worker in present}
        if not self.names and not self._asked and not self._waiting:
            self._listener.note(f"waiting for workers, on each machine: {self.pool.command}")
        self._waiting = not self.names and not self._asked

    def proved(self, event: Event) -> bool:
        """Take the answer of a newcomer. Returns whether the event was one."""
        worker = self._asked.pop(event.id, None)
        if worker is None:
            return False
        if event.content is None:
            if self.patience(worker):
                self._known.discard(worker)  # it is asked again
            else:
                self._refuse(worker, worker, event.error)
            return True
        proof = unpacked(event.content)
        if isinstance(proof, Refusal):
            self._listener.note(f"a worker was rejected: {proof.reason}{f'; {proof.hint}' if proof.hint else ''}")
        elif reason := difference(proof, self._own) if self._own and isinstance(proof, Proof) else "no proof":
            self._refuse(worker, getattr(proof, "machine", worker), reason)
        else:
            self.names[worker] = proof.machine
            if proof.machine not in self._named:
                self._listener.note(f"{proof.machine} joined")
                self._named.add(proof.machine)
        return True

    def patience(self, worker: str) -> bool:
        """Whether a worker that did not answer is asked again."""
        self._silences[worker] = self._silences.get(worker, 0) + 1
        return self._silences[worker] < SILENCES

    def refuse(self, worker: str, reason: str) -> None:
        """A worker that is not asked again, until it joins anew."""
        name = self.names.pop(worker, None)
        if name is not None:
            self._refuse(worker, name, reason)

    def _refuse(self, worker: str, name: str, reason: str) -> None:
        self._listener.note(f"{name} gets no work: {reason}")
        self.pool.ask(worker, "tell", packed(f"gets no work: {reason}"))

    def give(self, worker: str, job: Job, blocks: Sequence[Block]) -> tuple[int, int]:
        """Send blocks to a worker. Returns the request and its bytes."""
        known = self.jobs.get(worker) == job.id
        content = packed(Assignment(self.sha256, job.id, None if known else job, tuple(blocks)))
        self.jobs[worker] = job.id
        return self.pool.ask(worker, "work", content), len(content)

    def close(self) -> None:
        self.pool.close()
