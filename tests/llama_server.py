"""llama-server, llama.cpp's own server of the OpenAI API: where EDGE_JUDGE_LLAMA_SERVER points, or as the benchmarks
build it into the user's cache.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from platformdirs import user_cache_path


def llama_server() -> Path:
    """The program; skips the test with how to get it where it is not built."""
    version = importlib.metadata.version("llama-cpp-python")
    built = user_cache_path("edge-judge") / f"llama.cpp-{version}" / "bin" / "llama-server"
    found = Path(os.environ.get("EDGE_JUDGE_LLAMA_SERVER") or built)
    if not found.is_file():
        pytest.skip(f"{found} is not built: python benchmarks/judge_build.py builds it, in about ten minutes")
    return found


@contextmanager
def serving(gguf: Path, log: Path, *arguments: str) -> Iterator[str]:
    """The address of a server of this file, with one thread: more would spin while they wait."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [str(llama_server()), "--model", str(gguf), "--host", "127.0.0.1", "--port", str(port), "--no-webui"]
    command += ["--threads", "1", "--threads-batch", "1", "--parallel", "4", "--ctx-size", "16384", *arguments]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            _await(server, port)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _await(server: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the model is loaded."""
    end = time.monotonic() + 300
    while server.poll() is None and time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise RuntimeError("llama-server did not start")
