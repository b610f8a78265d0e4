"""A server in a process of its own, on a free port of this machine, for the benchmarks and the tests.

Knows: how a server is started, awaited and ended. Does not know: which server it is, what is asked of it.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

PATIENCE = 300  # seconds for a server to load its model on a busy machine
TAIL = 1500  # bytes of the log that are shown


@contextmanager
def serving(command: Callable[[int], Sequence[str]], ready: str) -> Iterator[int]:
    """The port of a server that answers. command: what starts it on a port; ready: the path that it then answers.

    Raises RuntimeError, with the end of its log, where it ends or takes too long.
    """
    port = free_port()
    with tempfile.TemporaryFile() as log, subprocess.Popen(command(port), stdout=log, stderr=log) as server:
        try:
            if not _answers(server, f"http://127.0.0.1:{port}{ready}"):
                log.seek(0)
                end = log.read()[-TAIL:].decode(errors="replace")
                raise RuntimeError(f"{command(port)[0]} did not start\n{end}")
            yield port
        finally:
            server.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(server: subprocess.Popen[bytes], url: str) -> bool:
    """Wait until it does, which is when its model is loaded."""
    end = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return True
        except OSError:  # an error of HTTP too: it is loading
            time.sleep(0.1)
    return False
