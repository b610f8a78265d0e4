"""Requests to an HTTP endpoint: many in flight, repeated where they fail, each answered once.

How many are in flight follows what the endpoint can take (window.py). A request is repeated after a broken connection,
a timeout, an answer that cannot be read, and the statuses that ask for it. The key is sent in one header and nowhere
else: no message, file or representation has it.

Knows: HTTP, JSON, waiting. Does not know: what is asked, what an answer means.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from edge_judge import foreign_json
from edge_judge.engine.address import KEY as KEY
from edge_judge.engine.address import Address as Address
from edge_judge.engine.background import delivered_by
from edge_judge.engine.responses import Answer, is_web_page, retry_after, why_not_connected, without_key
from edge_judge.engine.window import MOST, Window
from edge_judge.errors import ModelError, UsageError

if TYPE_CHECKING:
    from httpx2 import AsyncClient

Result = TypeVar("Result")
Json = Any
Read = Callable[[Json], Result]  # raises Unreadable for an answer that is not what was asked for
Job = Callable[["Exchange"], Awaitable[Result]]

OVERLOADED = frozenset({429, 503, 529})
REPEATED = OVERLOADED | {408, 409, 425, 500, 502, 504, 520, 522, 524}
RESUME = "nothing is lost: run the same command again to resume"
ADDRESS = "the address ends in /v1 at most servers; a network that wants a login in a browser answers so too"
MOST_ANSWER = 64_000_000  # bytes: the likeliest tokens of a long text take some
MOST_SAID = 100_000  # bytes of a refusal that are looked at
SHOWN = 200  # characters of a server's own message


class Unreadable(ValueError):
    """An answer that is not what was asked for: the request is repeated."""


class RefusedError(ModelError):
    """The endpoint refused a request. said: its own message."""

    def __init__(self, message: str, hint: str | None, status: int, said: str) -> None:
        super().__init__(message, hint)
        self.status, self.said = status, said


@dataclass(frozen=True, slots=True)
class Patience:
    """attempts: for each request, and for each that finds no connection before there ever was one, or an answer that
    cannot be read before there ever was another at that address (`unmet`: a wrong address should be told at once);
    first, longest: seconds before a repetition, which double in between; timeout: for
    an answer, which may wait for a place at the server; listing: for what a server says of itself; connect: for a
    connection; pause: the longest that a server may ask for.
    """

    attempts: int = 10
    unmet: int = 3
    first: float = 0.5
    longest: float = 30.0
    timeout: float = 600.0
    listing: float = 60.0
    connect: float = 10.0
    pause: float = 600.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an attempt failed. wait: seconds that the server asked for; overload: whether it has too much to do;
    unreadable: whether it answered, and not what was asked for.
    """

    what: str
    wait: float | None = None
    overload: bool = False
    unreadable: bool = False


@dataclass
class Endpoint:
    """An address and how it is asked. repeated: attempts that failed and were made again; met: it has answered;
    understood: where its answers could be read.
    """

    address: Address
    key: str | None = field(default=None, repr=False)
    patience: Patience = Patience()
    window: Window = field(default_factory=Window)
    repeated: int = 0
    met: bool = False
    understood: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.key is None:
            return
        if not self.key.isascii() or not self.key.isprintable() or " " in self.key:
            raise UsageError(f"{KEY}: expected printable ASCII without spaces", "set it again")
        if self.address.base.startswith("http:") and not self.address.private:
            raise UsageError(
                f"{KEY} would go unencrypted to {self.address.host}", "use https, or unset it if this host needs no key"
            )

    def run(self, jobs: Sequence[Job[Result]]) -> Generator[Result, None, None]:
        """The results of jobs, in the order in which they end. Raises the first error of a job; the others end then."""
        return delivered_by(lambda deliver: self._serve(jobs, deliver))

    async def _serve(self, jobs: Sequence[Job[Result]], deliver: Callable[[Result], None]) -> None:
        waiting = iter(jobs)

        async def worker(exchange: Exchange) -> None:
            for job in waiting:
                deliver(await job(exchange))

        async with self._client() as client:
            exchange = Exchange(self, client)
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(MOST, len(jobs))):
                        group.create_task(worker(exchange))
            except BaseExceptionGroup as failed:
                raise failed.exceptions[0] from None

    def _client(self) -> AsyncClient:
        import httpx2

        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(self.patience.timeout, connect=self.patience.connect),
            limits=httpx2.Limits(max_connections=MOST, max_keepalive_connections=MOST),
            trust_env=not self.address.private,  # a proxy's settings are for what lies outside
        )


class Exchange:
    """Requests that share connections, a window and a pause."""

    def __init__(self, endpoint: Endpoint, client: AsyncClient) -> None:
        self._endpoint, self._client = endpoint, client
        self._in_flight, self._paused_until = 0, 0.0
        self._turn = asyncio.Condition()

    async def ask(self, url: str, body: Json, read: Read[Result]) -> Result:
        """The answer to a request, as `read` reads it; a GET where there is no body.

        Raises RefusedError where the endpoint refuses it, ModelError where no attempt is answered.
        """
        patience, attempt = self._endpoint.patience, 0
        while True:
            attempt += 1
            result = await self._in_turn(url, body, read)
            if not isinstance(result, Trouble):
                self._endpoint.understood.add(url)
                return result
            stranger = not self._endpoint.met or (result.unreadable and url not in self._endpoint.understood)
            attempts = min(patience.unmet, patience.attempts) if stranger else patience.attempts
            if attempt >= attempts or (result.wait or 0.0) > patience.pause:
                raise self._given_up(result, attempt, stranger)
            self._endpoint.repeated += 1
            if result.wait is not None:
                self._paused_until = max(self._paused_until, time.monotonic() + result.wait)
            else:
                most = min(patience.longest, patience.first * 2.0 ** (attempt - 1))
                await asyncio.sleep(random.uniform(0.5, 1.0) * most)

    async def _in_turn(self, url: str, body: Json, read: Read[Result]) -> Result | Trouble:
        """One attempt, when there is a place in the window and the server has not asked to wait."""
        window = self._endpoint.window
        async with self._turn:
            await self._turn.wait_for(lambda: self._in_flight < window.size)
            self._in_flight += 1
        try:
            while (left := self._paused_until - time.monotonic()) > 0:
                await asyncio.sleep(left)
            result = await self._attempt(url, body, read)
            if isinstance(result, Trouble):
                window.failed(overload=result.overload)
            else:
                window.answered(time.monotonic())
            return result
        finally:
            self._in_flight -= 1
            async with self._turn:
                self._turn.notify_all()

    async def _attempt(self, url: str, body: Json, read: Read[Result]) -> Result | Trouble:
        import httpx2

        patience = self._endpoint.patience
        timeout = min(patience.listing, patience.timeout) if body is None else patience.timeout
        try:
            async with asyncio.timeout(timeout):  # the client's own begins anew with each piece of an answer
                answer = await self._answer(url, body)
        except (httpx2.ConnectTimeout, httpx2.PoolTimeout):
            return Trouble("no connection in time", overload=True)
        except (TimeoutError, httpx2.TimeoutException):
            return Trouble(f"no answer within {timeout:g} s", overload=True)
        except httpx2.ConnectError as error:
            return Trouble(why_not_connected(error))
        except (httpx2.HTTPError, httpx2.StreamError):
            self._endpoint.met = True
            return Trouble("the connection broke")
        self._endpoint.met = True
        return self._read(answer, read)

    async def _answer(self, url: str, body: Json) -> Answer:
        """An answer, to its end. Raises ModelError for one that is longer than anything that is asked for."""
        content = bytearray()
        async with self._client.stream("GET" if body is None else "POST", url, json=body) as response:
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > MOST_ANSWER:
                    host = self._endpoint.address.host
                    raise ModelError(f"{host} sends more than {MOST_ANSWER:,} bytes in an answer", ADDRESS)
            return Answer(response.status_code, response.headers, bytes(content))

    def _read(self, answer: Answer, read: Read[Result]) -> Result | Trouble:
        status = answer.status
        if status in REPEATED:
            return Trouble(f"it answered {status}", retry_after(answer.headers), status in OVERLOADED)
        if not 200 <= status < 300:
            raise self._refused(answer)
        if is_web_page(answer.headers, answer.content):
            raise ModelError(f"{self._endpoint.address.host} answered {status} with a web page", ADDRESS)
        try:
            content = foreign_json.parse(answer.content, most=MOST_ANSWER, nan=True, surrogates=True)
            return read(without_key(content, self._endpoint.key))
        except ValueError:  # Unreadable is a ValueError, as is what json raises
            return Trouble("its answer could not be read", unreadable=True)

    def _refused(self, answer: Answer) -> RefusedError | ModelError:
        status, host = answer.status, self._endpoint.address.host
        if 300 <= status < 400:
            return ModelError(
                f"{host} answered {status}: it sends requests elsewhere",
                "--engine takes the new address; a network that wants a login in a browser answers so too",
            )
        said = "a web page" if is_web_page(answer.headers, answer.content) else self._said(answer)
        hints = {
            401: f"{KEY} holds the key",
            403: f"{KEY} holds the key",
            404: "the address ends in /v1 at most servers; --model is the model's name there",
        }
        return RefusedError(f"{host} answered {status}: {said}", hints.get(status), status, said)

    def _said(self, answer: Answer) -> str:
        """The server's own message on one line, without the key and without what a terminal would obey."""
        try:
            content = foreign_json.parse(answer.content, most=MOST_SAID, nan=True)
            error = content.get("error", content)
            text = error.get("message", error) if isinstance(error, dict) else error
        except (ValueError, AttributeError):
            text = answer.content[:MOST_SAID].decode(errors="replace")
        line = " ".join(str(text).split())
        if self._endpoint.key:
            line = line.replace(self._endpoint.key, "…")
        line = "".join(character if character.isprintable() else "?" for character in line)
        return f"{line[:SHOWN]}…" if len(line) > SHOWN else line

    def _given_up(self, trouble: Trouble, attempts: int, stranger: bool) -> ModelError:
        host = self._endpoint.address.host
        if trouble.wait is not None and trouble.wait > self._endpoint.patience.pause:
            return ModelError(f"{host}: {trouble.what} and asked to wait {trouble.wait:,.0f} s", RESUME)
        unknown = ADDRESS if trouble.unreadable else "check the address of --engine, and that the server runs"
        hint = unknown if stranger else RESUME
        often = f"no answer in {attempts} attempts, at last " if attempts > 1 else ""
        return ModelError(f"{host}: {often}{trouble.what}", hint)
