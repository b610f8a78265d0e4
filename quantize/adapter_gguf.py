"""A LoRA adapter as a GGUF of its own, which llama.cpp adds to a model when it runs. Made without torch.

As llama.cpp's convert_lora_to_gguf.py writes it: for each matrix `NAME.lora_a` (rank, width) and `NAME.lora_b` (rows,
rank), B's rows in the order of the model's own GGUF, and one alpha. llama.cpp multiplies with alpha / rank. For a
rank-stabilized adapter the alpha that is written is alpha * sqrt(r); where a module has a rank or an alpha of its own,
the rest of its scale is multiplied into its B. docs/adapters.md lists what differs from llama.cpp's converter.
Knows: blueprints, adapters, the container. Does not know: the model's weights, who reads the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from quantize import adapter, architectures, build_folder, container, pack, verify
from quantize.adapter import Adapter, Update
from quantize.architectures.blueprint import Blueprint, Field, Target
from quantize.atomic import publish
from quantize.build import Built
from quantize.container import Header
from quantize.errors import AdapterError, VerifyError, short_repr
from quantize.metadata import QUANTIZATION_VERSION, adapter_fields, seen_fields
from quantize.source import Source

Kind = Literal["f32", "f16"]
KINDS: tuple[Kind, ...] = ("f32", "f16")
_ADAPTER_HINT = "make one with: edge-judge quantize MODEL --adapter FOLDER --adapter-only"
_BASE_HINT = "use the adapter with the model that it was trained on"
_TYPES = frozenset({"F32", "F16", "BF16", "Q8_0"})  # what llama.cpp's converter writes


@dataclass(frozen=True, slots=True)
class AdapterOptions:
    """out: the GGUF file; None for NAME.gguf in the current folder. kind: the type of its numbers. tool: name and
    version of the building program, for the metadata.
    """

    out: Path | None = None
    kind: Kind = "f32"
    tool: str | None = None


def write(source: Source, folder: Path, options: AdapterOptions = AdapterOptions()) -> Built:
    """Write the adapter in a folder as a GGUF. source: the model that it is for; only its config.json is read.

    Raises a QuantizeError; then, and on an interrupt, the output file is unchanged.
    """
    out = options.out or Path(f"{folder.resolve().name}.gguf")
    source.check()
    with build_folder.opened(out, resumable=False) as room:
        blueprint = architectures.blueprint(source.config(room.source))
        given = adapter.read(folder, blueprint)
        keys = _fields(given, options.tool)
        kind = options.kind.upper()
        parts = [part for target, update in _changed(blueprint, given) for part in _shapes(target, update)]
        table = [(name, shape, kind) for name, shape in parts]
        placed = container.write_header(room.unfinished, blueprint.architecture, keys, table)
        places = {place.name: place for place in placed}
        with room.unfinished.open("r+b") as stream:
            for target, update in _changed(blueprint, given):
                _write_pair(stream, places, target, update)
        verified = verify.verify(room.unfinished, placed, tuple(field.key for field in keys))
        publish(room.unfinished, out)
    return Built(out, verified.sha256, verified.bytes, options.kind, tuple((p.name, p.ggml_type) for p in placed))


def check(path: Path, base: Path) -> str:
    """The name of an adapter's GGUF, which must go with a model's.

    llama.cpp ends the process at some wrong files, so they are refused before it sees them. Raises AdapterError.
    """
    try:
        header, model = container.read_header(path), container.read_header(base)
        alphas = container.read_fields(path, "adapter.lora.alpha")
        verify.check_size(path, header)
    except VerifyError as problem:
        raise AdapterError(f"{path} cannot be used as an adapter: {problem}", _ADAPTER_HINT) from problem
    for key, expected in (("general.type", "adapter"), ("adapter.type", "lora")):
        if header.values.get(key) != expected:
            said = short_repr(header.values.get(key))
            raise AdapterError(f"{path} is no LoRA adapter: its {key} is {said}, expected {expected!r}", _ADAPTER_HINT)
    if any(field.kind != "float32" for field in alphas) or "adapter.alora.invocation_tokens" in header.keys:
        raise AdapterError(f"{path}: an alpha that is no float32, or an activated LoRA, cannot be used", _ADAPTER_HINT)
    ours, theirs = (file.values.get("general.architecture") for file in (header, model))
    if ours != theirs:
        raise AdapterError(f"{path} is for {short_repr(ours)}, {base} is {short_repr(theirs)}", _BASE_HINT)
    _check_tensors(path, base, header, model)
    name = header.values.get("general.name")
    return name if isinstance(name, str) and name else path.stem


def _check_tensors(path: Path, base: Path, header: Header, model: Header) -> None:
    """Raise AdapterError where a tensor is not one of a pair on a matrix of the model."""
    shapes = {tensor.name: tensor.shape for tensor in model.tensors}
    given = {tensor.name: tensor for tensor in header.tensors}
    if not given:
        raise AdapterError(f"{path} holds no tensors", _ADAPTER_HINT)
    for name, tensor in given.items():
        matrix, _, side = name.rpartition(".lora_")
        a, b = given.get(f"{matrix}.lora_a"), given.get(f"{matrix}.lora_b")
        if side not in ("a", "b") or a is None or b is None or tensor.ggml_type not in _TYPES:
            raise AdapterError(f"{path}: tensor {short_repr(name)} is none of a pair lora_a and lora_b", _ADAPTER_HINT)
        shape = shapes.get(matrix)
        if shape is None:
            raise AdapterError(f"{path} changes {short_repr(matrix)}, which {base} does not have", _BASE_HINT)
        rank = a.shape[0]
        if matrix != "token_embd.weight" and (a.shape, b.shape) != ((rank, shape[-1]), (shape[0], rank)):
            raise AdapterError(
                f"{path} changes {matrix!r} by {list(b.shape)} x {list(a.shape)}, {base} has {list(shape)}", _BASE_HINT
            )


def _fields(given: Adapter, tool: str | None) -> tuple[Field, ...]:
    texts = (
        ("general.type", "adapter"),
        ("adapter.type", "lora"),
        ("general.name", given.name),
        ("edge_judge.tool", tool),
    )
    return (
        *(Field(key, "string", text) for key, text in texts if text),
        Field("adapter.lora.alpha", "float32", given.config.llama_cpp_alpha),
        Field("general.quantization_version", "uint32", QUANTIZATION_VERSION),
        *adapter_fields(given),
        *seen_fields(None, given),
    )


def _changed(blueprint: Blueprint, given: Adapter) -> Iterator[tuple[Target, Update]]:
    """The tensors of the model's GGUF that the adapter changes, in the order of that file."""
    for target in blueprint.targets:
        if target.constant is None and target.source in given.updates:
            yield target, given.updates[target.source]


def _shapes(target: Target, update: Update) -> tuple[tuple[str, tuple[int, int]], tuple[str, tuple[int, int]]]:
    rows, width = target.shape
    return (f"{target.name}.lora_a", (update.rank, width)), (f"{target.name}.lora_b", (rows, update.rank))


def _write_pair(stream: IO[bytes], places: dict[str, container.Placed], target: Target, update: Update) -> None:
    everything: slice | NDArray[np.int64] = slice(None)
    b = update.b.map().float32(everything if target.rows is None else target.rows)
    if update.factor != 1.0:
        with np.errstate(all="ignore"):  # the packer refuses what is not finite
            b *= np.float32(update.factor)
    for name, values in ((f"{target.name}.lora_a", update.a.map().float32(everything)), (f"{target.name}.lora_b", b)):
        place = places[name]
        stream.seek(place.offset)
        stream.write(pack.quantize_rows(values, place.ggml_type, name=name).data)
