"""Chat completions: what is asked of an OpenAI-compatible server, and what its answer says.

An answer may have the likeliest tokens at each place with their probabilities. Along the tokens that were written they
give the probability of every legal text, but for what lies outside: on tokens that are not listed, and on legal
beginnings that were not gone on with. That much is `unread`.

Knows: fields of requests and answers, the arithmetic of probabilities. Does not know: connections, which server can do
what.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import Any

from edge_judge.engine.endpoint import Unreadable
from edge_judge.inference import Distribution, Outcome

SEED = 0  # nothing is drawn at temperature 0, where a server keeps to it


@dataclass(frozen=True, slots=True)
class Step:
    """A token that was written: its bytes and its probability, and the likeliest tokens in its place."""

    token: bytes
    p: float
    likeliest: tuple[tuple[bytes, float], ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What was answered: requests, and tokens as the server counts them. cached: those of the prompt that it had
    computed before.
    """

    requests: int = 0
    prompt: int = 0
    written: int = 0
    cached: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.prompt + other.prompt,
            self.written + other.written,
            self.cached + other.cached,
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """What was written. steps: its tokens, empty where the server does not tell their probabilities."""

    text: str
    steps: tuple[Step, ...]
    usage: Usage


def chat_body(model: str | None, content: str, limit: int, limit_name: str = "max_tokens") -> dict[str, Any]:
    """The request to answer a message in at most `limit` tokens."""
    body = {"messages": [{"role": "user", "content": content}], limit_name: limit, "temperature": 0, "seed": SEED}
    return body if model is None else {"model": model, **body}


def json_form(schema: str, name: str = "verdict") -> dict[str, Any]:
    """The field that asks for JSON of a schema."""
    form = {"name": name, "strict": True, "schema": json.loads(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def grammar_of(texts: Sequence[str], *, lead: bool = True) -> str:
    """GBNF for one of some texts. lead: after a space, if the model puts one before its answers."""
    space = '" "? ' if lead else ""
    return f"root ::= {space}({' | '.join(json.dumps(text, ensure_ascii=False) for text in texts)})"


def completion(answer: Any) -> Completion:
    """What an answer says, to a chat or to a plain prompt. Raises Unreadable for one of another shape."""
    try:
        choice = answer["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        listed = (choice.get("logprobs") or {}).get("content") or ()
        steps = tuple(_step(entry) for entry in listed)
        usage = _usage(answer.get("usage") or {})
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError):
        raise Unreadable from None
    if text is None:  # as where a model thinks until its limit
        text = ""
    if not isinstance(text, str):
        raise Unreadable
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half a character cannot be kept
    return Completion(text, steps, usage)


def _step(entry: Mapping[str, Any]) -> Step:
    likeliest = tuple((_bytes(other), _p(other)) for other in entry.get("top_logprobs") or ())
    return Step(_bytes(entry), _p(entry), likeliest)


def _bytes(entry: Mapping[str, Any]) -> bytes:
    raw = entry.get("bytes")
    return bytes(raw) if raw is not None else str(entry["token"]).encode()


def _p(entry: Mapping[str, Any]) -> float:
    log_p = float(entry["logprob"])
    if math.isnan(log_p):
        raise ValueError
    return math.exp(min(0.0, log_p))


def _usage(fields: Mapping[str, Any]) -> Usage:
    details = fields.get("prompt_tokens_details") or {}
    counts = (fields.get("prompt_tokens"), fields.get("completion_tokens"), details.get("cached_tokens"))
    return Usage(1, *(max(0, int(count or 0)) for count in counts))


def distribution(
    steps: Sequence[Step], texts: Mapping[bytes, Outcome], begun: bytes | None = None
) -> Distribution[Outcome] | None:
    """The probabilities of texts, along the tokens that were written; None where no legal text is among those listed.

    begun: the beginning of every text that stands before the first step. If None, the answer begins with the first
    step, and white space before a text does not count.
    """
    reading = _PathReading(texts, begun)
    for step in steps:
        if not reading.read(step):
            break
    return reading.distribution()


def ending_distribution(
    steps: Sequence[Step], start: int, endings: Mapping[str, Outcome]
) -> Distribution[Outcome] | None:
    """The probabilities of endings, of which one begins after `start` bytes of what was written. The mass is the share
    of all probability that they have after the text with which all of them begin.
    """
    written = b"".join(step.token for step in steps)
    decides, place, first = start + len(commonprefix(list(endings)).encode()), 0, 0
    while first < len(steps) and place + len(steps[first].token) <= decides:
        place += len(steps[first].token)
        first += 1
    inside = written[place:start]  # of the reasons, where the token that decides begins in them
    texts = {inside + ending.encode(): outcome for ending, outcome in endings.items()}
    return distribution(steps[first:], texts, written[start:place])


class _PathReading:
    """The shares of outcomes along one path of tokens. reached: the probability of the path so far."""

    def __init__(self, texts: Mapping[bytes, Any], begun: bytes | None) -> None:
        self._texts, self._text, self._trimmed = texts, begun or b"", begun is None
        self._reached, self._outside, self._depth, self._open = 1.0, 0.0, 0, True
        self._whole: tuple[Any, int] | None = None  # the last text that the path has passed, and where it was counted
        self._share: dict[tuple[Any, int], float] = {}  # by outcome, and by how many tokens come before it is decided

    def read(self, step: Step) -> bool:
        """Count what the likeliest tokens at this place decide. Returns whether there is more to read."""
        listed = list(step.likeliest)
        written = next((place for place, (token, _) in enumerate(listed) if token == step.token), None)
        if written is None:  # a grammar kept the likelier ones away
            written = len(listed)
            listed.append((step.token, step.p))
        self._outside += self._reached * max(0.0, 1.0 - math.fsum(p for _, p in listed))
        for place, (token, p) in enumerate(listed):
            text, share = self._with(token), self._reached * p
            if not token:  # the end of the turn
                continue
            outcome = self._outcome(text)
            if outcome is not None:
                self._add(outcome, self._depth, share)
                if self._whole is not None:  # what is written on is not the shorter text
                    self._add(*self._whole, -share)
            if place != written and self._is_open(text):
                self._outside += share
        self._text = self._with(step.token)
        if self._text in self._texts:
            self._whole = (self._texts[self._text], self._depth)
        self._depth += 1
        self._reached *= listed[written][1]
        self._open = bool(step.token) and self._is_open(self._text)
        return self._open

    def _add(self, outcome: Any, depth: int, share: float) -> None:
        self._share[outcome, depth] = self._share.get((outcome, depth), 0.0) + share

    def _with(self, token: bytes) -> bytes:
        text = self._text + token
        return text.lstrip() if self._trimmed else text

    def _outcomes(self, text: bytes) -> set[Any]:
        return {outcome for whole, outcome in self._texts.items() if whole.startswith(text)}

    def _outcome(self, text: bytes) -> Any:
        """The outcome of a beginning that is decided, or is itself one of the texts."""
        outcomes = self._outcomes(text)
        return outcomes.pop() if len(outcomes) == 1 else self._texts.get(text)

    def _is_open(self, text: bytes) -> bool:
        """Whether texts with different outcomes begin so, one of which goes on."""
        longer = any(len(whole) > len(text) and whole.startswith(text) for whole in self._texts)
        return longer and len(self._outcomes(text)) > 1

    def distribution(self) -> Distribution[Any] | None:
        unread = self._outside + (self._reached if self._open else 0.0)
        shares = {key: max(0.0, share) for key, share in self._share.items()}
        total = math.fsum(shares.values())
        if not total > 0:
            return None
        sums = dict.fromkeys(self._texts.values(), 0.0)
        largest = dict(sums)
        for (outcome, _), share in shares.items():
            sums[outcome] += share
            largest[outcome] = max(largest[outcome], share)
        p = {outcome: share / total for outcome, share in sums.items()}
        respelled = max(0.0, 1.0 - math.fsum(largest.values()) / total)
        return Distribution(p, min(1.0, total), respelled, min(1.0, unread))
