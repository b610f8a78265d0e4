"""Downloading benchmark files, from a server on this machine that answers as GitHub and the Hub do."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from published import DATA

from edge_judge import benchmarks
from edge_judge.benchmarks import autoj, mtbench, pocket
from edge_judge.benchmarks.pull import pull
from edge_judge.errors import DataError

ROWS = (DATA / "autoj.jsonl").read_bytes()
VOTES = b"PAR1 stands for the parquet file"
SOURCE = replace(autoj.SOURCE, sha256=hashlib.sha256(ROWS).hexdigest(), rows=3)
RAW = f"/{SOURCE.repo}/{SOURCE.revision}/{SOURCE.file}"
RESOLVE = f"/datasets/{mtbench.SOURCE.repo}/resolve/{mtbench.SOURCE.revision}/{mtbench.SOURCE.file}"

STORED = "/stored/human"


class Host(BaseHTTPRequestHandler):
    """Serves the two files, and nothing else; counts what it was asked for."""

    files = {RAW: ROWS, STORED: VOTES}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == RESOLVE:  # the Hub sends its clients on to where its large files are stored
            self.send_response(302)
            self.send_header("Location", STORED)
            self.end_headers()
            return
        content = self.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        """Quiet: a test's output is its result."""


@pytest.fixture
def host() -> Iterator[str]:
    Host.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens: a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_a_pulled_file_is_checked_kept_and_readable(tmp_path: Path, host: str) -> None:
    pulled = pull(SOURCE, tmp_path / "new", github=host)
    assert pulled.fresh
    assert pulled.sha256 == SOURCE.sha256
    assert files(tmp_path) == ["new/auto-j/testdata_pairwise.jsonl"]
    assert len(benchmarks.load_source(SOURCE, tmp_path / "new").pairs) == 3


def test_a_file_that_is_there_and_right_is_not_downloaded_again(tmp_path: Path, host: str) -> None:
    pull(SOURCE, tmp_path, github=host)
    assert not pull(SOURCE, tmp_path, github=host).fresh
    assert Host.asked == [RAW]


def test_a_changed_file_is_replaced(tmp_path: Path, host: str) -> None:
    path = pull(SOURCE, tmp_path, github=host).path
    path.write_bytes(b"changed")
    assert pull(SOURCE, tmp_path, github=host).fresh
    assert path.read_bytes() == ROWS


def test_another_file_than_the_pinned_one_is_refused_and_not_kept(tmp_path: Path, host: str) -> None:
    with pytest.raises(DataError, match=r"not the pinned file.*expected 56f32fad71d9.*nothing was kept"):
        pull(autoj.SOURCE, tmp_path, github=host)
    assert files(tmp_path) == []


def test_a_refused_download_leaves_the_file_that_was_there(tmp_path: Path, host: str) -> None:
    path = tmp_path / SOURCE.path
    path.parent.mkdir()
    path.write_bytes(b"changed")
    with pytest.raises(DataError, match="not the pinned file"):
        pull(autoj.SOURCE, tmp_path, github=host)
    assert files(tmp_path) == [SOURCE.path]
    assert path.read_bytes() == b"changed"


def test_a_file_the_host_does_not_have_is_one_clear_error(tmp_path: Path, host: str) -> None:
    with pytest.raises(DataError, match=r"benchmark auto-j: cannot download http://.*: HTTP 404") as caught:
        pull(replace(SOURCE, revision="0" * 40), tmp_path, github=host)
    assert caught.value.hint is not None
    assert f"DIR/{SOURCE.path} and use --data DIR" in caught.value.hint
    assert files(tmp_path) == []


def test_no_network_is_one_clear_error(tmp_path: Path, nobody: str) -> None:
    with pytest.raises(DataError, match="benchmark auto-j: cannot download") as caught:
        pull(SOURCE, tmp_path, github=nobody)
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("check the network")
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, host: str) -> None:
    (tmp_path / "auto-j").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"testdata_pairwise\.jsonl: cannot be written"):
        pull(SOURCE, tmp_path, github=host)


def test_the_hub_serves_mt_bench_at_its_pinned_revision(tmp_path: Path, host: str) -> None:
    pulled = pull(mtbench.SOURCE, tmp_path, hub=host)
    assert pulled.sha256 == hashlib.sha256(VOTES).hexdigest()
    assert files(tmp_path) == [mtbench.SOURCE.path]
    assert Host.asked == [RESOLVE, STORED]
    assert pulled.path.read_bytes() == VOTES
    assert not pull(mtbench.SOURCE, tmp_path, hub=host).fresh


def test_no_network_is_one_clear_error_from_the_hub_too(tmp_path: Path, nobody: str) -> None:
    with pytest.raises(DataError, match="benchmark mt-bench: cannot download") as caught:
        pull(mtbench.SOURCE, tmp_path, hub=nobody)
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == []


def test_the_embedded_benchmark_needs_no_download(tmp_path: Path, nobody: str) -> None:
    assert not pull(pocket.SOURCE, tmp_path, github=nobody, hub=nobody).fresh
    with pytest.raises(DataError, match="changed") as caught:
        pull(replace(pocket.SOURCE, sha256="0" * 64), tmp_path)
    assert caught.value.hint == "it comes with edge-judge: install edge-judge again"
