"""Quantization schemes: their names, and the type that llama.cpp gives each tensor under one.

A scheme such as q4_k_m is a recipe: the type of a tensor depends on its role, its layer, its width and the
whole model. llama.cpp itself is asked: it plans a quantization of a stub file that has the header of the
model and a sparse hole instead of data, and its log tells the type of each tensor. Knows nothing about
checkpoints or about how numbers are packed.
"""

from __future__ import annotations

import ctypes
import difflib
import re
import tempfile
import threading
from collections.abc import Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantize import container
from quantize.architectures.blueprint import Blueprint
from quantize.errors import ImatrixNeededError, SchemeError, UnknownSchemeError

# name -> llama_ftype of llama.cpp's llama.h; mixed-expert and vendor formats are left out
SCHEMES = {
    "f32": 0, "f16": 1, "bf16": 32, "q8_0": 7, "q6_k": 18,
    "q5_k_m": 17, "q5_k_s": 16, "q5_1": 9, "q5_0": 8,
    "q4_k_m": 15, "q4_k_s": 14, "q4_1": 3, "q4_0": 2, "iq4_nl": 25, "iq4_xs": 30,
    "q3_k_l": 13, "q3_k_m": 12, "q3_k_s": 11, "iq3_m": 27, "iq3_s": 26, "iq3_xs": 22, "iq3_xxs": 23,
    "q2_k": 10, "q2_k_s": 21, "iq2_m": 29, "iq2_s": 28, "iq2_xs": 20, "iq2_xxs": 19,
    "iq1_m": 31, "iq1_s": 24, "tq2_0": 37, "tq1_0": 36,
}  # fmt: skip
ALIASES = {"q5_k": "q5_k_m", "q4_k": "q4_k_m", "q3_k": "q3_k_m"}

_PLANNED = re.compile(r"\[ *\d+/ *\d+\] +(\S+) +- \[[^\]]*\], type = +(\S+), size =[^\n]*?(?:\((\w+)\))?\n")
# llama.cpp refuses, or aborts, without importances for these
_NEED_WEIGHTS = frozenset(("IQ3_XXS", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_M", "IQ1_S"))
_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class Plan:
    """A scheme applied to a model: the ggml type (upper case) of every tensor, in the model's order."""

    scheme: str
    file_type: int
    types: tuple[tuple[str, str], ...]
    needs_imatrix: bool


def canonical(name: str) -> str:
    """The scheme's own name; case does not matter. Raises UnknownSchemeError with the nearest names."""
    wanted = name.lower().replace("-", "_")
    wanted = ALIASES.get(wanted, wanted)
    if wanted not in SCHEMES:
        near = difflib.get_close_matches(wanted, SCHEMES, n=4, cutoff=0.5) or list(SCHEMES)
        raise UnknownSchemeError(f"unknown scheme {name!r}", f"known schemes near it: {', '.join(near)}")
    return wanted


def plan(blueprint: Blueprint, scheme: str, *, with_imatrix: bool = False) -> Plan:
    """Ask llama.cpp which type each tensor of a model gets. Takes well under a second, a few MB of disk, no
    weights.

    Raises UnknownSchemeError, and SchemeError where llama.cpp refuses this scheme for this model.
    """
    scheme = canonical(scheme)
    with tempfile.TemporaryDirectory(prefix="edge-judge-") as folder:
        stub = Path(folder) / "stub.gguf"
        try:
            _write_stub(stub, blueprint)
        except OSError as problem:
            raise SchemeError(f"cannot plan {scheme}: {problem.strerror or problem}") from problem
        status, log = _dry_run(stub, SCHEMES[scheme], with_imatrix)
    types = {name: (new or old).upper() for name, old, new in _PLANNED.findall(log)}
    missing = [t.name for t in blueprint.targets if t.name not in types]
    if status != 0 or missing:
        reason = next((line.strip() for line in log.splitlines() if "failed to quantize" in line), "no reason given")
        raise SchemeError(f"llama.cpp does not plan {scheme} for this {blueprint.architecture} model: {reason}")
    return Plan(
        scheme,
        SCHEMES[scheme],
        tuple((t.name, types[t.name]) for t in blueprint.targets),
        "require an imatrix" in log,
    )


def require_imatrix(planned: Plan) -> None:
    """Raise ImatrixNeededError where the plan is unusable without an importance matrix."""
    if planned.needs_imatrix:
        raise ImatrixNeededError(
            f"scheme {planned.scheme} needs an importance matrix for this model",
            "make one with llama-imatrix and give it with --imatrix, or take iq4_xs, q3_k_s or q2_k",
        )


def require_weights(planned: Plan, weighted: Container[str]) -> None:
    """Raise ImatrixNeededError where an importance matrix lacks a tensor whose type makes no sense without one."""
    for name, kind in planned.types:
        needed = kind in _NEED_WEIGHTS or (kind == "Q2_K" and planned.scheme == "q2_k_s")
        if needed and name not in ("token_embd.weight", "output.weight") and name not in weighted:
            raise ImatrixNeededError(
                f"the importance matrix lacks {name!r}, which {planned.scheme} packs as {kind.lower()}",
                "was it measured with another model, or with too little text?",
            )


def file_bytes(blueprint: Blueprint, scheme: str) -> int:
    """The bytes of all tensors of a model under a scheme: the size of the GGUF but for its header and vocabulary."""
    return planned_bytes(blueprint, plan(blueprint, scheme))


def planned_bytes(blueprint: Blueprint, planned: Plan) -> int:
    """The bytes of all tensors of a plan."""
    shapes = {target.name: target.shape for target in blueprint.targets}
    return sum(container.tensor_bytes(shapes[name], kind) for name, kind in planned.types)


def _write_stub(path: Path, blueprint: Blueprint) -> None:
    tensors = [(t.name, t.shape, "F32") for t in blueprint.targets]
    # the hole is never read, only its extent is checked
    container.write_header(path, blueprint.architecture, blueprint.fields, tensors)


def _dry_run(stub: Path, file_type: int, with_imatrix: bool) -> tuple[int, str]:
    import llama_cpp

    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.dry_run, parameters.nthread = file_type, True, 1
    if with_imatrix:  # for a plan only its presence counts
        one = (ctypes.c_float * 1)(1.0)
        data = llama_cpp.llama_model_imatrix_data
        entries = (data * 2)(data(name=b"presence", data=one, size=1), data(name=None, data=None, size=0))
        parameters.imatrix = ctypes.cast(entries, ctypes.POINTER(data))
    out = str(stub.with_suffix(".out")).encode()
    # In a thread of its own: Python's signal handlers never run there, and what one of them raises in the midst
    # of llama.cpp's log would be lost.
    with _captured_log() as lines, ThreadPoolExecutor(1) as apart:
        status = apart.submit(llama_cpp.llama_model_quantize, str(stub).encode(), out, ctypes.byref(parameters))
    return int(status.result()), "".join(lines)


@contextmanager
def _captured_log() -> Iterator[list[str]]:
    """llama.cpp has one log for the whole process: borrow it, collect what it says, and give it back."""
    import llama_cpp

    lines: list[str] = []

    def note(level: int, text: bytes, _: Any) -> None:
        lines.append(text.decode("utf-8", "replace"))

    collect = llama_cpp.llama_log_callback(note)
    with _guard:
        before, data = llama_cpp.llama_log_callback(), ctypes.c_void_p()
        llama_cpp.llama_log_get(ctypes.byref(before), ctypes.byref(data))
        llama_cpp.llama_log_set(collect, ctypes.c_void_p(0))
        try:
            yield lines
        finally:
            llama_cpp.llama_log_set(before, data)
