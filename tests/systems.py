"""Simulated systems for tests and benchmarks: answers to the pocket's tasks, of which a known share is right.

The tasks are those of the embedded benchmark's split, which the pocket judge was not trained on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from edge_judge.pocket.families import FAMILIES, Task
from edge_judge.pocket.tasks import split_of

QUALITY: Mapping[str, float] = {"sixty": 0.60, "seventy-five": 0.75, "ninety": 0.90}
SEED = 16


@dataclass(frozen=True)
class Answered:
    """A question, each system's answer to it, and the right ones."""

    question: str
    answers: Mapping[str, str]
    rights: tuple[str, ...]

    def label(self, a: str, b: str) -> str:
        """What a person says of two answers."""
        right = (a in self.rights, b in self.rights)
        return "tie" if right[0] == right[1] else "A" if right[0] else "B"


def answered(number: int, quality: Mapping[str, float] = QUALITY, seed: int = SEED) -> list[Answered]:
    """So many distinct questions. quality: of each system, the share of its answers that is right."""
    rng, found = Random(seed), dict[str, Answered]()
    names = list(FAMILIES)
    while len(found) < number:
        task = FAMILIES[rng.choice(names)](rng)
        if split_of(task.question) == "bench" and task.question not in found:
            answers = {name: _answer(rng, task, rng.random() < share) for name, share in quality.items()}
            found[task.question] = Answered(task.question, answers, tuple(task.rights))
    return list(found.values())


def write_outputs(folder: Path, rows: list[Answered]) -> list[Path]:
    """A JSONL file for each system, with ids."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for system in rows[0].answers:
        lines = [
            json.dumps({"id": f"q{number:03d}", "question": row.question, "output": row.answers[system]})
            for number, row in enumerate(rows, start=1)
        ]
        paths.append(folder / f"{system}.jsonl")
        paths[-1].write_text("\n".join(lines) + "\n", "utf-8")
    return paths


def _answer(rng: Random, task: Task, right: bool) -> str:
    return rng.choice(task.rights if right else task.wrongs)
