"""The candidates for an answer: a finite set of legal texts whose probabilities are read, so that nothing is written.

Each text is cut after the token that decides its outcome. A few token paths remain. One evaluation of the prompt and
of the tokens that the paths share gives the probability of each path, and so of each outcome. It also gives the share
of all probability that lies on any of the paths.

Other tokens can spell the same text: `[`, `[` for `[[`. The probability of a text is the sum over its spellings. Those
that need few tokens more are read; for the rest, a bound is known.
Knows: tokens as integers, the arithmetic of probabilities. Does not know: models, plans, files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Generic

from edge_judge.engine.evaluator import NextTokens, log_probabilities
from edge_judge.engine.llama import Logits
from edge_judge.engine.plan import Query
from edge_judge.inference import Distribution, Outcome, Tokens


@dataclass(frozen=True)
class Candidates(Generic[Outcome]):
    """paths: the shortest token paths that decide an outcome, with that outcome. continuations: the tokens to evaluate
    after a prompt so that every step of every path can be read. unread: beginnings of further spellings that are not
    evaluated any further.
    """

    paths: Mapping[Tokens, Outcome]
    continuations: tuple[Tokens, ...]
    unread: frozenset[Tokens] = frozenset()

    def queries(self, prompt: Tokens) -> list[Query]:
        """One query for each continuation, read at the prompt's last token and after each token that follows."""
        return [Query(prompt, continuation, len(continuation) + 1) for continuation in self.continuations]

    @property
    def reads(self) -> int:
        """How many reads a query has at most."""
        return max(map(len, self.continuations)) + 1

    @cached_property
    def size(self) -> int:
        """How many log-probabilities `probabilities` needs."""
        return sum(map(len, self._needed.values()))

    @cached_property
    def _all(self) -> tuple[Tokens, ...]:
        return (*self.paths, *self.unread)

    @cached_property
    def _needed(self) -> dict[Tokens, list[int]]:
        """The tokens whose probabilities are needed after each beginning."""
        needed: dict[Tokens, set[int]] = {}
        for path in self._all:
            for step, token in enumerate(path):
                needed.setdefault(path[:step], set()).add(token)
        return {beginning: sorted(tokens) for beginning, tokens in needed.items()}

    def tokens_at(self, continuation: int, read: int) -> list[int]:
        """The tokens whose probabilities are needed at a read of a continuation."""
        return self._needed[self.continuations[continuation][:read]]

    def probabilities(self, log_p: Mapping[tuple[Tokens, int], float]) -> Distribution[Outcome]:
        """The distribution, from the log-probability of each (tokens so far, next token)."""
        logs = {path: sum(log_p[path[:step], token] for step, token in enumerate(path)) for path in self._all}
        top = max(logs[path] for path in self.paths)
        unread = math.fsum(math.exp(logs[path]) for path in self.unread)
        if top == -math.inf:  # every legal text is impossible
            outcomes = dict.fromkeys(self.paths.values(), 0.0)
            return Distribution(dict.fromkeys(outcomes, 1 / len(outcomes)), 0.0, unread=unread)
        relative = {path: math.exp(logs[path] - top) for path in self.paths}  # to the likeliest path
        share: dict[Outcome, float] = {}
        largest: dict[tuple[Outcome, Tokens], float] = {}  # of an outcome, by the tokens before the deciding one
        for path, outcome in self.paths.items():
            longer = math.fsum(relative[extension] for extension in self._extensions[path])
            own = max(relative[path] - longer, 0.0)
            share[outcome] = share.get(outcome, 0.0) + own
            largest[outcome, path[:-1]] = largest.get((outcome, path[:-1]), 0.0) + own
        total = math.fsum(share.values())
        most = math.fsum(max(p for (of, _), p in largest.items() if of == outcome) for outcome in share)
        p = {outcome: value / total for outcome, value in share.items()}
        return Distribution(p, math.exp(top) * total, max(0.0, 1 - most / total), unread)

    @cached_property
    def _extensions(self) -> dict[Tokens, list[Tokens]]:
        """The next longer paths that begin with each path: a model that writes "10" has not given "1"."""
        found: dict[Tokens, list[Tokens]] = {path: [] for path in self.paths}
        for path in self.paths:
            beginnings = (path[:length] for length in range(len(path) - 1, 0, -1))
            nearest = next((beginning for beginning in beginnings if beginning in found), None)
            if nearest is not None:
                found[nearest].append(path)
        return found


def continuations(needed: Set[Tokens]) -> tuple[Tokens, ...]:
    """The longest of some beginnings of texts, which contain all others."""
    return tuple(sorted(one for one in needed if not any(other[: len(one)] == one for other in needed - {one})))


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
