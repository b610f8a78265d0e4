"""Which worker gets which blocks. A worker has one task that runs and one that waits, so that it is never idle.

A task is as many blocks as a worker is expected to evaluate in a few seconds, by its own measured rate, and fewer
towards the end. Blocks of a lost worker go back to the queue. When the queue is empty, an idle worker is given blocks
that another has too: one that is overdue, or would finish them later. The first answer to a block counts.
Knows: sizes, names, rates, a time that it is told. Does not know: what a block is, how a worker is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

SECONDS = 5.0  # that a task should take
DEPTH = 2  # tasks that a worker has at once
RECENT = 0.5  # weight of the latest rate
SLACK, GRACE = 3.0, 5.0  # a task is overdue after so many times its expected seconds, and so many seconds more


@dataclass(frozen=True, slots=True)
class Task:
    """Blocks given to a worker. size: tokens of them; due: when the worker should have finished them, None if its rate
    is not known.
    """

    id: int
    worker: str
    blocks: tuple[int, ...]
    size: int
    due: float | None
    given: float


@dataclass(slots=True)
class _Worker:
    """rate: tokens a second, None before its first task is done."""

    rate: float | None = None
    tasks: dict[int, Task] = field(default_factory=dict)


class Dispatcher:
    """sizes: tokens of each block. avoid: whether a block should rather go to another worker than this."""

    def __init__(self, sizes: Sequence[int], avoid: Callable[[str, int], bool] = lambda worker, block: False) -> None:
        self._sizes, self._avoid = sizes, avoid
        self._queue = list(range(len(sizes)))
        self._left = set(self._queue)  # blocks without an answer
        self._workers: dict[str, _Worker] = {}
        self._holders: dict[int, list[Task]] = {}  # the tasks that have each block
        self._tasks = 0

    @property
    def finished(self) -> bool:
        return not self._left

    @property
    def workers(self) -> frozenset[str]:
        return frozenset(self._workers)

    def needed(self, task: Task) -> bool:
        """Whether any answer of this task is still missing."""
        return not self._left.isdisjoint(task.blocks)

    def join(self, worker: str, rate: float | None = None) -> None:
        self._workers.setdefault(worker, _Worker(rate))

    def leave(self, worker: str) -> list[Task]:
        """A worker is lost: what it had goes back to the queue, before all else. Returns its tasks."""
        tasks = list(self._workers.pop(worker).tasks.values()) if worker in self._workers else []
        for task in tasks:
            self._release(task)
        for task in tasks:
            self._give_back(task)
        return tasks

    def give(self, worker: str, now: float) -> Task | None:
        """The next task of a worker; None if it has enough, or if there is nothing that it could do sooner."""
        state = self._workers[worker]
        if len(state.tasks) >= (1 if state.rate is None else DEPTH):
            return None
        blocks = self._from_queue(worker, state) or ([] if state.tasks else self._from_others(state, now))
        if not blocks:
            return None
        size = sum(self._sizes[block] for block in blocks)
        free = max([now, *(task.due for task in state.tasks.values() if task.due is not None)])
        due = free + size / state.rate if state.rate else None
        self._tasks += 1
        task = state.tasks[self._tasks] = Task(self._tasks, worker, tuple(blocks), size, due, now)
        for block in task.blocks:
            self._holders.setdefault(block, []).append(task)
        return task

    def done(self, task: Task, seconds: float) -> list[int]:
        """The blocks of a task that had no answer before."""
        state = self._workers.get(task.worker)
        if state is not None:
            if state.tasks.pop(task.id, None) is not None:
                self._release(task)
            rate = task.size / max(seconds, 1e-3)
            state.rate = rate if state.rate is None else RECENT * rate + (1 - RECENT) * state.rate
        new = [block for block in task.blocks if block in self._left]
        self._left.difference_update(new)
        self._queue = [block for block in self._queue if block in self._left]
        return new

    def _give_back(self, task: Task) -> None:
        back = [block for block in task.blocks if block in self._left and not self._holders.get(block)]
        self._queue = sorted({*back, *self._queue})

    def _release(self, task: Task) -> None:
        """A worker does not have these blocks any more."""
        for block in task.blocks:
            self._holders[block] = [own for own in self._holders[block] if own is not task]

    def _from_queue(self, worker: str, state: _Worker) -> list[int]:
        """Blocks for a few seconds, at most half of this worker's share of what is left; at least one."""
        rates = [other.rate for other in self._workers.values() if other.rate]
        share = (state.rate or 0) / (2 * sum(rates)) if rates else 0
        most = min((state.rate or 0) * SECONDS, share * sum(self._sizes[block] for block in self._queue))
        preferred = [block for block in self._queue if not self._avoid(worker, block)] or self._queue
        blocks: list[int] = []
        size = 0
        for block in preferred:
            if blocks and size + self._sizes[block] > most:
                break
            blocks.append(block)
            size += self._sizes[block]
        taken = set(blocks)
        self._queue = [block for block in self._queue if block not in taken]
        return blocks

    def _from_others(self, state: _Worker, now: float) -> list[int]:
        """The missing blocks of the task that would be done last, if this worker would be done sooner."""
        last = now
        blocks: tuple[int, ...] = ()
        for other in self._workers.values():
            for task in other.tasks.values():
                if other is not state and self.needed(task) and self._may_be_doubled(task, now):
                    last, blocks = max((last, blocks), (self._expected(task, now), task.blocks))
        missing = [block for block in blocks if block in self._left]
        rate = state.rate or self._typical_rate()
        own = now + sum(self._sizes[block] for block in missing) / rate if rate else now
        return missing if own < last else []

    def _may_be_doubled(self, task: Task, now: float) -> bool:
        """Whether no other worker has blocks of this task, apart from workers that are overdue."""
        others = (own for block in task.blocks for own in self._holders[block] if own is not task)
        return all(self._overdue(own, now) for own in others)

    def _expected(self, task: Task, now: float) -> float:
        """When a task will be done; an overdue one, never."""
        return inf if self._overdue(task, now) else max(now, self._due(task))

    def _overdue(self, task: Task, now: float) -> bool:
        return now > task.given + SLACK * (self._due(task) - task.given) + GRACE

    def _due(self, task: Task) -> float:
        """When a task should be done: by its worker's own rate, or by that of the others."""
        if task.due is not None:
            return task.due
        rate = self._typical_rate()
        return task.given + task.size / rate if rate else inf

    def _typical_rate(self) -> float | None:
        rates = sorted(state.rate for state in self._workers.values() if state.rate)
        return rates[len(rates) // 2] if rates else None
