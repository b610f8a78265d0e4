"""Rows of a checkpoint -> quantized rows -> their place in a GGUF, in one pass.

A block of rows is gathered in the family's order, converted to float32, packed by ggml and written to its place.
Memory holds a few blocks at a time; no half-precision copy of the model is made. ggml packs each row on its own, so
the bytes equal those of llama.cpp's quantizer. Knows nothing about names, schemes or vocabularies: it gets tensors and
types.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from gguf import GGMLQuantizationType
from numpy.typing import NDArray

from quantize.adapter import Update
from quantize.architectures.blueprint import Target
from quantize.checkpoint import Tensor, row_shape
from quantize.container import Placed
from quantize.errors import PackError
from quantize.merge import MergedRows

BLOCK_BYTES = 4 << 20  # of float32; a worker holds about three of these
_FLOAT_P = ctypes.POINTER(ctypes.c_float)


@dataclass(frozen=True, slots=True)
class Job:
    """One tensor to write: its target, its source (None for a constant), its place in the file.

    weights: the importance of each column, shape (width,). update: a change of the source by an adapter.
    """

    target: Target
    source: Tensor | None
    placed: Placed
    weights: NDArray[np.float32] | None = None
    update: Update | None = None


def write_tensors(
    jobs: Iterable[Job], out: Path, *, threads: int | None = None, done: Callable[[Job], None] | None = None
) -> None:
    """Write the tensor of each job into a file that already has its header.

    `done` is called in this thread after each tensor. Raises PackError where a value is not finite or out of the
    type's range, and where the file cannot be written; the file is then unfinished.
    """
    workers = threads or os.cpu_count() or 1
    try:
        with out.open("r+b") as stream, ThreadPoolExecutor(workers, "pack") as pool:
            lock = threading.Lock()
            for job in jobs:
                _write_tensor(job, stream, lock, pool, workers)
                if done is not None:
                    done(job)
    except OSError as problem:
        raise PackError(
            f"cannot write {out}: {problem.strerror or problem}", "check that the disk has free space"
        ) from problem


def _write_tensor(job: Job, stream: IO[bytes], lock: threading.Lock, pool: ThreadPoolExecutor, workers: int) -> None:
    rows = _source_rows(job)
    pending: set[Future[None]] = set()
    try:
        for span in _blocks(job.target.shape):
            if len(pending) > workers:  # a short queue: an interrupt does not wait for a whole tensor
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
            pending.add(pool.submit(_write_block, job, rows, span, stream, lock))
        for future in pending:
            future.result()
    except BaseException:
        for future in pending:
            future.cancel()
        wait(pending)
        raise


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of rows of about BLOCK_BYTES each as float32; a vector is one slice."""
    if len(shape) == 1:
        yield slice(0, shape[0])
        return
    rows, width = row_shape(shape)
    step = max(1, BLOCK_BYTES // (4 * width))
    yield from (slice(first, min(first + step, rows)) for first in range(0, rows, step))


def _source_rows(job: Job) -> Callable[[slice], NDArray[np.float32]]:
    target = job.target
    if target.constant is not None:
        constant = target.constant
        return lambda span: constant[span]
    if job.source is None:
        raise PackError(f"tensor {target.name!r} has neither a source nor a constant")
    plain = job.source.map()
    mapped = plain if job.update is None else MergedRows(plain, job.update)
    if target.rows is None:
        return mapped.float32
    order = target.rows
    return lambda span: mapped.float32(order[span])


def _write_block(
    job: Job,
    rows: Callable[[slice], NDArray[np.float32]],
    span: slice,
    stream: IO[bytes],
    lock: threading.Lock,
) -> None:
    values = rows(span)
    width = job.target.shape[-1]
    packed = quantize_rows(values.reshape(-1, width), job.placed.ggml_type, job.weights, job.target.name)
    row_bytes = packed.nbytes * width // values.size
    first_row = 0 if len(job.target.shape) == 1 else span.start
    with lock:
        stream.seek(job.placed.offset + first_row * row_bytes)
        stream.write(packed.data)


def quantize_rows(
    values: NDArray[np.float32],
    ggml_type: str,
    weights: NDArray[np.float32] | None = None,
    name: str = "tensor",
) -> NDArray[np.uint8]:
    """Pack rows of shape (rows, width) into a ggml type; returns the bytes. weights: importances, shape (width,).

    Raises PackError where a value is not finite, before or after packing: an f32 too large for f16, for example.
    """
    kind = int(GGMLQuantizationType[ggml_type])
    values = np.ascontiguousarray(values, dtype=np.float32)
    rows, width = values.shape
    ggml = _ggml()
    if not ggml.ggml_validate_row_data(int(GGMLQuantizationType.F32), values.ctypes.data, values.nbytes):
        raise PackError(
            f"tensor {name!r} holds a value that is not finite",
            "the checkpoint, or the adapter, is damaged; fetch it again",
        )
    if ggml_type == "F32":
        return values.view(np.uint8)
    packed = np.empty(rows * ggml.ggml_row_size(kind, width), dtype=np.uint8)
    importance = None if weights is None else weights.ctypes.data_as(_FLOAT_P)
    written = ggml.ggml_quantize_chunk(
        kind, values.ctypes.data_as(_FLOAT_P), packed.ctypes.data, 0, rows, width, importance
    )
    if written != packed.nbytes or not ggml.ggml_validate_row_data(kind, packed.ctypes.data, packed.nbytes):
        raise PackError(f"tensor {name!r} does not fit {ggml_type.lower()}: a value is out of its range")
    return packed


@cache
def _ggml() -> ctypes.CDLL:
    """libggml-base, which ships inside llama_cpp. A ctypes call releases the GIL, so worker threads run in parallel."""
    import llama_cpp  # loads compiled libraries: only where something is packed

    name = {"win32": "ggml-base.dll", "darwin": "libggml-base.dylib"}.get(sys.platform, "libggml-base.so")
    library = ctypes.CDLL(str(Path(llama_cpp.__file__).parent / "lib" / name))
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [
        ctypes.c_int, _FLOAT_P, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, _FLOAT_P,
    ]  # fmt: skip
    library.ggml_validate_row_data.restype = ctypes.c_bool
    library.ggml_validate_row_data.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    library.ggml_row_size.restype = ctypes.c_size_t
    library.ggml_row_size.argtypes = [ctypes.c_int, ctypes.c_int64]
    return library
