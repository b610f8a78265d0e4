"""A LoRA adapter as peft saves it, laid on a model: which of its tensors change which of the checkpoint's.

A folder holds adapter_config.json and adapter_model.safetensors, or adapter_model.bin. Every tensor of it must be one
of a pair, lora_A and lora_B, on a matrix of the model; an adapter that is merged without one of its tensors would run
and give wrong results. Tensors stay on disk until their rows are read.
Knows: names, ranks and scales. Does not know: how an update is added, what is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quantize import adapter_config, checkpoint, digest, pairs_seen
from quantize.adapter_config import AdapterConfig
from quantize.architectures.blueprint import Blueprint, Target
from quantize.checkpoint import DTYPES, Tensor
from quantize.errors import AdapterError, CheckpointError, short_repr

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
UNTOUCHED = ("token_embd.weight", "output.weight")
# The adapter's own name, `default` in peft, may stand before `weight`.
_LORA = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])(?:\.[\w-]+)?\.weight")


@dataclass(frozen=True, slots=True)
class Update:
    """The change of one matrix of the checkpoint: scale * B @ A. a: of shape (rank, width); b: (rows, rank).

    factor: what B is multiplied with where only alpha / rank can be said of the whole adapter, as in llama.cpp.
    """

    module: str
    a: Tensor
    b: Tensor
    scale: float
    factor: float

    @property
    def rank(self) -> int:
        return self.a.shape[0]


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that fits a model. updates: by the name of the checkpoint's tensor; sha256: of its files together.

    pairs_seen: fingerprints of the pairs that it was trained on, if its folder names them.
    """

    name: str
    config: AdapterConfig
    updates: Mapping[str, Update]
    sha256: str
    pairs_seen: frozenset[str]


def read(folder: Path, blueprint: Blueprint) -> Adapter:
    """The adapter in a folder, for the model of a blueprint. No weights are read.

    Raises AdapterError where it is damaged, of a kind that cannot be merged, or has a tensor that fits nowhere.
    """
    config = adapter_config.read(folder)
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise AdapterError(f"{folder} holds no weights: expected {' or '.join(WEIGHTS)}", "peft saves them there")
    pairs = _pairs(path)
    matrices = _matrices(blueprint)
    updates = {}
    for module, sides in pairs.items():
        source = f"{module}.weight"
        _check_place(path, source, sides, matrices)
        updates[source] = _update(config, module, sides, matrices[source].source_shape)
    hashes = [(file.name, digest.sha256(file)) for file in (folder / adapter_config.FILE_NAME, path)]
    name = folder.resolve().name or "adapter"
    return Adapter(name, config, updates, digest.combined(hashes), pairs_seen.of_folder(folder))


def _pairs(path: Path) -> dict[str, dict[str, Tensor]]:
    """The tensors of the adapter by module and side, A or B."""
    try:
        tensors = checkpoint.open_file(path)
    except CheckpointError as problem:
        raise AdapterError(str(problem), problem.hint) from problem
    pairs: dict[str, dict[str, Tensor]] = {}
    for tensor in tensors:
        match = _LORA.fullmatch(tensor.name)
        if match is None:
            raise AdapterError(
                f"{path}: tensor {short_repr(tensor.name)} is neither a lora_A nor a lora_B of a linear layer",
                "only such updates can be merged here; merge the rest with peft and quantize the result",
            )
        sides = pairs.setdefault(match["module"], {})
        if match["side"] in sides:
            raise AdapterError(f"{path}: {match['module']!r} has two lora_{match['side']}: expected one adapter")
        sides[match["side"]] = tensor
    if not pairs:
        raise AdapterError(f"{path} holds no tensors")
    return pairs


def _matrices(blueprint: Blueprint) -> dict[str, Target]:
    """A target of each matrix that an adapter may change, by the checkpoint's name. Fused matrices have several."""
    targets = (target for target in blueprint.targets if target.constant is None and len(target.source_shape) == 2)
    return {target.source: target for target in targets}


def _check_place(path: Path, source: str, sides: Mapping[str, Tensor], matrices: Mapping[str, Target]) -> None:
    name = next(iter(sides.values())).name
    target = matrices.get(source)
    if target is None:
        raise AdapterError(
            f"{path}: tensor {short_repr(name)} belongs to {short_repr(source)}, which this model does not have",
            "was the adapter trained on another model?",
        )
    if target.name in UNTOUCHED:
        what = "the embedding" if target.name == "token_embd.weight" else "the head"
        raise AdapterError(
            f"{path}: tensor {short_repr(name)} changes {what} of the model, which is not merged here",
            "leave it out of target_modules, or merge with peft and quantize the result",
        )
    for side in ("A", "B"):
        if side not in sides:
            raise AdapterError(f"{path}: {short_repr(name)} has no lora_{side} beside it", "is the file whole?")


def _update(config: AdapterConfig, module: str, sides: Mapping[str, Tensor], shape: tuple[int, ...]) -> Update:
    """The update of a matrix, whose shape and rank are checked."""
    a, b, rank = sides["A"], sides["B"], config.rank_of(module)
    for tensor, expected, free in ((a, (rank, shape[1]), 0), (b, (shape[0], rank), 1)):
        if tensor.dtype not in DTYPES:
            raise AdapterError(f"{tensor.path}: tensor {tensor.name!r} is {tensor.dtype}, expected F32, F16 or BF16")
        if tensor.shape == expected:
            continue
        same_but_rank = len(tensor.shape) == 2 and tensor.shape[1 - free] == expected[1 - free]
        reason = f"{config.origin} gives it rank {rank}" if same_but_rank else "was it trained on another model?"
        raise AdapterError(
            f"{tensor.path}: tensor {tensor.name!r} has shape {list(tensor.shape)}, expected {list(expected)}", reason
        )
    return Update(module, a, b, config.scale_of(module), config.llama_cpp_factor(module))
