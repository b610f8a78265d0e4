"""A hub that refuses, errs or redirects: at any length, in no time of its choosing."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from quantize.errors import SourceError
from quantize.hub import Hub
from quantize.hub_listing import RemoteFile
from quantize.hub_refusals import limited_refusals

COMMIT = "c0ffee" + "0" * 34
ENDLESS = 256 << 20  # bytes; what a connection holds before it is read is a few million
FEW = 32 << 20


@dataclass
class Answer:
    """What a hub sends instead of a file or a description. size: of the body, made of `piece`; sent: of it so far."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    piece: bytes = b" " * 65_536
    size: int = ENDLESS
    sent: int = 0
    asked: int = 0


@contextmanager
def hub(answer: Answer, cache: Path) -> Iterator[Hub]:
    """A hub that has one file, says so, and then sends `answer`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.send_response(200)
            for name, value in {"X-Repo-Commit": COMMIT, "ETag": '"1"', "Content-Length": "9"}.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            answer.asked += 1
            self.close_connection = True
            self.send_response(answer.status)
            for name, value in {"Connection": "close", "Content-Type": "text/plain", **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for _ in range(answer.size // len(answer.piece)):
                    self.wfile.write(answer.piece)
                    answer.sent += len(answer.piece)
            except OSError:
                pass  # the other side has heard enough

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Hub(f"http://127.0.0.1:{server.server_port}", cache=cache)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that huggingface_hub would have waited between its attempts."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def ask(hub: Hub, what: str, folder: Path) -> None:
    if what == "a description":
        hub.listing("some/tiny", COMMIT)
    else:
        hub.fetch("some/tiny", COMMIT, RemoteFile("model.safetensors", 9, None), folder)


@pytest.mark.parametrize("what", ["a description", "a file"])
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 500, 503])
def test_a_refusal_of_any_length_is_one_error_and_is_not_read_on(
    tmp_path: Path, slept: list[float], status: int, what: str
) -> None:
    answer = Answer(status, {"Location": "/elsewhere"} if status == 302 else {})
    with hub(answer, tmp_path / "cache") as asked, pytest.raises(SourceError) as refused:
        ask(asked, what, tmp_path / "folder")
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400
    assert 0 < answer.sent < FEW * answer.asked
    assert sum(slept) < 60


@pytest.mark.parametrize("what", ["a description", "a file"])
def test_a_packed_refusal_is_not_unpacked(tmp_path: Path, slept: list[float], what: str) -> None:
    bomb = gzip.compress(bytes(256 << 20))
    answer = Answer(403, {"Content-Encoding": "gzip"}, piece=bomb[:60_000], size=60_000)
    before = peak()
    with hub(answer, tmp_path / "cache") as asked, pytest.raises(SourceError):
        ask(asked, what, tmp_path / "folder")
    assert answer.asked and peak() - before < 30 << 20


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "999999999"},
        {"Retry-After": "9" * 5000},
        {"RateLimit": '"api";r=0;t=999999999'},
        {"RateLimit": '"api";r=0;t=99999', "Retry-After": "99999"},
    ],
    ids=["years", "a number of 5,000 digits", "a rate limit", "both"],
)
def test_a_hub_that_asks_for_a_wait_of_years_is_given_up_on_soon(
    tmp_path: Path, slept: list[float], headers: dict[str, str]
) -> None:
    answer = Answer(429, headers, size=0)
    with hub(answer, tmp_path / "cache") as asked, pytest.raises(SourceError, match="answered 429") as refused:
        ask(asked, "a file", tmp_path / "folder")
    assert answer.asked > 1 and sum(slept) < 60
    assert "wait some minutes" in str(refused.value.hint)


def test_a_wait_of_some_minutes_and_a_short_refusal_reach_huggingface_hub_as_they_were_sent(tmp_path: Path) -> None:
    from huggingface_hub import get_session

    answer = Answer(
        429, {"Retry-After": "300", "RateLimit": '"api";r=0;t=55'}, piece=b'{"error": "slow down"}', size=22
    )
    with hub(answer, tmp_path) as asked, limited_refusals():
        received = get_session().get(f"{asked.endpoint}/some/tiny")
    assert (received.headers["Retry-After"], received.headers["RateLimit"]) == ("300", '"api";r=0;t=55')
    assert received.json() == {"error": "slow down"}


def test_huggingface_hub_is_left_as_it_was(tmp_path: Path, slept: list[float]) -> None:
    from huggingface_hub import get_session

    before = list(get_session().event_hooks["response"])
    with hub(Answer(403), tmp_path / "cache") as asked, pytest.raises(SourceError):
        ask(asked, "a file", tmp_path / "folder")
    assert get_session().event_hooks["response"] == before


def peak() -> int:
    resource = pytest.importorskip("resource")
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024
