"""The devices that llama.cpp's build can offload to, and the tensors of a file by layer.

Knows: ggml's C interface to devices and to GGUF headers, of which llama_cpp binds nothing. Does not know: what fits
where.
"""

from __future__ import annotations

import ctypes
import re
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from edge_judge.engine import llama
from edge_judge.errors import ModelError, UsageError
from edge_judge.records import Backend, DeviceMemory, split_files

Kind: TypeAlias = Literal["gpu", "integrated"]
# of ggml_backend_dev_type; the others are CPUs and what accelerates them
OFFLOADING: dict[int, Kind] = {1: "gpu", 2: "integrated"}
SERVER = re.compile(r"[\w.-]+:\d+")  # HOST:PORT of a ggml-rpc-server
BUILD = (
    'build llama.cpp for the GPU: CMAKE_ARGS="-DGGML_CUDA=on" make setup, or -DGGML_VULKAN=on, or -DGGML_METAL=on; '
    "--gpu-layers 0 uses the CPU alone"
)
_BLOCK = re.compile(r"blk\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Device:
    """backend: the kind of backend (CUDA, Vulkan …); free, total: bytes of its memory; splits_rows: whether several can
    share a matrix; buffers: what the log calls its memory; handle: ggml's own.
    """

    name: str
    description: str
    backend: str
    kind: Kind
    free: int
    total: int
    splits_rows: bool
    buffers: str
    handle: int


@dataclass(frozen=True, slots=True)
class TensorSizes:
    """Bytes of a file's tensors. blocks: of each layer; output: of what follows them; embedding: of what precedes."""

    blocks: tuple[int, ...]
    output: int
    embedding: int


def devices(names: Sequence[str] = ()) -> list[Device]:
    """The devices with these names, or all that llama.cpp would choose. Raises UsageError for a name that is none.

    A name like HOST:PORT is a ggml-rpc-server, all devices of which are meant.
    """
    llama.start()
    if not names:
        return _usual(_registered())
    chosen = []
    for name in dict.fromkeys(names):
        known = {device.name: device for device in _registered()}
        if SERVER.fullmatch(name):
            chosen += _of_server(name)
        elif name in known:
            chosen.append(known[name])
        else:
            raise UsageError(
                f"--device {name}: no such device", f"known: {', '.join(known)}" if known else f"there is none; {BUILD}"
            )
    return chosen


def backend() -> Backend:
    """What llama.cpp can use here."""
    known = devices()
    return Backend(
        _cpu_features(),
        tuple(DeviceMemory(one.name, one.description, one.backend, one.free, one.total) for one in known),
    )


def _cpu_features() -> str:
    """What llama.cpp's build uses of the processor: AVX2, FMA …"""
    parts = re.findall(r"(\w+) = 1\b", llama.system_info())
    return ", ".join(part for part in parts if part != "REPACK")


def tensor_sizes(path: Path) -> TensorSizes:
    """The sizes in the header of a file, or of all files of a split model. Raises ModelError if one has none."""
    return by_layer([tensor for part in split_files(path) for tensor in _tensors(part)])


def _tensors(path: Path) -> list[tuple[str, int]]:
    library = llama.LIBRARY
    opened = _function("gguf_init_from_file", ctypes.c_void_p, ctypes.c_char_p, _Opening)
    header = opened(str(path).encode(), _Opening(True, None))
    if not header:
        raise ModelError(f"{path}: not a GGUF file", "expected a GGUF file of a language model")
    name = _function("gguf_get_tensor_name", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64)
    size = _function("gguf_get_tensor_size", ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int64)
    try:
        count = _function("gguf_get_n_tensors", ctypes.c_int64, ctypes.c_void_p)(header)
        return [(name(header, index).decode(), size(header, index)) for index in range(count)]
    finally:
        library.gguf_free(ctypes.c_void_p(header))


def by_layer(tensors: Sequence[tuple[str, int]]) -> TensorSizes:
    """The sizes of tensors, which have names as in a GGUF file, added up by layer."""
    blocks: Counter[int] = Counter()
    output = embedding = 0
    for name, size in tensors:
        if block := _BLOCK.match(name):
            blocks[int(block[1])] += size
        elif name.startswith("output"):
            output += size
        else:
            embedding += size
    if "output.weight" not in dict(tensors):  # llama.cpp then keeps a second copy of the embedding for the output
        output += dict(tensors).get("token_embd.weight", 0)
    return TensorSizes(tuple(blocks[index] for index in range(max(blocks, default=-1) + 1)), output, embedding)


class _Opening(ctypes.Structure):
    """gguf_init_params"""

    _fields_ = (("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p))


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(llama.LIBRARY, name)
    function.restype, function.argtypes = result, arguments
    return function


def _registered() -> list[Device]:
    """Every device that llama.cpp could offload to, with the memory that is free now."""
    if not hasattr(llama.LIBRARY, "ggml_backend_dev_count"):  # Windows exports it elsewhere
        return []
    count = _function("ggml_backend_dev_count", ctypes.c_size_t)()
    get = _function("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
    return [device for index in range(count) if (device := _device(get(index))) is not None]


def _device(handle: int) -> Device | None:
    kind = OFFLOADING.get(_function("ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)(handle))
    if kind is None:
        return None
    registry = _function("ggml_backend_dev_backend_reg", ctypes.c_void_p, ctypes.c_void_p)(handle)
    backend = _function("ggml_backend_reg_name", ctypes.c_char_p, ctypes.c_void_p)(registry).decode()
    name, description = (
        _function(f"ggml_backend_dev_{what}", ctypes.c_char_p, ctypes.c_void_p)(handle).decode()
        for what in ("name", "description")
    )
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    memory = _function("ggml_backend_dev_memory", None, *[ctypes.c_void_p] * 3)
    memory(handle, ctypes.addressof(free), ctypes.addressof(total))
    address_of = _function("ggml_backend_reg_get_proc_address", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
    splits_rows = bool(address_of(registry, b"ggml_backend_split_buffer_type"))
    buffer_type = _function("ggml_backend_dev_buffer_type", ctypes.c_void_p, ctypes.c_void_p)(handle)
    buffers = _function("ggml_backend_buft_name", ctypes.c_char_p, ctypes.c_void_p)(buffer_type).decode()
    return Device(name, description, backend, kind, free.value, total.value, splits_rows, buffers, handle)


def _usual(known: Sequence[Device]) -> list[Device]:
    """Graphics cards; where there is none, the integrated ones."""
    cards = [device for device in known if device.kind == "gpu"]
    return cards or list(known)


def _of_server(address: str) -> list[Device]:
    """The devices of a ggml-rpc-server."""
    registry = _server(address)
    count = _function("ggml_backend_reg_dev_count", ctypes.c_size_t, ctypes.c_void_p)(registry)
    get = _function("ggml_backend_reg_dev_get", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    return [device for index in range(count) if (device := _device(get(registry, index))) is not None]


@cache
def _server(address: str) -> int:
    """ggml's registry of a server's devices."""
    if not hasattr(llama.LIBRARY, "ggml_backend_rpc_add_server"):
        hint = 'CMAKE_ARGS="-DGGML_RPC=on" make setup'
        raise UsageError(f"--device {address}: llama.cpp was built without RPC", hint)
    host, port = address.rsplit(":", 1)
    try:  # ggml aborts the process where it cannot connect
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        hint = "start one: ggml-rpc-server --host HOST --port PORT"
        raise UsageError(f"--device {address}: no server answers at this address ({error})", hint) from error
    registry = _function("ggml_backend_rpc_add_server", ctypes.c_void_p, ctypes.c_char_p)(address.encode())
    if not registry:
        raise UsageError(f"--device {address}: the server has no devices", "use another server")
    return int(registry)
