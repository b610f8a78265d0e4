"""Which examples each step learns from: in an order that the seed and the step alone decide.

So a training that goes on after a kill sees what it would have seen.
Knows: positions of examples, lengths. Does not know: torch, losses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from edge_judge.inference import Tokens
from edge_judge.training.examples import Example
from edge_judge.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class LearnedText:
    """Tokens to read, of which those from `start` on are learned."""

    tokens: Tokens
    start: int

    @property
    def learned(self) -> int:
        return len(self.tokens) - self.start


def sequence(example: Example, *, bare: bool = False) -> LearnedText:
    """An example to read. bare: without its reference answer, where its prompt shows one."""
    prompt = example.bare if bare and example.bare is not None else example.prompt.tokens
    return LearnedText(prompt + example.reply, len(prompt))


class Batches:
    """The examples of every step."""

    def __init__(self, examples: Sequence[Example], recipe: Recipe) -> None:
        self._examples, self._recipe = examples, recipe
        self.per_epoch = math.ceil(len(examples) / recipe.batch)
        self.steps = self.per_epoch * recipe.epochs
        self._epoch, self._order = -1, list[int]()

    def at(self, step: int) -> list[list[LearnedText]]:
        """The sequences of a step, counted from 0, in groups that are computed together, of similar lengths."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, list(range(len(self._examples)))
            Random(f"{self._recipe.seed} {epoch}").shuffle(self._order)
        chosen = self._order[place * self._recipe.batch : (place + 1) * self._recipe.batch]
        return grouped([self._sequence(epoch, index) for index in chosen], self._recipe.at_once)

    def _sequence(self, epoch: int, index: int) -> LearnedText:
        example = self._examples[index]
        drawn = Random(f"{self._recipe.seed} {epoch} {index}").random() if example.bare is not None else 1.0
        return sequence(example, bare=drawn < self._recipe.reference_drop)


def grouped(sequences: Sequence[LearnedText], at_once: int) -> list[list[LearnedText]]:
    """Sequences sorted by length, so many in each group: similar lengths need little padding."""
    ordered = sorted(sequences, key=lambda one: (len(one.tokens), one.tokens))
    return [ordered[start : start + at_once] for start in range(0, len(ordered), at_once)]
