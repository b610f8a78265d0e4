"""Made-up rankings with their texts, for the tests of their page."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import votes

from edge_judge.analysis.ranking.games import Games
from edge_judge.analysis.ranking.standings import RankedSystems, stand
from edge_judge.records import Identity, Outputs, Task


def ranked(games: Games, scheme: str = "f16", **known: object) -> RankedSystems:
    """By a made-up judge."""
    return stand(games, Identity("outputs", "pocket", scheme, "pairwise"), **known)  # type: ignore[arg-type]


def outputs(games: Games, words: int = 12, said: str | None = None) -> Outputs:
    """Texts for the votes. said: in all texts, if it is given."""
    chance, vocabulary = Random(7), [f"word{number}" for number in range(900)]

    def text(length: int) -> str:
        return said or " ".join(chance.choices(vocabulary, k=length))

    ids = list(dict.fromkeys(games.frame["question"]))
    tasks = tuple(Task(one, f"Question {one}: {text(8)}", "the reference" if one == "q1" else None) for one in ids)
    answers = {(task.id, name): f"{name}: {text(words)}" for task in tasks for name in games.systems}
    return Outputs(games.systems, tasks, answers, "")


def made_up(
    systems: Sequence[float] = (1.0, 0.2, 0.0, -1.0), questions: int = 60, seed: int = 3, errors: float = 0.02
) -> Games:
    return votes.made_up([*systems], questions, seed, soft=True, errors=errors)
