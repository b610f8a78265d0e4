"""An engine that asks an OpenAI-compatible endpoint: llama-server, vLLM, SGLang, Ollama, the paid ones.

    endpoint.py      requests: repeated, counted; window.py: how many are in flight; background.py: in a thread
    server.py        what the server is and can do
    asking.py        one prompt, asked in the way that the server can answer
    completions.py   fields of requests, and how the probabilities of texts are read from an answer

Whatever a server writes, the text is matched against the grammar before it counts.
Knows: prompts, which of them are the same. Does not know: pairs, verdicts, what a continuation means.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

from edge_judge.engine.asking import BYTES, SPARE, Asker, field_of
from edge_judge.engine.completions import Usage
from edge_judge.engine.endpoint import Endpoint, Exchange
from edge_judge.engine.interface import Copied, Evaluated, Started, Wanted
from edge_judge.engine.server import LLAMA, Server, find_server
from edge_judge.inference import (
    Distribution,
    EncodedPrompt,
    Footprint,
    GuidedWriting,
    Outcome,
    Reading,
    TextHandling,
    Writing,
    Written,
)
from edge_judge.records import Batching

Answer = TypeVar("Answer")

UNENCRYPTED = "questions and answers go there without TLS: whoever is on the way can read them and change the verdicts"
UNKNOWN_CONTEXT = 1_000_000  # any prompt is sent: the server says if it is too long


class RemoteEngine:
    """A model at an endpoint. model: its name there, None if it serves one alone. The server is asked what it is when
    that is first needed. usage: what it answered so far; most_unread: the largest `unread` of its answers.
    """

    def __init__(self, endpoint: Endpoint, model: str | None = None) -> None:
        self.endpoint, self._model = endpoint, model
        self.usage, self.most_unread = Usage(), 0.0
        self.trained_prompt: str | None = None

    @cached_property
    def server(self) -> Server:
        return find_server(self.endpoint, self._model)

    @property
    def versions(self) -> Mapping[str, str]:
        server = self.server
        return {
            "engine": "OpenAI-compatible endpoint",
            "endpoint_model": server.name,
            "endpoint_server": f"{server.kind} {server.version}",
            "endpoint_file": server.file,
            "endpoint_template_sha256": server.template,
            "endpoint_reading": server.reading,
        }

    @property
    def name(self) -> str:
        return f"{self.server.name} at {self.endpoint.address.host}"

    @property
    def context(self) -> int:
        return self.server.context or UNKNOWN_CONTEXT

    def encode(self, content: str) -> EncodedPrompt:
        """The length is an estimate, except where the prompt might not fit and the server counts tokens."""
        length = len(content.encode())
        if length + SPARE > self.context and self.server.kind == LLAMA:  # no token has less than a byte
            return EncodedPrompt(content, self._count(content))
        return EncodedPrompt(content, -(-length // BYTES))

    def _count(self, content: str) -> int:
        async def count(exchange: Exchange) -> int:
            url = f"{self.endpoint.address.root}/tokenize"
            return await exchange.ask(url, {"content": content}, lambda answer: len(field_of(answer, "tokens", list)))

        (tokens,) = self.endpoint.run([count])
        return tokens

    def text_handling(self, texts: Iterable[str]) -> TextHandling:
        return TextHandling("unknown", (UNENCRYPTED,) if self.endpoint.address.unencrypted else ())

    def reserve(self, request: Reading[Any] | Writing) -> int:
        return SPARE + (request.limit if isinstance(request, Writing) else 0)

    def probabilities(
        self, prompts: Sequence[EncodedPrompt], reading: Reading[Outcome], wanted: Wanted, batching: Batching
    ) -> RemoteWork[Distribution[Outcome] | Written[Any]]:
        asker = Asker(self.endpoint, self.server)
        return self._work(prompts, wanted, lambda exchange, _, content: asker.read(exchange, content, reading))

    def write(
        self, prompts: Sequence[EncodedPrompt], writing: Writing, copied: Copied, wanted: Wanted, batching: Batching
    ) -> RemoteWork[Written[Any]]:
        asker = Asker(self.endpoint, self.server)

        async def write(exchange: Exchange, index: int, content: str) -> tuple[Written[Any], Usage]:
            if isinstance(writing, GuidedWriting):
                return await asker.guided(exchange, content, writing, partial(copied, index))
            written = await asker.chat(exchange, content, writing.limit)
            return Written(written.text), written.usage

        return self._work(prompts, wanted, write)

    def _work(
        self,
        prompts: Sequence[EncodedPrompt],
        wanted: Wanted,
        ask: Callable[[Exchange, int, str], Awaitable[tuple[Answer, Usage]]],
    ) -> RemoteWork[Answer]:
        places: dict[EncodedPrompt, list[int]] = {}  # equal prompts are asked once
        for index in filter(wanted, range(len(prompts))):
            places.setdefault(prompts[index], []).append(index)
        return RemoteWork(self, places, ask)

    def count(self, usage: Usage, answer: object) -> None:
        """Count what was answered."""
        self.usage += usage
        read = answer.distribution if isinstance(answer, Written) else answer
        if isinstance(read, Distribution):
            self.most_unread = max(self.most_unread, read.unread)

    def close(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class RemoteWork(Generic[Answer]):
    """Prompts to ask. places: each distinct prompt, and where it is wanted; ask: gets the answer to one of them."""

    engine: RemoteEngine
    places: Mapping[EncodedPrompt, Sequence[int]]
    ask: Callable[[Exchange, int, str], Awaitable[tuple[Answer, Usage]]]

    @property
    def prompts(self) -> int:
        return len(self.places)

    @property
    def tokens(self) -> int:
        return sum(prompt.size for prompt in self.places)

    @property
    def tokens_alone(self) -> int:
        return sum(prompt.size * len(indexes) for prompt, indexes in self.places.items())

    def answers(self, started: Started, evaluated: Evaluated) -> Generator[tuple[int, Answer], None, None]:
        started(Footprint(0, 0, 0, 0), Batching())
        jobs = [partial(self._job, prompt, indexes) for prompt, indexes in self.places.items()]
        for prompt, indexes, answer, usage in self.engine.endpoint.run(jobs):
            self.engine.count(usage, answer)
            for index in indexes:
                yield index, answer
            evaluated(usage.prompt + usage.written or prompt.size)

    async def _job(
        self, prompt: EncodedPrompt, indexes: Sequence[int], exchange: Exchange
    ) -> tuple[EncodedPrompt, Sequence[int], Answer, Usage]:
        answer, usage = await self.ask(exchange, indexes[0], prompt.text)
        return prompt, indexes, answer, usage
