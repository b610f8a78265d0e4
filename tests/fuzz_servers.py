"""What `make fuzz` answers to what asks other machines: endpoints, the Hub, where benchmarks are downloaded.

Knows: what is asked, examples of answers. Does not know: how inputs are made, what counts as a failure.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fuzz_containers as containers
import fuzz_mutators as mutators
from fuzz_target import DEEP, Run, dumped, target

COMMIT = "c" * 40
COMPLETION = {
    "choices": [
        {
            "message": {"role": "assistant", "content": "[[A]]"},
            "logprobs": {
                "content": [
                    {
                        "token": "[[A", "bytes": [91, 91, 65], "logprob": -0.1,
                        "top_logprobs": [
                            {"token": "[[A", "logprob": -0.1}, {"token": "[[B", "logprob": -2.5, "bytes": None},
                        ],
                    },
                    {"token": "]]", "logprob": 0.0, "top_logprobs": []},
                ]
            },
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
}  # fmt: skip


@target("server-answer", mutators.mutated_json)
def completion(folder: Path) -> tuple[Run, list[bytes]]:
    """What an endpoint says to a question: read as probabilities, as reasons, as the ending that was asked for."""
    import httpx2

    from edge_judge.engine.asking import Asker
    from edge_judge.engine.completions import ending_distribution
    from edge_judge.engine.endpoint import Address, Endpoint, Exchange, Patience
    from edge_judge.engine.server import LLAMA, Server
    from edge_judge.errors import ModelError
    from edge_judge.inference import Reading
    from edge_judge.protocols import grammar

    said = [b""]
    endpoint = Endpoint(Address.of("http://localhost:1/v1"), patience=Patience(attempts=1, unmet=1))
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=said[0]))
    client = httpx2.AsyncClient(transport=transport)
    reading = Reading({"[[A]]": "a", "[[B]]": "b", "[[C]]": "tie"})
    rules = [grammar.load(name).kind.request(("a", "b", "tie"), 99) for name in ("pairwise-cot", "pairwise-json")]
    servers = (
        Server("m", LLAMA, context=512, listed=20, constraint="grammar"),
        Server("m", listed=5, constraint="response_format"),
        Server("m", constraint="response_format"),
    )
    runner = asyncio.Runner()

    async def ask(server: Server) -> None:
        exchange, asker = Exchange(endpoint, client), Asker(endpoint, server)
        read, usage = await asker.read(exchange, "Hi?", reading)
        dumped([asdict(read), asdict(usage)])
        for rule in rules:
            written, _ = await asker.guided(exchange, "Hi?", rule, lambda text: False)  # type: ignore[arg-type]
            written.text.encode()
        free = await asker.chat(exchange, "Hi?", 9)
        ending_distribution(free.steps, 0, {"[[A]]": "a", "[[B]]": "b"})

    def run(data: bytes) -> None:
        said[0] = data
        for server in servers:
            try:
                runner.run(ask(server))
            except ModelError as error:
                last = error
                continue
            return
        raise last

    reasons = {"choices": [{"message": {"content": "Both are fine. [[A]]"}}]}
    message = {"content": '{"reasoning": "x", "verdict": "A"}'}
    inside = {"choices": [{"message": message, "logprobs": {"content": None}}]}
    plain = {"choices": [{"text": "A"}], "prompt": "Hi?"}
    return run, [dumped(COMPLETION), dumped(plain), dumped(reasons), dumped(inside)]


@target("server", mutators.mutated_json)
def server(folder: Path) -> tuple[Run, list[bytes]]:
    """Every request of finding out what a server is gets the same answer, or is refused with it."""
    import httpx2

    from edge_judge.engine.endpoint import Address, Endpoint, Patience
    from edge_judge.engine.server import find_server

    class Fed(Endpoint):
        status = 200
        data = b""

        def _client(self) -> Any:
            reply = httpx2.MockTransport(lambda request: httpx2.Response(self.status, content=self.data))
            return httpx2.AsyncClient(transport=reply)

    def run(data: bytes) -> None:
        endpoint = Fed(Address.of("http://localhost:1/v1"), patience=Patience(attempts=1, unmet=1))
        endpoint.status, endpoint.data = (200, data) if len(data) % 4 else (400, data)
        found = find_server(endpoint, None)
        dumped([asdict(found), found.name, found.reading])

    models = {"data": [{"id": "m", "owned_by": "llamacpp", "max_model_len": 512, "aliases": ["x"]}]}
    props = {"default_generation_settings": {"n_ctx": 512}, "model_path": "/m.gguf", "chat_template": "x"}
    return run, [
        dumped({**models, **props}),
        dumped({"data": [{"id": "m"}], **COMPLETION}),
        dumped({"error": {"message": "x"}}),
    ]


# ---- whole answers, headers and all, over a socket ----------------------------------------------------------------


class Fed:
    """A server of this machine that answers every request with the same bytes, whatever they are."""

    def __init__(self) -> None:
        self.data = b""
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            with connection:
                connection.settimeout(5)
                try:
                    self._answer(connection)
                except OSError:  # the client has gone
                    continue

    def _answer(self, connection: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            piece = connection.recv(65536)
            if not piece:
                return
            asked += piece
        connection.sendall(self.data)


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    first = (b"HTTP/1.1 " + status, b"Content-Type: application/json", b"Content-Length: %d" % len(body))
    return b"\r\n".join((*first, *headers)) + b"\r\n\r\n" + body


def reach_nobody_else() -> None:
    """A changed answer may send requests to any machine: from here on they go to a proxy that is not there."""
    os.environ |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    os.environ |= dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost")


ENDLESS = (
    answer(b"[" * 3_000_000),
    answer(b'"' + b"x" * 90_000_000),
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
    b"HTTP/1.1 200 " + b"x" * 3_000_000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 300_000 + b"0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
)


@target("server-http", containers.mutated_http, *ENDLESS)
def server_http(folder: Path) -> tuple[Run, list[bytes]]:
    """An endpoint's whole answers to the question which models it has."""
    import httpx2

    from edge_judge.engine.endpoint import Address, Endpoint, Patience
    from edge_judge.engine.server import served_models

    class Plain(Endpoint):
        def _client(self) -> Any:
            """As of the product, without the certificates, which take most of the time to load."""
            return httpx2.AsyncClient(verify=False, trust_env=False, timeout=httpx2.Timeout(4.0))

    fed = Fed()
    patience = Patience(attempts=1, unmet=1, listing=4.0, connect=4.0)

    def run(data: bytes) -> None:
        fed.data = data
        served_models(Plain(Address.of(f"http://{fed.host}/v1"), "sk-a-key-that-is-secret", patience))

    models = dumped({"data": [{"id": "m"}]})
    return run, [
        answer(models),
        answer(dumped({"error": {"message": "sk-a-key-that-is-secret"}}), status=b"401 No"),
        answer(b"{}", b"Retry-After: 7", status=b"429 Slow"),
        answer(b"<html></html>", status=b"302 Found"),
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped(models),
    ]


def zipped(data: bytes) -> bytes:
    import gzip

    return gzip.compress(data, mtime=0)


@target("hub-listing", mutators.mutated_json, *map(answer, DEEP))
def hub_listing(folder: Path) -> tuple[Run, list[bytes]]:
    """What the Hub says of a repository: its commit, its files."""
    from quantize.errors import SourceError
    from quantize.hub import Hub

    fed, files = Fed(), []
    large = {"lfs": {"sha256": "0" * 64, "size": 9, "pointerSize": 134}}
    for name, more in (("config.json", {}), ("model.safetensors", large)):
        files.append({"rfilename": name, "size": 9, "blobId": "b", **more})
    listing = {
        "id": "some/tiny", "modelId": "some/tiny", "sha": COMMIT, "siblings": files, "private": False, "gated": "auto",
        "lastModified": "2026-01-02T03:04:05.000Z", "tags": ["x"], "cardData": {"license": "mit"},
        "config": {"architectures": ["X"]}, "safetensors": {"parameters": {"F32": 5}, "total": 5},
    }  # fmt: skip

    def run(data: bytes) -> None:
        fed.data = data if data.startswith(b"HTTP/") else answer(data)
        hub = Hub(f"http://{fed.host}", folder)
        try:
            hub.commit("some/tiny")
        except SourceError:
            pass
        for file in hub.listing("some/tiny", COMMIT).values():
            dumped([file.name, (file.bytes or 0) + 1, (file.sha256 or "").lower()])

    reach_nobody_else()
    return run, [dumped(listing), dumped({})]


@target("hub-file", containers.mutated_http, *(one for one in ENDLESS if len(one) < 9_000_000))
def hub_file(folder: Path) -> tuple[Run, list[bytes]]:
    """What the Hub answers where a file is fetched, headers and all. Its client waits between attempts; not here."""
    from quantize.hub import Hub
    from quantize.hub_listing import RemoteFile

    fed = Fed()
    hub = Hub(f"http://{fed.host}", folder / "cache")

    def run(data: bytes) -> None:
        fed.data = data
        shutil.rmtree(folder / "files", ignore_errors=True)  # what is there is not fetched
        with patch("time.sleep"):
            hub.fetch("some/tiny", COMMIT, RemoteFile("config.json", 2, None), folder / "files")

    reach_nobody_else()
    whole = (b'ETag: "' + b"e" * 40 + b'"', b"X-Repo-Commit: " + COMMIT.encode(), b"Accept-Ranges: bytes")
    return run, [
        answer(b"{}", *whole),
        answer(b"{}", *whole, b"X-Linked-Size: 2", b'X-Linked-Etag: "' + b"0" * 64 + b'"'),
        answer(b"", b"Location: /x", *whole, status=b"302 Found"),
        answer(b"{}", b"X-Error-Code: EntryNotFound", b"X-Error-Message: no", status=b"404 No"),
        answer(b"{}", b"X-Error-Code: GatedRepo", status=b"403 No"),
    ]


@target("download", containers.mutated_http, *(one for one in ENDLESS if len(one) < 9_000_000))
def download(folder: Path) -> tuple[Run, list[bytes]]:
    """What GitHub and the Hub answer where a benchmark, or the code with a judge's prompt, is downloaded."""
    from edge_judge.benchmarks import REGISTRY
    from edge_judge.benchmarks.pull import pull
    from edge_judge.errors import DataError
    from quantize.errors import SourceError
    from quantize.hub import Hub
    from quantize.lock import PromptSource

    fed = Fed()
    pinned, unpinned = REGISTRY["pandalm"], REGISTRY["mt-bench"]
    prompt = PromptSource("a/b", COMMIT, "x.py", literal="PROMPT")

    def run(data: bytes) -> None:
        fed.data, url = data, f"http://{fed.host}"
        for path in folder.rglob("*.*"):
            path.unlink(missing_ok=True)
        for ask in (
            lambda: pull(pinned, folder, github=url),
            lambda: Hub(code_host=url).prompt(prompt).encode(),
            lambda: pull(unpinned, folder, hub=url),
        ):
            try:
                ask()
            except (DataError, SourceError) as error:
                last: Exception | None = error
            else:
                last = None
        if last is not None:
            raise last

    reach_nobody_else()
    return run, [
        answer(b"PROMPT = 'x'\n"),
        answer(b"", b"Location: /y", status=b"302 Found"),
        answer(b"[]", b"Content-Range: bytes 0-1/2"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        answer(b"no", status=b"404 No"),
    ]
