"""A network that is not there, wants a login or answers with errors is named in one line, by host and status."""

from __future__ import annotations

import gc
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from chatserver import Desk
from chatserver import serving as chat
from conftest import Edge, fails
from standing_in import standing_in

from edge_judge.benchmarks import pull
from edge_judge.engine import endpoint as endpoint_module
from edge_judge.engine.endpoint import Address, Endpoint, Patience
from edge_judge.engine.responses import is_web_page, retry_after, why_not_connected
from edge_judge.engine.server import find_server, served_models
from edge_judge.errors import DataError, ModelError
from edge_judge.workflows.data import pull_benchmarks
from quantize import hub
from quantize.errors import SourceError, SourceInterruptedError
from quantize.lock import PromptSource

LOGIN = b"<!DOCTYPE html><html><body>Welcome to the hotel. Please log in.</body></html>"
DIRECT = {"NO_PROXY": "*", "no_proxy": "*"}
NOWHERE = "http://no-such-host.invalid"  # RFC 2606: never a host


@contextmanager
def answering(status: int, body: bytes = b"{}", kind: str = "application/json", location: str = "") -> Iterator[str]:
    """A server that says one thing to everybody; at /login a page for a browser."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            login = self.path == "/login"
            content = LOGIN if login else body
            self.send_response(200 if login else status)
            if location and not login:
                self.send_header("Location", location)
            self.send_header("Content-Type", "text/html" if login else kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet: a test's output is its result."""

    with standing_in(Handler) as place:
        yield f"http://{place}"


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            closing.wait(60)
            self.close_connection = True

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with standing_in(Handler) as place:
        try:
            yield f"http://{place}"
        finally:
            closing.set()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would answer for hosts that are not there."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")


# ---- the Hub ----------------------------------------------------------------------------------------------

REPO = "some/tiny"


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_hub_that_refuses_is_named_with_its_status(status: int) -> None:
    with answering(status) as url, pytest.raises(SourceInterruptedError) as raised:
        hub.Hub(url).commit(REPO)
    assert str(raised.value) == f"127.0.0.1 answered {status} when asked for {REPO}" and raised.value.hint


@pytest.mark.parametrize(
    ("body", "kind"),
    [(LOGIN, "text/html"), (b"{{{", "application/json"), (b"", "application/json"), (b"[1]", "application/json")],
)
def test_what_is_no_answer_of_a_hub_is_named_with_its_host(body: bytes, kind: str) -> None:
    with answering(200, body, kind) as url, pytest.raises(SourceInterruptedError) as raised:
        hub.Hub(url).listing(REPO, "main")
    assert str(raised.value) == f"{url.removeprefix('http://')} does not answer as a hub does about {REPO}"
    assert "login in a browser" in str(raised.value.hint)


FILE = {"rfilename": "config.json", "size": 2}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"sha": 5}, "calls main of some/tiny 5, which is no commit"),
        ({"sha": ["c"]}, "which is no commit"),
        ({"sha": "../x"}, "which is no commit"),
        ({"siblings": [{**FILE, "rfilename": 5}]}, "lists a file of some/tiny as (5,"),
        ({"siblings": [{**FILE, "size": "2"}]}, "lists a file of some/tiny"),
        ({"siblings": [{**FILE, "size": -2}]}, "lists a file of some/tiny"),
        ({"siblings": [{**FILE, "lfs": {"size": 2, "sha256": 7, "pointerSize": 1}}]}, "lists a file of some/tiny"),
        ({"siblings": [[]]}, "does not answer as a hub does"),
        ({"siblings": 5}, "does not answer as a hub does"),
        ({"siblings": [{**FILE, "lfs": 7}]}, "does not answer as a hub does"),
        ("{}" * 1_000_001, "does not answer as a hub does"),
        ('{"sha": "' + "c" * 32_000_001 + '"}', "does not answer as a hub does"),
        ("[" * 100_000, "does not answer as a hub does"),
    ],
)
def test_a_hub_that_says_what_no_hub_says_is_an_error_of_one_line(said: object, words: str) -> None:
    whole = {"id": REPO, "sha": "main", "siblings": [FILE]}
    body = said.encode() if isinstance(said, str) else json.dumps({**whole, **said}).encode()  # type: ignore[dict-item]
    with answering(200, body) as url, pytest.raises(SourceError) as raised:
        hub.Hub(url).commit(REPO)
        hub.Hub(url).listing(REPO, "main")
    assert words in str(raised.value)


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "TIMEOUT", 0.3)
    with silent() as url, pytest.raises(SourceInterruptedError, match="cannot be downloaded now: ReadTimeout"):
        hub.Hub(url).commit(REPO)


def test_without_a_network_the_hub_s_error_says_offline() -> None:
    with pytest.raises(SourceInterruptedError) as raised:
        hub.Hub(NOWHERE).commit(REPO)
    assert "seems to be offline" in str(raised.value.hint)
    assert "offline" not in hub.offline_hint(ConnectionRefusedError(111, "refused"))
    assert "offline" in hub.offline_hint(OSError(101, "Network is unreachable"))


def test_a_check_of_the_lock_that_cannot_ask_the_hub_fails_and_says_so(edge: Edge, tmp_path: Path) -> None:
    own = {"EDGE_JUDGE_MODELS": str(tmp_path / "own"), "HF_HOME": str(tmp_path / "hub"), **DIRECT}
    assert edge("quantize", "pocket", "q2_k", **own).returncode == 0
    with answering(302, location="/login") as url:
        for place, hint in ((NOWHERE, "offline"), (url, "login in a browser")):
            done = edge("lock", "--check", HF_ENDPOINT=place, **own)
            assert done.returncode == 1 and "models.lock could not be checked" in done.stderr, done.stderr
            assert hint in done.stderr and "Traceback" not in done.stderr
            assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["ok", "unchecked"]


# ---- benchmarks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pandalm", "mt-bench"])  # with a pinned hash, and without
@pytest.mark.parametrize(("status", "location"), [(200, ""), (302, "/login")])
def test_a_login_page_is_no_benchmark(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, status: int, location: str
) -> None:
    from huggingface_hub import constants

    with answering(status, LOGIN, "text/plain", location) as url:
        monkeypatch.setenv("EDGE_JUDGE_GITHUB", url)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        with pytest.raises(DataError, match=f"{url.removeprefix('http://')} sent a web page") as raised:
            list(pull_benchmarks([name], tmp_path))
    assert "log in" in str(raised.value.hint) and not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # urllib leaves its first answer open
@pytest.mark.parametrize("location", ["http://[", "http://127.0.0.1:port/", "foo:bar", "//", f"http://{'x' * 300}/"])
def test_a_download_that_is_sent_to_what_is_no_address_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, location: str
) -> None:
    with answering(302, location=location) as url:
        monkeypatch.setenv("EDGE_JUDGE_GITHUB", url)
        with pytest.raises(DataError, match="cannot download"):
            list(pull_benchmarks(["pandalm"], tmp_path))
        with pytest.raises(SourceError):
            hub.Hub(code_host=url).prompt(PromptSource("a/b", "c", "x.py", "PROMPT"))
    gc.collect()  # here, not in the next test


def test_a_download_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pull, "MOST", 1000)
    with answering(200, b"x" * 1001) as url:
        monkeypatch.setenv("EDGE_JUDGE_GITHUB", url)
        with pytest.raises(DataError, match=r"sent more than 1,000 bytes$"):
            list(pull_benchmarks(["pandalm"], tmp_path))


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_a_download_that_is_refused_is_named_with_host_and_status(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int
) -> None:
    with answering(status) as url:
        monkeypatch.setenv("EDGE_JUDGE_GITHUB", url)
        with pytest.raises(DataError, match=f"127.0.0.1:[0-9]+: HTTP {status} "):
            list(pull_benchmarks(["pandalm"], tmp_path))


def test_without_a_network_a_download_s_error_says_offline(edge: Edge, tmp_path: Path) -> None:
    done = edge("data", "pull", "pandalm", "--data", tmp_path / "data", EDGE_JUDGE_GITHUB=NOWHERE, **DIRECT)
    fails(done, 1, "benchmark pandalm", "no-such-host.invalid", "seems to be offline")


def test_verifying_fails_where_it_could_not_check(edge: Edge, tmp_path: Path) -> None:
    fails(edge("data", "verify", "--data", "nowhere"), 1, "nowhere: no such data folder")
    path = tmp_path / "mt-bench" / "human_judgments.json"
    path.parent.mkdir()
    path.write_text("[]")
    done = edge("data", "verify", "--data", ".")
    assert done.returncode == 1 and "could not be checked, no hash is known: mt-bench" in done.stderr
    path.unlink()
    assert edge("data", "verify", "--data", ".").returncode == 0


# ---- endpoints --------------------------------------------------------------------------------------------

BRIEF = Patience(attempts=1, unmet=1, timeout=5.0, listing=5.0, connect=2.0)


def refused(url: str, patience: Patience = BRIEF) -> ModelError:
    with pytest.raises(ModelError) as raised:
        served_models(Endpoint(Address.of(url), None, patience))
    assert str(raised.value).startswith(Address.of(url).host), str(raised.value)
    return raised.value


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_an_endpoint_that_refuses_is_named_with_its_status(status: int) -> None:
    with answering(status) as url:
        assert f"answered {status}" in str(refused(url))


@pytest.mark.parametrize(("kind", "status", "location"), [("application/json", 200, ""), ("text/plain", 302, "/login")])
def test_a_login_page_is_no_endpoint_whatever_it_calls_itself(kind: str, status: int, location: str) -> None:
    with answering(status, LOGIN, kind, location) as url:
        error = refused(url)
    assert ("web page" if status == 200 else "elsewhere") in str(error) and "login in a browser" in str(error.hint)


@pytest.mark.parametrize(
    "page",
    [
        b"<html>",
        b"\xef\xbb\xbf\r\n<!DOCTYPE html>",
        b"<!-- a comment --><html></html>",
        b"<?xml version='1.0'?><Error><Code>NoSuchBucket</Code></Error>",
        b"<head><title>Log in</title></head>",
        b"<script>location = '/login'</script>",
        b" " * 180 + b"<p>Not found",
    ],
)
def test_a_page_that_calls_itself_json_is_told_at_once(page: bytes) -> None:
    with answering(200, page) as url:
        endpoint = Endpoint(Address.of(url), None, Patience(first=30.0))  # no repetition would end this test in time
        with pytest.raises(ModelError, match="answered 200 with a web page$") as raised:
            served_models(endpoint)
    assert endpoint.repeated == 0 and "the address ends in /v1" in str(raised.value.hint)


@pytest.mark.parametrize("body", [b"OK", b"", b"[" * 100_000, b"\xff", b'{"data": NaN', b"it works"])
def test_a_server_that_never_said_anything_that_can_be_read_is_given_up_soon(body: bytes) -> None:
    with answering(200, body, "text/plain") as url:
        endpoint = Endpoint(Address.of(url), None, Patience(attempts=50, first=0.001))
        with pytest.raises(ModelError, match="in 3 attempts, at last its answer could not be read$") as raised:
            served_models(endpoint)
    assert "the address ends in /v1" in str(raised.value.hint)


def test_a_server_that_lists_its_models_and_answers_no_question_is_given_up_soon_too() -> None:
    with chat(Desk(always=(200, "application/json", "OK"))) as url:
        endpoint = Endpoint(Address.of(url), None, Patience(attempts=50, first=0.001))
        with pytest.raises(ModelError, match="no answer in 3 attempts, at last its answer could not be read$"):
            find_server(endpoint, None)


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    monkeypatch.setattr(endpoint_module, "MOST_ANSWER", 100_000)
    sent = [0]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            pieces = [gzip.compress(bytes(50_000_000))] if packed else [b" " * 10_000] * 5_000
            try:
                for piece in pieces:
                    self.wfile.write(piece)
                    sent[0] += len(piece)
            except OSError:  # nobody listens any more
                pass

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with standing_in(Handler) as place:
        assert "sends more than 100,000 bytes in an answer" in str(refused(f"http://{place}"))
    assert sent[0] < 20_000_000


def test_an_endpoint_that_answers_no_json_or_nothing_is_told() -> None:
    with answering(200, b"{{{") as url:
        assert str(refused(url)).endswith("its answer could not be read")
    with silent() as url:
        assert str(refused(url, Patience(1, 1, timeout=9.0, listing=0.3))).endswith("no answer within 0.3 s")
    assert "no such host is known" in str(refused(NOWHERE))


def test_a_server_is_asked_what_it_is_for_a_minute_at_most_and_to_answer_for_longer() -> None:
    usual = Patience()
    assert usual.listing <= 60 < usual.timeout
    with chat(desk := Desk(faults=["slow"])) as url:
        endpoint = Endpoint(Address.of(url), None, Patience(1, 1, timeout=9.0, listing=0.5))
        assert served_models(endpoint) == ["judge-1"] and desk.done == 0


def test_what_an_answer_is_and_why_there_was_no_connection() -> None:
    import socket
    import ssl

    assert is_web_page({"content-type": "text/html; charset=utf-8"}, b"")
    assert is_web_page({}, b"\n <HTML>") and not is_web_page({}, b'{"a": "<html>"}')
    assert retry_after({"retry-after": "7"}) == 7 and retry_after({"retry-after": "soon"}) is None
    wrapped = OSError("no")
    wrapped.__cause__ = socket.gaierror(-2, "unknown")
    assert "no such host" in why_not_connected(wrapped)
    assert "no secure connection" in why_not_connected(ssl.SSLError("bad"))
    assert why_not_connected(ConnectionRefusedError()) == "no connection"
