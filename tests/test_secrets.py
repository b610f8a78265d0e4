"""Keys, tokens and passwords stand nowhere but where they are sent; without a network nothing is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from chatserver import Desk, serving
from conftest import Edge
from standing_in import standing_in

from edge_judge.engine.address import KEY, Address
from edge_judge.engine.endpoint import Endpoint
from edge_judge.engine.remote import RemoteEngine
from edge_judge.errors import DataError, ModelError
from edge_judge.workflows.data import pull_benchmarks
from edge_judge.workflows.judges import find_judge
from edge_judge.workflows.options import JudgeOptions
from quantize import digest, hub, lock
from quantize.digest import sha256
from quantize.errors import SourceError
from quantize.hub import Hub
from quantize.hub_listing import RemoteFile

MARK = "marker4711secret"
SECRETS = {"HF_TOKEN": f"hf_{MARK}", KEY: f"sk-{MARK}"}
EDGE = [sys.executable, "-m", "edge_judge"]
NO_SOCKETS = """
import os, sys

def look(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind"):
        with open(os.environ["SOCKETS"], "a") as log:
            log.write(f"{event} {arguments[1:]}\\n")
        raise OSError("no sockets here")

sys.addaudithook(look)
"""


@contextmanager
def echoing(status: int, kind: str) -> Iterator[str]:
    """A server that repeats what it was sent, headers and all. Yields its host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = {"headers": dict(self.headers), "path": self.path}
            text = json.dumps({"error": {"message": str(sent)}, "sha": str(sent), "id": str(sent), **sent})
            content = (f"<!doctype html>{text}" if kind == "text/html" else text).encode()
            self.send_response(status, f"refused {self.headers.get('Authorization')}")
            self.send_header("Content-Type", kind)
            self.send_header("X-Error-Message", str(self.headers.get("Authorization")))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with standing_in(Handler) as place:
        yield place


def written(folder: Path) -> bytes:
    """All that lies in a folder, names included."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"\n".join([*(str(path).encode() for path in files), *(path.read_bytes() for path in files)])


@pytest.mark.parametrize(("status", "kind"), [(401, "application/json"), (500, "application/json"), (200, "text/html"),
                                              (200, "application/json"), (0, "")])  # fmt: skip
def test_no_secret_is_written_or_said_however_a_server_fails(
    environment: dict[str, str], tmp_path: Path, status: int, kind: str
) -> None:
    with echoing(status or 200, kind) as served:
        host = served if status else "127.0.0.1:9"  # nobody listens there
        login = f"http://user:pass{MARK}@{host}"
        variables = {"HF_ENDPOINT": login, "EDGE_JUDGE_GITHUB": login, "HF_HOME": str(tmp_path / "hub"), **SECRETS}
        commands = [
            ("quantize", "some/repo", "q8_0"),
            ("data", "pull", "llmbar-natural", "--data", "data"),
            ("doctor", "--engine", f"http://{host}/v1"),
            ("doctor", "--engine", f"http://{host}/v1", "--json"),
            ("eval", "--engine", login, "--limit", "2"),
            *([("eval", "--engine", f"http://{host}/v1", "--limit", "2")] if status != 500 else []),  # asked ten times
        ]
        running = [
            subprocess.Popen(
                [*EDGE, *command],
                cwd=tmp_path,
                env={**environment, **variables, "NO_PROXY": "*"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for command in commands
        ]
        said = [process.communicate(timeout=500) for process in running]
    for command, process, (out, err) in zip(commands, running, said, strict=True):
        assert command[0] == "doctor" or process.returncode in (1, 2), err
        assert MARK.encode() not in out + err, (command, out, err)
        assert b"Traceback" not in err, (command, err)
    assert MARK.encode() not in written(tmp_path)


def test_a_server_that_repeats_the_key_in_its_answers_and_names_does_not_get_it_kept(
    edge: Edge, tmp_path: Path
) -> None:
    answer = {"choices": [{"message": {"role": "assistant", "content": f"I was given sk-{MARK}"}}], "usage": {}}
    desk = Desk(listed=0, models=(f"judge-sk-{MARK}",), always=(200, "application/json", json.dumps(answer)))
    with serving(desk) as url:
        done = edge("eval", "--engine", url, "--limit", 2, **{KEY: f"sk-{MARK}"})
    assert done.returncode == 0, done.stderr
    assert f"Bearer sk-{MARK}" in {headers.get("Authorization") for headers in desk.headers}
    assert b"I was given" in written(tmp_path / "results") and MARK.encode() not in written(tmp_path)
    assert MARK not in done.stdout + done.stderr


def test_a_login_in_a_mirror_s_address_is_in_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_JUDGE_GITHUB", f"http://me:{MARK}@127.0.0.1:9")
    with pytest.raises(DataError) as raised:
        list(pull_benchmarks(["llmbar-natural"], tmp_path))
    assert MARK not in f"{raised.value}{raised.value.hint}" and "127.0.0.1:9" in str(raised.value)


# ---- TLS, and names that lead elsewhere --------------------------------------------------------------------


def test_the_hub_s_token_goes_nowhere_without_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRETS["HF_TOKEN"])
    for ask in (
        lambda: Hub("http://mirror.example").commit("some/repo"),
        lambda: Hub("http://mirror.example", tmp_path).fetch("some/repo", "c" * 40, RemoteFile("a", 1, None), tmp_path),
    ):
        with pytest.raises(SourceError, match="token would go without TLS to mirror.example") as raised:
            ask()
        assert MARK not in str(raised.value)
    for host in ("https://mirror.example", "http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"):
        hub._refuse_open_token(host)


@pytest.mark.parametrize("name", [
    "../x", "a/../../x", "/etc/x", "C:/x", "c:x", "a\\..\\x", "..\\x", "x\0y", "a//b", "", ".", "a/.", "~/x", "x\n",
])  # fmt: skip
def test_a_hub_s_file_whose_name_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="leads out of its folder"):
        Hub("http://127.0.0.1:9", tmp_path).fetch("some/repo", "c" * 40, RemoteFile(name, 1, None), tmp_path / "in")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model.gguf", "q4/model-00001-of-00002.gguf", ".gitattributes", "a..b", "模型.gguf"])
def test_an_ordinary_name_is_none(name: str) -> None:
    assert hub.OUTSIDE.search(name) is None


def test_texts_that_go_to_another_machine_without_tls_are_told() -> None:
    for url in ("http://192.168.1.5:8080/v1", "http://example.com", "http://judge.local"):
        assert RemoteEngine(Endpoint(Address.of(url))).text_handling(()).doubts != ()
    for url in ("http://127.0.0.1:1", "http://localhost:1/v1", "http://[::1]/v1", "https://example.com"):
        assert RemoteEngine(Endpoint(Address.of(url))).text_handling(()).doubts == ()


# ---- nothing is asked without need -------------------------------------------------------------------------


def test_no_socket_is_opened_by_work_that_needs_none(environment: dict[str, str], tmp_path: Path) -> None:
    site, log = tmp_path / "site", tmp_path / "sockets"
    site.mkdir()
    (site / "sitecustomize.py").write_text(NO_SOCKETS, "utf-8")
    path = ":".join([str(site), environment.get("PYTHONPATH", "")]).rstrip(":")
    variables = {**environment, "PYTHONPATH": path, "SOCKETS": str(log)}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, encoding="utf-8", timeout=500)

    for command in (("eval", "--scheme", "q8_0", "--limit", "3"), ("compare", "--baseline", "q8_0"), ("report",),
                    ("models",), ("doctor",)):  # fmt: skip
        done = run(*EDGE, *command)
        assert done.returncode == 0 or command == ("doctor",), done.stderr  # a machine may have a problem
    assert not log.exists(), log.read_text("utf-8")
    run(sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert "socket." in log.read_text("utf-8")  # the hook sees one


def test_the_hub_s_client_reports_nothing_about_its_user() -> None:
    script = (
        "from quantize.hub import Hub\n"
        "try:\n    Hub('http://127.0.0.1:9').commit('some/repo')\nexcept Exception as error:\n    print(type(error))\n"
        "from huggingface_hub import constants\nprint(constants.HF_HUB_DISABLE_TELEMETRY)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    assert "SourceInterruptedError" in done.stdout and done.stdout.endswith("True\n")


# ---- files are what they were ------------------------------------------------------------------------------


def test_a_built_file_is_hashed_once_and_again_after_it_may_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(tmp_path / "models"))
    judge = find_judge(JudgeOptions(scheme="q8_0"))
    assert judge.gguf is not None
    os.utime(judge.gguf, (time.time() - 60, time.time() - 60))  # a change would show from here on
    hashed: list[object] = []
    monkeypatch.setattr(digest, "of_files", lambda paths: hashed.append(paths) or sha256(paths[0]))
    for _ in range(3):
        assert find_judge(JudgeOptions(scheme="q8_0")) == judge
    assert len(hashed) == 1
    content = bytearray(judge.gguf.read_bytes())
    content[-100] ^= 1
    judge.gguf.write_bytes(content)
    assert find_judge(JudgeOptions(scheme="q8_0")) == judge  # built again, since the package can
    assert sha256(judge.gguf) == judge.sha256


def test_a_changed_file_of_another_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_JUDGE_MODELS", str(tmp_path))
    (tmp_path / "mine.gguf").write_bytes(b"GGUF and so on")
    lock.record_built(tmp_path, lock.BuiltFile("mine", "q8_0", "mine.gguf", "0" * 64, 14, "here"))
    with pytest.raises(ModelError, match="has changed since it was built as mine q8_0"):
        find_judge(JudgeOptions(model="mine", scheme="q8_0"))
