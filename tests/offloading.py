"""A device to offload to: what llama.cpp finds here, or its RPC server as a process of its own, on the CPU."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge_judge.engine import devices, llama

NONE = "llama.cpp was built without anything to offload to: `make test-offload` builds it with RPC and runs these tests"
SERVER = """
import ctypes, sys
from edge_judge.engine.llama import LIBRARY, start
start()
LIBRARY.ggml_backend_dev_by_type.restype = ctypes.c_void_p
device = (ctypes.c_void_p * 1)(LIBRARY.ggml_backend_dev_by_type(0))
LIBRARY.ggml_backend_rpc_start_server(sys.argv[1].encode(), None, ctypes.c_size_t(1), ctypes.c_size_t(1), device)
"""


@contextmanager
def offloading_device() -> Iterator[str]:
    """The name of a device, for --device. Skips the test where there is none."""
    if found := devices.devices():
        yield found[0].name
    else:
        with rpc_server() as (address, _):
            yield address


@contextmanager
def rpc_server() -> Iterator[tuple[str, int]]:
    """The address and the process of llama.cpp's RPC server. Skips the test where llama.cpp was built without it."""
    if not hasattr(llama.LIBRARY, "ggml_backend_rpc_start_server"):
        pytest.skip(NONE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with subprocess.Popen([sys.executable, "-c", SERVER, address], stdout=subprocess.DEVNULL) as process:
        try:
            _wait(address, process)
            yield address, process.pid
        finally:
            process.kill()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    """Until the server answers."""
    host, port = address.split(":")
    while process.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("llama.cpp's RPC server ended before it answered")
