"""A checkpoint as training needs it: its vocabulary as a file that llama.cpp reads, its shape, its weights.

Knows: sources of checkpoints, what a blueprint says of a family. Does not know: torch, what is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_judge.errors import UsageError
from edge_judge.records import ProgressListener
from edge_judge.workflows.build import build_callback
from quantize import architectures, checkpoint, digest, vocabulary_file
from quantize.architectures.blueprint import Blueprint
from quantize.checkpoint import Tensor
from quantize.source import Source

if TYPE_CHECKING:
    from edge_judge.training.network import NetworkShape


@dataclass(frozen=True, slots=True)
class TrainableModel:
    """A checkpoint whose files are all here. vocabulary: a GGUF file without tensors; sha256: of all weight files."""

    name: str
    vocabulary: Path
    sha256: str
    shape: NetworkShape
    tensors: Mapping[str, Tensor]

    @property
    def parameters(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shape.tensors.values())

    def read(self, name: str) -> NDArray[np.float32]:
        """The values of a tensor, as rows. Raises CheckpointError where it is missing or has another shape."""
        where = next(iter(self.tensors.values())).path.parent
        tensor = checkpoint.pick(self.tensors, name, self.shape.tensors[name], where)
        return tensor.map().float32(slice(None))


def open_model(source: Source, folder: Path, listener: ProgressListener) -> TrainableModel:
    """Open a checkpoint. One on the Hub is downloaded and stays in the Hub's cache. folder: for small files.

    Raises the errors of quantizing, UsageError for what cannot be trained.
    """
    source.check()
    blueprint = architectures.blueprint(source.config(folder))
    shape = network_shape(blueprint, source.name)
    vocabulary = vocabulary_file.write(source, folder, folder / "vocabulary.gguf")
    tensors: dict[str, Tensor] = {}
    hashes = []
    with listener.task(f"{source.name}, checkpoint"):
        for shard in source.shards(folder, blueprint, build_callback(listener)):
            fetched = source.fetch(shard, folder, keep=True)
            tensors |= {tensor.name: tensor for tensor in checkpoint.open_file(fetched.path)}
            hashes.append((shard.name, shard.sha256 or digest.sha256(fetched.path)))
    return TrainableModel(source.name, vocabulary, digest.combined(hashes), shape, tensors)


def network_shape(blueprint: Blueprint, name: str) -> NetworkShape:
    """What the network's arithmetic depends on. Raises UsageError for a rotation that training does not compute."""
    from edge_judge.training.network import NetworkShape

    values = {field.key.partition(".")[2]: field.value for field in blueprint.fields}

    def number(key: str, default: float | None = None) -> float:
        value = values.get(key, default)
        if not isinstance(value, int | float):
            raise TypeError(f"{blueprint.architecture}.{key} is no number")
        return value

    kind = values.get("rope.scaling.type")
    if kind not in (None, "linear"):
        raise UsageError(f"{name}: rope scaling {kind} is not supported by training", "train another model")
    heads = int(number("attention.head_count"))
    frequencies = _frequencies(
        int(number("rope.dimension_count")), number("rope.freq_base"), number("rope.scaling.factor", 1.0), blueprint
    )
    return NetworkShape(
        family=blueprint.architecture,
        layers=int(number("block_count")),
        heads=heads,
        kv_heads=int(number("attention.head_count_kv")),
        head_dim=int(number("attention.key_length", number("embedding_length") // heads)),
        eps=number("attention.layer_norm_rms_epsilon"),
        frequencies=tuple(map(float, frequencies)),
        tensors={target.source: target.source_shape for target in blueprint.targets if target.constant is None},
    )


def _frequencies(width: int, base: float, factor: float, blueprint: Blueprint) -> NDArray[np.float32]:
    """Radians a position (width / 2,): base^(-2i / width), divided by the scaling of the family."""
    exponents = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
    slowed = np.power(base, exponents, dtype=np.float64).astype(np.float32) * np.float32(factor)
    for target in blueprint.targets:
        if target.name == "rope_freqs.weight" and target.constant is not None:
            slowed *= target.constant
    frequencies: NDArray[np.float32] = np.float32(1) / slowed
    return frequencies
