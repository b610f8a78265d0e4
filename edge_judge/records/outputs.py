"""What several systems answered to the same tasks. Does not know: who judges them, files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """A question that systems answered. id: its name in their files, or a hash of its text where they name none;
    reference: a right answer, None if there is none.
    """

    id: str
    question: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """What systems answered. systems: in the order of their names; tasks: by id; answers: (task's id, system) to text,
    without those that are missing; sha256: of all of it, whatever files it came in.
    """

    systems: tuple[str, ...]
    tasks: tuple[Task, ...]
    answers: Mapping[tuple[str, str], str]
    sha256: str

    def missing(self, system: str) -> tuple[str, ...]:
        """The ids of the tasks that a system did not answer."""
        return tuple(task.id for task in self.tasks if (task.id, system) not in self.answers)
