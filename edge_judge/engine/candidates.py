"""A finite set of legal texts, as questions to a model that needs to write nothing.

Each text is cut where no other outcome is possible any more. What remains are a few token paths that may follow a
prompt. One evaluation of the prompt and of the tokens that the paths share gives the probability of each path, hence
of each outcome, and the share of all probability that lay on any of them.
Knows: tokens as integers, the arithmetic of probabilities. Does not know: models, plans, files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from edge_judge.engine.evaluator import NextTokens, log_probabilities
from edge_judge.engine.llama import Logits
from edge_judge.engine.plan import Query
from edge_judge.inference import Distribution, Outcome, Tokens


@dataclass(frozen=True, slots=True)
class Candidates(Generic[Outcome]):
    """paths: the shortest token paths that decide for an outcome. continuations: what must be evaluated after a
    prompt, so that every step of every path can be read.
    """

    paths: Mapping[Tokens, Outcome]
    continuations: tuple[Tokens, ...]

    def queries(self, prompt: Tokens) -> list[Query]:
        """One query for each continuation, read at the prompt's last token and after each token that follows."""
        last = len(prompt) - 1
        return [
            Query(prompt + continuation, tuple(range(last, last + len(continuation) + 1)))
            for continuation in self.continuations
        ]

    @property
    def reads(self) -> int:
        """How many reads a query has at most."""
        return max(map(len, self.continuations)) + 1

    @property
    def size(self) -> int:
        """How many log-probabilities `probabilities` needs."""
        return len({(path[:at], token) for path in self.paths for at, token in enumerate(path)})

    def wanted(self, continuation: int, read: int) -> list[int]:
        """The tokens whose probabilities are needed at a read of a continuation."""
        begun = self.continuations[continuation][:read]
        return sorted({path[read] for path in self.paths if len(path) > read and path[:read] == begun})

    def probabilities(self, log_p: Mapping[tuple[Tokens, int], float]) -> Distribution[Outcome]:
        """The distribution, from the log-probability of each (tokens so far, next token)."""
        logs = {path: sum(log_p[path[:at], token] for at, token in enumerate(path)) for path in self.paths}
        top = max(logs.values())
        if top == -math.inf:  # every legal text is impossible
            outcomes = dict.fromkeys(self.paths.values(), 0.0)
            return Distribution(dict.fromkeys(outcomes, 1 / len(outcomes)), 0.0)
        chance = {path: math.exp(value - top) for path, value in logs.items()}  # of the likeliest one
        share: dict[Outcome, float] = {}
        for path, outcome in self.paths.items():
            longer = math.fsum(chance[other] for other in self._longer(path))
            share[outcome] = share.get(outcome, 0.0) + max(chance[path] - longer, 0.0)
        total = math.fsum(share.values())
        return Distribution({outcome: value / total for outcome, value in share.items()}, math.exp(top) * total)

    def _longer(self, path: Tokens) -> list[Tokens]:
        """The next longer paths that begin with this one: a model that writes "10" has not given "1"."""
        longer = [other for other in self.paths if len(other) > len(path) and other[: len(path)] == path]
        return [
            nearest
            for nearest in longer
            if not any(len(other) < len(nearest) and nearest[: len(other)] == other for other in longer)
        ]


def candidates(texts: Sequence[tuple[Tokens, Outcome]]) -> Candidates[Outcome]:
    """The candidates among legal texts, given as the tokens of each and its outcome."""
    paths: dict[Tokens, Outcome] = {}
    for tokens, outcome in texts:
        for length in range(1, len(tokens) + 1):
            begun = tokens[:length]
            if all(other == outcome for rival, other in texts if rival[:length] == begun):
                break
        paths[begun] = outcome
    needed = {path[:-1] for path in paths}
    continuations = [path for path in needed if not any(other[: len(path)] == path for other in needed - {path})]
    return Candidates(paths, tuple(sorted(continuations)))


def common_start(paths: Sequence[Tokens]) -> Tokens:
    """The tokens with which all paths begin; at least one of each is left over."""
    shortest = min(map(len, paths)) - 1
    same = next((at for at in range(shortest) if len({path[at] for path in paths}) > 1), shortest)
    return paths[0][:same]


def read_logits(
    texts: Candidates[Outcome], continuation: int, read: int, logits: Logits
) -> dict[tuple[Tokens, int], float]:
    """The log-probabilities that candidates need from a read of a continuation."""
    tokens, so_far = texts.wanted(continuation, read), texts.continuations[continuation][:read]
    return {(so_far, token): value for token, value in zip(tokens, log_probabilities(logits, tokens), strict=True)}


class CandidateReader(Generic[Outcome]):
    """Reads candidates inside a sequence that is being written: at the place where they begin, `back` tokens before the
    last one evaluated, then along each continuation.
    """

    def __init__(self, texts: Candidates[Outcome], back: int) -> None:
        self._texts, self._beyond = texts, back
        self._log_p: dict[tuple[Tokens, int], float] = {}
        places = range(len(texts.continuations))
        self._at = [(place, 0) for place in places]  # the (continuation, read) that the next logits are of
        self._todo = [(place, read) for place in places for read in range(1, len(texts.continuations[place]) + 1)]

    def read(self, logits: Logits) -> NextTokens | None:
        """What is to be evaluated next; None when all is read."""
        for continuation, read in self._at:
            self._log_p |= read_logits(self._texts, continuation, read, logits)
        if not self._todo:
            return None
        continuation, read = self._todo.pop(0)
        self._at = [(continuation, read)]
        back = self._beyond if read == 1 else 0
        self._beyond = read
        return NextTokens((self._texts.continuations[continuation][read - 1],), back)

    def probabilities(self) -> Distribution[Outcome]:
        return self._texts.probabilities(self._log_p)
