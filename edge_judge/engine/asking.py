"""Asks a server one prompt, in the way that it can answer, and reads the answer.

A verdict has probabilities where the server lists the likeliest tokens, else it is a text. A guided text is held to
its grammar by llama-server, to its JSON schema by those that take one. Where llama-server cuts reasons off, it is asked
to go on with an ending.

Knows: requests, what a server can do. Does not know: many prompts, connections, pairs, verdicts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os.path import commonprefix
from typing import Any, TypeVar

from edge_judge import foreign_json
from edge_judge.engine.completions import (
    Completion,
    Usage,
    completion,
    distribution,
    ending_distribution,
    grammar_of,
    json_form,
)
from edge_judge.engine.endpoint import Endpoint, Exchange, Unreadable
from edge_judge.engine.server import LLAMA, Server
from edge_judge.inference import Distribution, GuidedWriting, Outcome, Reading, Written

Answer = TypeVar("Answer")
BYTES = 4  # about, of a token
SPARE = 64  # tokens for the chat format, and for what stands around an answer


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one prompt at a time, in the way that the server can answer."""

    endpoint: Endpoint
    server: Server

    async def chat(self, exchange: Exchange, content: str, limit: int, **fields: Any) -> Completion:
        url, body = f"{self.endpoint.address.base}/chat/completions", self.server.ask(content, limit)
        return await exchange.ask(url, body | fields, partial(_complete, listed="logprobs" in fields))

    async def read(
        self, exchange: Exchange, content: str, reading: Reading[Outcome]
    ) -> tuple[Distribution[Outcome] | Written[Any], Usage]:
        """The probabilities of the continuations, or the text that was written in their place."""
        texts = list(reading.continuations)
        limit, held = max(len(text.encode()) for text in texts) + 1, {}
        if self.server.constraint == "grammar":
            held = {"grammar": grammar_of(texts)}
        elif self.server.constraint == "response_format" and not self.server.listed:
            held, limit = json_form(_one_of(texts)), limit + len(_one_of([])) // BYTES
        written = await self.chat(exchange, content, limit, **self.server.ask_likeliest(), **held)
        outcomes = {text.encode(): outcome for text, outcome in reading.continuations.items()}
        found = distribution(written.steps, outcomes)
        return found or Written(_chosen(written.text)), written.usage

    async def guided(
        self, exchange: Exchange, content: str, rule: GuidedWriting[Outcome], copied: Callable[[str], bool]
    ) -> tuple[Written[Outcome], Usage]:
        """Reasons and the probabilities of the endings; none where the server does not tell them."""
        llama, longest = self.server.kind == LLAMA, max(len(text.encode()) for text in rule.endings)
        limit = rule.limit + (len(rule.opening) if llama else longest)  # others cannot be asked for an ending alone
        held: dict[str, Any] = {}
        if self.server.constraint == "grammar":
            held = {"grammar": _whole_grammar(rule)}
        elif self.server.constraint == "response_format" and rule.schema:
            held, limit = json_form(rule.schema), limit + SPARE
        first = await self.chat(exchange, content, limit, **self.server.ask_likeliest(), **held)
        text = b"".join(step.token for step in first.steps).decode(errors="replace") if llama else first.text
        if rule.schema:
            text = _compact(text)
        if not text.startswith(rule.opening):
            return Written(text), first.usage
        reasons, ending, begins = _split(text.removeprefix(rule.opening), rule, copied)
        endings = {ending: outcome for ending, outcome in rule.endings.items() if outcome in rule.outcomes}
        before = rule.opening + reasons
        if ending is None and llama:
            before += "" if begins else rule.bridge
            mark = commonprefix(list(rule.endings))
            second = await self._ending(exchange, content, before + mark, [text[len(mark) :] for text in rule.endings])
            texts = {ending.encode(): outcome for ending, outcome in endings.items()}
            found = distribution(second.steps, texts, mark.encode())
            return _written(before, None, endings, found), first.usage + second.usage
        if ending is None:
            return Written(text), first.usage
        exact = b"".join(step.token for step in first.steps).startswith((before + ending).encode())
        found = ending_distribution(first.steps, len(before.encode()), endings) if exact else None
        return _written(before, ending, endings, found), first.usage

    async def _ending(self, exchange: Exchange, content: str, before: str, endings: Sequence[str]) -> Completion:
        """One of some endings after a text of the answer, by llama-server's plain completion."""
        root, base, chat = self.endpoint.address.root, self.endpoint.address.base, self.server.ask(content, 1)
        prompt = await exchange.ask(f"{root}/apply-template", chat, lambda answer: field_of(answer, "prompt", str))
        body = {name: value for name, value in chat.items() if name in ("model", "temperature", "seed")}
        body |= {"prompt": prompt + before, "max_tokens": max(len(text.encode()) for text in endings) + 1}
        body |= {"logprobs": self.server.listed, "grammar": grammar_of(endings, lead=False)}
        return await exchange.ask(f"{base}/completions", body, partial(_complete, listed=True))


def _complete(answer: Any, *, listed: bool) -> Completion:
    """An answer with what was asked for. listed: the likeliest tokens."""
    written = completion(answer)
    if listed and written.text and not written.steps:
        raise Unreadable
    return written


def field_of(answer: Any, name: str, kind: type[Answer]) -> Answer:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise Unreadable
    return value


def _one_of(texts: Sequence[str]) -> str:
    """A JSON schema that holds an answer to one of some texts."""
    properties = {"verdict": {"type": "string", "enum": list(texts)}}
    schema = {"type": "object", "properties": properties, "required": ["verdict"], "additionalProperties": False}
    return json.dumps(schema)


def _chosen(text: str) -> str:
    """The text in an answer to `_one_of`; any other answer as it is, without white space around it."""
    try:
        content = foreign_json.parse(text, nan=True)
    except ValueError:
        return text.strip()
    inside = content.get("verdict") if isinstance(content, dict) else None
    return inside if isinstance(inside, str) else text.strip()


def _whole_grammar(rule: GuidedWriting[Any]) -> str:
    """The rule's grammar, with the opening before its start."""
    opening = f"{json.dumps(rule.opening, ensure_ascii=False)} " if rule.opening else ""
    renamed = re.sub(r"^root(\s*::=)", r"whole-text\1", rule.grammar, flags=re.MULTILINE)
    return f"root ::= {opening}{rule.start}\n{renamed}"


def _compact(text: str) -> str:
    """JSON without spaces, as grammars write it; any other text as it is."""
    try:
        content = foreign_json.parse(text, nan=True)
    except ValueError:
        return text
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _split(body: str, rule: GuidedWriting[Any], copied: Callable[[str], bool]) -> tuple[str, str | None, bool]:
    """The reasons at the beginning of a text, the ending after them that is not a quotation, None if there is none, and
    whether one begins there.
    """
    reader, whole = rule.reader(), 0
    for place in range(len(body) + 1):
        if reader.whole:
            whole = place
            found = [ending for ending in rule.endings if body.startswith(ending, place)]
            if found and not copied(body[:place]):
                return body[:place], max(found, key=len), True
        if place < len(body) and not reader.take(body[place]):
            break
    rest = body[whole:]
    return body[:whole], None, bool(rest) and rule.mark.startswith(rest)


def _written(
    before: str, ending: str | None, endings: Mapping[str, Outcome], found: Distribution[Outcome] | None
) -> Written[Outcome]:
    """The text with its likeliest ending, or with the one that was written."""
    if found is not None:
        best = max(found.p, key=lambda outcome: found.p[outcome])
        ending = next(text for text, outcome in endings.items() if outcome == best)
    return Written(before + (ending or ""), found)
