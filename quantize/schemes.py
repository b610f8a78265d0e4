"""Quantization schemes: their names, and the type that llama.cpp gives each tensor under one.

A scheme such as q4_k_m is a recipe: the type of a tensor depends on its role, its layer, its width and the whole
model. llama.cpp itself decides: it plans the quantization of a stub file with the model's header and a sparse hole
for data, and logs the type of each tensor.

A label after a plus sign tells files of one scheme apart: iq2_xs+judge is a variant of iq2_xs, packed with importances
of its own, say. It does not change the plan. Knows nothing about checkpoints or about how numbers are packed.
"""

from __future__ import annotations

import ctypes
import difflib
import re
import tempfile
import threading
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantize import container
from quantize.architectures.blueprint import Blueprint
from quantize.errors import ImatrixNeededError, SchemeError, UnknownSchemeError
from quantize.interrupts import interrupts_deferred
from quantize.scheme_names import ALIASES as ALIASES
from quantize.scheme_names import SCHEMES as SCHEMES

_LABEL = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")

_PLANNED = re.compile(r"\[ *\d+/ *\d+\] +(\S+) +- \[[^\]]*\], type = +(\S+), size =[^\n]*?(?:\((\w+)\))?\n")
# types for which llama.cpp refuses or aborts without importances
_NEED_WEIGHTS = frozenset(("IQ3_XXS", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_M", "IQ1_S"))
_log_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Plan:
    """A scheme applied to a model: name and ggml type (upper case) of every tensor, in the model's order."""

    scheme: str
    file_type: int
    types: tuple[tuple[str, str], ...]
    needs_imatrix: bool


def canonical(name: str) -> str:
    """The canonical name of a scheme, with its label if it has one; case does not matter.

    Raises UnknownSchemeError with the nearest names.
    """
    written, plus, label = name.lower().partition("+")
    scheme = written.replace("-", "_")
    scheme = ALIASES.get(scheme, scheme)
    if scheme not in SCHEMES:
        near = difflib.get_close_matches(scheme, SCHEMES, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known schemes: {', '.join(SCHEMES)}"
        raise UnknownSchemeError(f"unknown scheme {name!r}", hint)
    if plus and not _LABEL.fullmatch(label):
        raise UnknownSchemeError(
            f"scheme {name!r}: a label has at most 40 letters, digits and . _ -", f"like {scheme}+judge"
        )
    return scheme + plus + label


def is_known(name: str) -> bool:
    """Whether `canonical` has a name for it."""
    try:
        canonical(name)
    except UnknownSchemeError:
        return False
    return True


def base(scheme: str) -> str:
    """A canonical scheme without its label: iq2_xs of iq2_xs+judge."""
    return scheme.partition("+")[0]


def label(scheme: str) -> str | None:
    """The label of a canonical scheme: judge of iq2_xs+judge; None where it has none."""
    return scheme.partition("+")[2] or None


def plan(blueprint: Blueprint, scheme: str, *, with_imatrix: bool = False) -> Plan:
    """The type that llama.cpp gives each tensor of a model. Needs no weights, a few MB of disk, under a second.

    Raises UnknownSchemeError, and SchemeError where llama.cpp refuses this scheme for this model.
    """
    scheme = canonical(scheme)
    with interrupts_deferred():
        status, log = _dry_run(blueprint, base(scheme), with_imatrix)
    types = {name: (new or old).upper() for name, old, new in _PLANNED.findall(log)}
    missing = [target.name for target in blueprint.targets if target.name not in types]
    if status != 0 or missing:
        reason = next((line.strip() for line in log.splitlines() if "failed to quantize" in line), "no reason given")
        raise SchemeError(f"llama.cpp does not plan {scheme} for this {blueprint.architecture} model: {reason}")
    return Plan(
        scheme,
        SCHEMES[base(scheme)],
        tuple((target.name, types[target.name]) for target in blueprint.targets),
        "require an imatrix" in log,
    )


def require_imatrix(planned: Plan) -> None:
    """Raise ImatrixNeededError where the plan is unusable without an importance matrix."""
    if planned.needs_imatrix:
        raise ImatrixNeededError(
            f"scheme {planned.scheme} needs an importance matrix for this model",
            "edge-judge imatrix or llama-imatrix makes one, for --imatrix; or take iq4_xs, q3_k_s or q2_k",
        )


def require_weights(planned: Plan, weighted: Container[str]) -> None:
    """Raise ImatrixNeededError where an importance matrix lacks a tensor whose type needs one."""
    for name, kind in planned.types:
        needed = kind in _NEED_WEIGHTS or (kind == "Q2_K" and base(planned.scheme) == "q2_k_s")
        if needed and name not in ("token_embd.weight", "output.weight") and name not in weighted:
            raise ImatrixNeededError(
                f"the importance matrix lacks {name!r}, which {planned.scheme} packs as {kind.lower()}",
                "was it measured with another model, or with too little text?",
            )


def file_bytes(blueprint: Blueprint, scheme: str) -> int:
    """The bytes of all tensors of a model under a scheme: the size of the GGUF without its header."""
    return planned_bytes(blueprint, plan(blueprint, scheme))


def planned_bytes(blueprint: Blueprint, planned: Plan) -> int:
    """The bytes of all tensors of a plan."""
    return sum(size for _, size in planned_tensors(blueprint, planned))


def planned_tensors(blueprint: Blueprint, planned: Plan) -> list[tuple[str, int]]:
    """The name and the bytes of each tensor of a plan."""
    shapes = {target.name: target.shape for target in blueprint.targets}
    return [(name, container.tensor_bytes(shapes[name], kind)) for name, kind in planned.types]


def _dry_run(blueprint: Blueprint, scheme: str, with_imatrix: bool) -> tuple[int, str]:
    """The status and the log of quantizing a file of the model's shape, in a temporary folder. Nothing is quantized."""
    with tempfile.TemporaryDirectory(prefix="edge-judge-", ignore_cleanup_errors=True) as folder:
        stub = Path(folder) / "stub.gguf"
        tensors = [(target.name, target.shape, "F32") for target in blueprint.targets]
        try:
            # llama.cpp never reads the hole, it only checks its size
            container.write_header(stub, blueprint.architecture, blueprint.fields, tensors)
        except OSError as problem:
            why = problem.strerror or problem
            raise SchemeError(f"cannot plan {scheme} with a file in {Path(folder).parent}: {why}") from problem
        return _quantized_dry(stub, SCHEMES[scheme], with_imatrix)


def _quantized_dry(stub: Path, file_type: int, with_imatrix: bool) -> tuple[int, str]:
    import llama_cpp

    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.dry_run, parameters.nthread = file_type, True, 1
    if with_imatrix:  # for a plan only its presence counts
        importance = (ctypes.c_float * 1)(1.0)
        data = llama_cpp.llama_model_imatrix_data
        entries = (data * 2)(data(name=b"presence", data=importance, size=1), data(name=None, data=None, size=0))
        parameters.imatrix = ctypes.cast(entries, ctypes.POINTER(data))
    out = str(stub.with_suffix(".out")).encode()
    with _captured_log() as lines:
        status = llama_cpp.llama_model_quantize(str(stub).encode(), out, ctypes.byref(parameters))
    return int(status), "".join(lines)


@contextmanager
def _captured_log() -> Iterator[list[str]]:
    """The lines that llama.cpp logs within the block. The process has one log callback; it is restored at the end."""
    import llama_cpp

    lines: list[str] = []

    def append(level: int, text: bytes, _: Any) -> None:
        lines.append(text.decode("utf-8", "replace"))

    collect = llama_cpp.llama_log_callback(append)
    with _log_lock:
        previous, data = llama_cpp.llama_log_callback(), ctypes.c_void_p()
        llama_cpp.llama_log_get(ctypes.byref(previous), ctypes.byref(data))
        llama_cpp.llama_log_set(collect, ctypes.c_void_p(0))
        try:
            yield lines
        finally:
            llama_cpp.llama_log_set(previous, data)
