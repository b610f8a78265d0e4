"""A small local server that speaks the part of OpenAI's API that judging needs, knows its answers, and can misbehave.

An answer is decided by the message alone, so that a run is the same however often and in whatever order it asks.
"""

from __future__ import annotations

import hashlib
import json
import math
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MARKS = ("[[A]]", "[[B]]", "[[C]]")
FAULTS = ("reset", "429", "500", "503", "half", "slow", "no JSON", "no choices", "no number")


@dataclass
class Desk:
    """What the server is and how it misbehaves.

    owner: as vLLM and others name themselves; listed: the likeliest tokens that it gives at most, 0 for none; schema:
    whether it holds an answer to a JSON schema; prefix: what it writes before a verdict; key: that it wants. faults:
    taken one by one, every second request; always: a status and a body that every question is answered with; after:
    seconds that a 429 asks to wait. asked: what was asked, by message; answered: whole right answers, by message.
    """

    owner: str = "vllm"
    models: tuple[str, ...] = ("judge-1",)
    listed: int = 20
    schema: bool = False
    prefix: str = ""
    key: str | None = None
    faults: list[str] = field(default_factory=list)
    always: tuple[int, str, str] | None = None  # status, type, body
    after: str = "0"
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    done: int = 0  # faults
    turn: int = 0
    at_once: int = 0
    most_at_once: int = 0
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self) -> str | None:
        with self.lock:
            self.turn += 1
            if not self.faults or self.turn % 2:
                return None
            self.done += 1
            return self.faults.pop(0)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that has gone is no news."""


@contextmanager
def serving(desk: Desk) -> Iterator[str]:
    """The server's address, while it runs."""
    server = _Server(("127.0.0.1", 0), type("Handler", (Handler,), {"desk": desk}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        desk.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def shares(message: str) -> tuple[float, float, float]:
    """The probabilities of the three marks for a message."""
    numbers = [1 + byte for byte in hashlib.sha256(message.encode()).digest()[:3]]
    return tuple(0.9 * number / sum(numbers) for number in numbers)  # type: ignore[return-value]


def best(message: str) -> str:
    p = shares(message)
    return MARKS[p.index(max(p))]


def place(written: str, likeliest: list[tuple[str, float]]) -> dict[str, Any]:
    """A place in `logprobs`."""
    entries = [{"token": token, "logprob": math.log(p), "bytes": list(token.encode())} for token, p in likeliest]
    return {**next(entry for entry in entries if entry["token"] == written), "top_logprobs": entries}


class Handler(BaseHTTPRequestHandler):
    desk: Desk
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.refused():
            return
        if self.path != "/v1/models":
            return self.send(404, {"error": {"message": "no such page"}})
        models = [{"id": name, "owned_by": self.desk.owner, "max_model_len": 4096} for name in self.desk.models]
        self.send(200, {"object": "list", "data": models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.desk.lock:
            self.desk.at_once += 1
            self.desk.most_at_once = max(self.desk.most_at_once, self.desk.at_once)
            self.desk.bodies.append(body)
            self.desk.headers.append(dict(self.headers))
        try:
            if not self.refused():
                self.answer(body)
        finally:
            with self.desk.lock:
                self.desk.at_once -= 1

    def refused(self) -> bool:
        key = self.desk.key
        given = self.headers.get("Authorization", "")
        if key is None or given == f"Bearer {key}":
            return False
        self.send(401, {"error": {"message": f"Incorrect API key provided: {given.removeprefix('Bearer ')}\x1b[2J"}})
        return True

    def answer(self, body: dict[str, Any]) -> None:
        desk, message = self.desk, body["messages"][0]["content"]
        desk.asked[message] += 1
        if desk.always is not None:
            status, kind, text = desk.always
            return self.send_raw(status, text.encode(), {"Content-Type": kind, "Retry-After": desk.after})
        if (desk.listed == 0 and body.get("logprobs")) or body.get("top_logprobs", 0) > desk.listed:
            return self.send(400, {"error": {"message": "top_logprobs is not supported"}})
        if body.get("response_format") and not desk.schema:
            return self.send(400, {"error": {"message": "response_format is not supported"}})
        fault = desk.fault()
        if fault is not None:
            return self.misbehave(fault, body, message)
        with desk.lock:
            desk.answered[message] += 1
        self.send(200, self.completion(body, message))

    def completion(self, body: dict[str, Any], message: str) -> dict[str, Any]:
        text, choice = self.desk.prefix + best(message), {}
        if body.get("response_format"):
            (field_name,) = body["response_format"]["json_schema"]["schema"]["properties"]
            text = json.dumps({field_name: "A" if field_name == "letter" else best(message)})
        if body.get("logprobs"):
            a, b, c = shares(message)
            letters = [("A", a), ("B", b), ("C", c), ("D", 0.1)]
            places = [place(" The", [(" The", 0.6), ("[[", 0.3)])] if self.desk.prefix else []
            places += [place("[[", [("[[", 0.95), ("I", 0.04)]), place(best(message)[2], letters)]
            choice["logprobs"] = {"content": [*places, place("]]", [("]]", 1.0)])]}
        usage = {"prompt_tokens": len(message) // 4, "completion_tokens": 3}
        return {"choices": [{"message": {"role": "assistant", "content": text}, **choice}], "usage": usage}

    def misbehave(self, fault: str, body: dict[str, Any], message: str) -> None:
        whole = json.dumps(self.completion(body, message)).encode()
        kind = {"Content-Type": "application/json"}
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif fault == "half":
            self.send_raw(200, whole[: len(whole) // 2], {**kind, "Content-Length": str(len(whole))})
            self.close_connection = True
        elif fault == "slow":
            self.desk.closing.wait(60)
            self.close_connection = True
        elif fault == "no JSON":
            self.send_raw(200, whole[: len(whole) // 2], kind)
        elif fault == "no choices":
            self.send(200, {"error": {"message": "upstream is gone"}})
        elif fault == "no number":
            self.send_raw(200, whole.replace(b'"logprob": ', b'"logprob": NaN, "old": '), kind)
        else:
            text = b'{"error": {"message": "not now"}}'
            self.send_raw(int(fault), text, {**kind, **({"Retry-After": self.desk.after} if fault == "429" else {})})

    def send(self, status: int, content: Any) -> None:
        self.send_raw(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def send_raw(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
