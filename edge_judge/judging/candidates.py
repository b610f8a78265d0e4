"""A finite set of legal texts (verdicts, scores), as questions to a model that needs to write nothing.

Each legal text is cut where no other verdict is possible any more; what remains are a few token paths that hang on
the end of a prompt. One evaluation of the prompt and the forced tokens gives the probability of each path, hence
of each verdict, and the share of all probability that lay on any of them.
Knows: tokens as integers, the arithmetic of probabilities. Does not know: models, plans, files.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge_judge.engine.evaluator import Logits, log_probabilities
from edge_judge.engine.plan import Query, Tokens

Answer = TypeVar("Answer", bound=Hashable)  # what a text stands for: a verdict, a score


@dataclass(frozen=True, slots=True)
class Candidates(Generic[Answer]):
    """paths: the shortest token paths that decide for a verdict. stems: what must be evaluated after a prompt, so
    that every step of every path can be read; steps: path → the (stem, read) whose probabilities each token has.
    """

    paths: Mapping[Tokens, Answer]
    stems: tuple[Tokens, ...]

    def queries(self, prompt: Tokens) -> list[Query]:
        """One query for each stem, read at the prompt's last token and after each token of the stem."""
        last = len(prompt) - 1
        return [Query(prompt + stem, tuple(range(last, last + len(stem) + 1))) for stem in self.stems]

    @property
    def size(self) -> int:
        """How many log-probabilities `count` needs."""
        return len({(path[:at], token) for path in self.paths for at, token in enumerate(path)})

    def wanted(self, stem: int, read: int) -> list[int]:
        """The tokens whose probabilities are needed at a read of a stem."""
        begun = self.stems[stem][:read]
        return sorted({path[read] for path in self.paths if len(path) > read and path[:read] == begun})

    def count(self, log_p: Mapping[tuple[Tokens, int], float]) -> tuple[dict[Answer, float], float]:
        """(p, mass), from the log-probability of each (tokens so far, next token): p sums to 1 over the labels."""
        logs = {path: sum(log_p[path[:at], token] for at, token in enumerate(path)) for path in self.paths}
        top = max(logs.values())
        if top == -math.inf:  # every legal verdict is impossible
            labels = dict.fromkeys(self.paths.values(), 0.0)
            return dict.fromkeys(labels, 1 / len(labels)), 0.0
        chance = {path: math.exp(value - top) for path, value in logs.items()}  # of the likeliest one
        share: dict[Answer, float] = {}
        for path, label in self.paths.items():
            longer = math.fsum(chance[other] for other in self._goes_on(path))
            share[label] = share.get(label, 0.0) + max(chance[path] - longer, 0.0)
        total = math.fsum(share.values())
        return {label: value / total for label, value in share.items()}, math.exp(top) * total

    def _goes_on(self, path: Tokens) -> list[Tokens]:
        """The next longer paths that begin with this one: who writes "10" has not said "1"."""
        longer = [other for other in self.paths if len(other) > len(path) and other[: len(path)] == path]
        return [
            one for one in longer if not any(len(other) < len(one) and one[: len(other)] == other for other in longer)
        ]


def candidates(texts: Sequence[tuple[Tokens, Answer]]) -> Candidates[Answer]:
    """The ballot of legal texts, given as the tokens of each and what it stands for."""
    paths: dict[Tokens, Answer] = {}
    for tokens, label in texts:
        for length in range(1, len(tokens) + 1):
            stem = tokens[:length]
            if all(other == label for rival, other in texts if rival[:length] == stem):
                break
        paths[stem] = label
    needed = {path[:-1] for path in paths}
    stems = [stem for stem in needed if not any(other[: len(stem)] == stem for other in needed - {stem})]
    return Candidates(paths, tuple(sorted(stems)))


def common_start(paths: Sequence[Tokens]) -> Tokens:
    """The tokens with which all paths begin; at least one of each is left over."""
    shortest = min(map(len, paths)) - 1
    same = next((at for at in range(shortest) if len({path[at] for path in paths}) > 1), shortest)
    return paths[0][:same]


def read_logits(paths: Candidates[Answer], stem: int, read: int, logits: Logits) -> dict[tuple[Tokens, int], float]:
    """The log-probabilities that a ballot wants at a read of a stem, as it wants them."""
    tokens, so_far = paths.wanted(stem, read), paths.stems[stem][:read]
    return {(so_far, token): value for token, value in zip(tokens, log_probabilities(logits, tokens), strict=True)}
