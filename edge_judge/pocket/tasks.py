"""Seeded pairs of answers to tasks, and their splits.

A pair has two answers to a task. The wrong answer is often longer, and one pair in five is a tie.

Questions are assigned to the splits `train`, `valid` and `bench` by a hash of their text. So no instruction of the
benchmark, and no pair, can occur in training, whatever the seeds.
Does not know: prompts, tokens, models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from os.path import commonprefix
from random import Random

from edge_judge.pocket.families import FAMILIES, Task
from edge_judge.pocket.lexicon import PADDING

BENCH_SEED, BENCH_PAIRS = 20_000, 600


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as shown. core: the [start, end) range of the bare answer in `text`; slip: how many characters of the
    core come before its first mistake.
    """

    text: str
    right: bool
    core: tuple[int, int]
    slip: int


@dataclass(frozen=True, slots=True)
class TaskPair:
    """Two answers to a task. reference: a bare right answer."""

    family: str
    question: str
    a: Answer
    b: Answer
    reference: str

    @property
    def label(self) -> str:
        """ "a", "b" or "tie": decided only by which answers are right."""
        if self.a.right == self.b.right:
            return "tie"
        return "a" if self.a.right else "b"


def split_of(question: str) -> str:
    """The split a question belongs to: 80 % train, 10 % valid, 10 % bench, by its SHA-256."""
    place = int.from_bytes(hashlib.sha256(question.encode()).digest()[:4], "big") % 10
    return {0: "bench", 1: "valid"}.get(place, "train")


def pairs(seed: int, split: str) -> Iterator[TaskPair]:
    """Endless pairs of one split. The same seed gives the same pairs."""
    rng = Random(seed)
    names = list(FAMILIES)
    while True:
        family = rng.choice(names)
        task = FAMILIES[family](rng)
        if split_of(task.question) == split:
            yield _pair(rng, family, task)


def benchmark() -> list[TaskPair]:
    """The 600 pairs of the benchmark `pocket`, no two alike."""
    distinct: dict[tuple[str, str, str], TaskPair] = {}
    for pair in pairs(BENCH_SEED, "bench"):
        distinct.setdefault((pair.question, pair.a.text, pair.b.text), pair)
        if len(distinct) == BENCH_PAIRS:
            return list(distinct.values())
    raise AssertionError("pairs() is endless")


def _pair(rng: Random, family: str, task: Task) -> TaskPair:
    case = rng.random()
    if case < 0.1 and (len(task.rights) > 1 or task.paddable):
        answers = (_right(rng, task, task.rights[0]), _right(rng, task, task.rights[-1]))
    elif case < 0.2:
        first, second = rng.sample(task.wrongs, 2)
        answers = (_wrong(rng, task, first), _wrong(rng, task, second))
    else:
        answers = (_right(rng, task, rng.choice(task.rights)), _wrong(rng, task, rng.choice(task.wrongs)))
    if answers[0].text == answers[1].text:  # the same right answer twice: pad one, so that they differ
        answers = (_shown(task, task.rights[0], True, rng.choice(PADDING)), answers[1])
    a, b = answers if rng.random() < 0.5 else answers[::-1]
    return TaskPair(family, task.question, a, b, task.rights[0])


def _right(rng: Random, task: Task, core: str) -> Answer:
    padding = rng.choice(PADDING) if task.paddable and rng.random() < 0.25 else ("", "")
    return _shown(task, core, True, padding)


def _wrong(rng: Random, task: Task, core: str) -> Answer:
    return _shown(task, core, False, rng.choice(PADDING) if rng.random() < 0.5 else ("", ""))


def _shown(task: Task, core: str, right: bool, padding: tuple[str, str]) -> Answer:
    before, after = padding
    slip = task.right_length(core) if task.right_length else len(commonprefix([core, task.rights[0]]))
    return Answer(before + core + after, right, (len(before), len(before) + len(core)), slip)
