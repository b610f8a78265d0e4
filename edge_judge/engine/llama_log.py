"""What llama.cpp's log tells: errors, the sizes of buffers, tensors that a device refuses. It is not shown.

Knows: the log's lines. Does not know: llama.cpp's interface, what was asked of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_BUFFER = re.compile(rb"(\S+) +(model|KV|compute|output) buffer size = +([\d.]+) MiB")
_REFUSED = re.compile(rb"tensor '(\S+)' .*\(and 0 others\) cannot be used with preferred buffer type (\S+),")
_PREFIX = re.compile(r"^(?:[a-z_0-9]+: +|error loading model(?: \w+)?: +)+")
_echo: Callable[[str], object] | None = None
_errors: list[str] = []
_buffers: list[tuple[str, str, int]] = []  # device, kind, bytes
_refused: list[tuple[str, str]] = []  # device, tensor


def listen(level: int, text: bytes, _: object) -> None:
    """Keeps errors, buffer sizes and a tensor that a device refuses from llama.cpp's log, which is not shown."""
    if level == 4:  # GGML_LOG_LEVEL_ERROR; 5 continues a line, such as the dots while a file is read
        _errors.append(text.decode(errors="replace").strip())
        if _echo is not None:
            _echo(_plain(_errors[-1]))
    elif match := _BUFFER.search(text):
        _buffers.append((match[1].decode(), match[2].decode(), int(float(match[3]) * 2**20)))
    elif match := _REFUSED.search(text):
        _refused.append((match[2].decode(), match[1].decode()))


def clear() -> None:
    """Forget what was logged so far."""
    _errors.clear()
    _buffers.clear()
    _refused.clear()


def buffer_bytes(*kinds: str, offloaded: bool = False) -> int:
    """Bytes of the buffers of these kinds (model, KV, compute, output) that were logged since `clear`, in this
    process's memory or on GPUs.
    """
    return sum(size for device, kind, size in _buffers if kind in kinds and offloaded != _is_host(device))


def device_bytes(buffers: str) -> int:
    """Bytes of all buffers of a device, which the log calls so, that were logged since `clear`."""
    return sum(size for device, _, size in _buffers if device == buffers)


def weights_in_ram() -> int:
    """Bytes of the weights that were read into this process's own memory, not into a GPU or through a mapped file."""
    in_ram = [(device, size) for device, kind, size in _buffers if kind == "model" and _is_host(device)]
    return sum(size for device, size in in_ram if not device.endswith("_Mapped"))


def _is_host(device: str) -> bool:
    """Whether a buffer is in this process's memory; what a GPU reads there is `CUDA_Host`, `Vulkan_Host` …"""
    return device.startswith(("CPU", "AMX")) or device.endswith("_Host")


def refused() -> list[tuple[str, str]]:
    """(device, tensor) of each tensor that a device refused since `clear`."""
    return list(_refused)


def first_error() -> str:
    """llama.cpp's first error, in parentheses; empty if it logged none. Later ones only say that it gave up."""
    return f" ({_plain(_errors[0])})" if _errors else ""


def echo(write: Callable[[str], object]) -> None:
    """Hand on each error at once, as a line: where llama.cpp may end the process, nothing can be asked later."""
    global _echo
    _echo = write


def _plain(error: str) -> str:
    """Without the function that logs it, and without saying that loading failed."""
    return _PREFIX.sub("", " ".join(error.split()))
