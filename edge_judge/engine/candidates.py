"""The candidates for an answer: a finite set of legal texts whose probabilities are read, so that nothing is written.

Each text is cut after the token that decides its outcome. A few token paths remain. One evaluation of the prompt and
of the tokens that the paths share gives the probability of each path, and so of each outcome. It also gives the share
of all probability that lies on any of the paths.
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
    """paths: the shortest token paths that decide an outcome, with that outcome. continuations: the tokens to evaluate
    after a prompt so that every step of every path can be read.
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
        return len({(path[:step], token) for path in self.paths for step, token in enumerate(path)})

    def tokens_at(self, continuation: int, read: int) -> list[int]:
        """The tokens whose probabilities are needed at a read of a continuation."""
        prefix = self.continuations[continuation][:read]
        return sorted({path[read] for path in self.paths if len(path) > read and path[:read] == prefix})

    def probabilities(self, log_p: Mapping[tuple[Tokens, int], float]) -> Distribution[Outcome]:
        """The distribution, from the log-probability of each (tokens so far, next token)."""
        logs = {path: sum(log_p[path[:step], token] for step, token in enumerate(path)) for path in self.paths}
        top = max(logs.values())
        if top == -math.inf:  # every legal text is impossible
            outcomes = dict.fromkeys(self.paths.values(), 0.0)
            return Distribution(dict.fromkeys(outcomes, 1 / len(outcomes)), 0.0)
        relative = {path: math.exp(value - top) for path, value in logs.items()}  # to the likeliest path
        share: dict[Outcome, float] = {}
        for path, outcome in self.paths.items():
            longer = math.fsum(relative[extension] for extension in self._extensions(path))
            share[outcome] = share.get(outcome, 0.0) + max(relative[path] - longer, 0.0)
        total = math.fsum(share.values())
        return Distribution({outcome: value / total for outcome, value in share.items()}, math.exp(top) * total)

    def _extensions(self, path: Tokens) -> list[Tokens]:
        """The next longer paths that begin with this path: a model that writes "10" has not given "1"."""
        longer = [other for other in self.paths if len(other) > len(path) and other[: len(path)] == path]
        return [
            nearest
            for nearest in longer
            if not any(len(other) < len(nearest) and nearest[: len(other)] == other for other in longer)
        ]


def candidates(texts: Sequence[tuple[Tokens, Outcome]]) -> Candidates[Outcome]:
    """The candidates of legal texts. texts: the tokens and the outcome of each."""
    paths: dict[Tokens, Outcome] = {}
    for tokens, outcome in texts:
        for length in range(1, len(tokens) + 1):
            prefix = tokens[:length]
            if all(rival_outcome == outcome for rival, rival_outcome in texts if rival[:length] == prefix):
                break
        paths[prefix] = outcome
    needed = {path[:-1] for path in paths}
    continuations = [path for path in needed if not any(other[: len(path)] == path for other in needed - {path})]
    return Candidates(paths, tuple(sorted(continuations)))


def common_start(paths: Sequence[Tokens]) -> Tokens:
    """The tokens with which all paths begin. At least one token of each path is left over."""
    most = min(map(len, paths)) - 1
    length = next((step for step in range(most) if len({path[step] for path in paths}) > 1), most)
    return paths[0][:length]


def read_logits(
    texts: Candidates[Outcome], continuation: int, read: int, logits: Logits
) -> dict[tuple[Tokens, int], float]:
    """The log-probabilities that candidates need from a read of a continuation."""
    tokens, prefix = texts.tokens_at(continuation, read), texts.continuations[continuation][:read]
    return {(prefix, token): value for token, value in zip(tokens, log_probabilities(logits, tokens), strict=True)}


class CandidateReader(Generic[Outcome]):
    """Reads candidates inside a sequence that is being written. It reads first where the candidates begin, which is
    `back` tokens before the last token evaluated, then along each continuation.
    """

    def __init__(self, texts: Candidates[Outcome], back: int) -> None:
        self._texts, self._back = texts, back
        self._log_p: dict[tuple[Tokens, int], float] = {}
        places = range(len(texts.continuations))
        self._current = [(place, 0) for place in places]  # the (continuation, read) that the next logits belong to
        self._remaining = [(place, read) for place in places for read in range(1, len(texts.continuations[place]) + 1)]

    def read(self, logits: Logits) -> NextTokens | None:
        """The tokens to evaluate next; None when everything is read."""
        for continuation, read in self._current:
            self._log_p |= read_logits(self._texts, continuation, read, logits)
        if not self._remaining:
            return None
        continuation, read = self._remaining.pop(0)
        self._current = [(continuation, read)]
        back = self._back if read == 1 else 0
        self._back = read
        return NextTokens((self._texts.continuations[continuation][read - 1],), back)

    def probabilities(self) -> Distribution[Outcome]:
        return self._texts.probabilities(self._log_p)
