"""A judge, and what its work may take. Does not know: engines, what is judged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Cache: TypeAlias = Literal["f16", "q8_0"]
CACHES: tuple[Cache, ...] = ("f16", "q8_0")
Split: TypeAlias = Literal["layer", "row", "none"]
SPLITS: tuple[Split, ...] = ("layer", "row", "none")
CacheHome: TypeAlias = Literal["device", "host"]
CACHE_HOMES: tuple[CacheHome, ...] = ("device", "host")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter's GGUF, which llama.cpp adds to a model's weights when it runs. scale: what its own is multiplied
    with; sha256: of the file.
    """

    name: str
    path: Path
    sha256: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that judges, and its name in results.

    gguf, sha256: its file, the first one of a split model, and the hash of all of it, None if the weights are not on
    this machine. lock: the source of the weights (repo@commit, a folder and its hash, or the file's own hash). chat: a
    chat template to use instead of the file's own. adapter: what is added to the file's weights.
    """

    model: str
    scheme: str
    gguf: Path | None
    sha256: str | None
    lock: str
    chat: str | None = None
    adapter: Adapter | None = None

    @property
    def bytes(self) -> int:
        """The size of its file or files, with that of its adapter; 0 if it has none."""
        files = split_files(self.gguf) if self.gguf is not None else ()
        adapters = (self.adapter.path,) if self.adapter is not None else ()
        return sum(path.stat().st_size for path in (*files, *adapters))


_SPLIT = re.compile(r"(.+)-00001-of-(\d{5})\.gguf", re.DOTALL)


def split_files(gguf: Path) -> tuple[Path, ...]:
    """All files of a model whose first file this is: llama.cpp splits large ones, and finds the rest by their names."""
    split = _SPLIT.fullmatch(gguf.name)
    if split is None:
        return (gguf,)
    count = int(split[2])
    names = (f"{split[1]}-{number:05}-of-{count:05}.gguf" for number in range(2, count + 1))
    return (gguf, *(path for path in map(gguf.with_name, names) if path.is_file()))


def file_bytes(gguf: Path) -> int:
    """Bytes of a model's file, or of all files of one that is split; 0 where it is not there."""
    return sum(path.stat().st_size for path in split_files(gguf) if path.is_file())


@dataclass(frozen=True, slots=True)
class Batching:
    """How an engine divides work into calls. It decides no verdict, except through small differences in rounding.

    cells: tokens in one call; micro: tokens that are computed at once; members: sequences in one call (llama.cpp's own
    limit is 256); slots: sequences that write side by side.

    The default is a compromise. A call reads all weights once, so large calls are better. But attention compares all
    tokens of a call with every used cell of the cache, and small calls waste less of that.
    """

    cells: int = 384
    micro: int = 384
    members: int = 64
    slots: int = 16


@dataclass(frozen=True, slots=True)
class Placement:
    """What part of a model goes to GPUs, or to whatever else llama.cpp offloads to.

    gpu_layers: how many layers, the output counted as one; `auto` for as many as fit. devices: their names, none for
    all that llama.cpp would take. gpu_memory: bytes to use of each, None for what is free. split: how several devices
    share the model: whole layers, rows of each matrix, or only the first device. cache_on: where the key-value cache of
    those layers is kept.
    """

    gpu_layers: int | Literal["auto", "all"] = "auto"
    devices: tuple[str, ...] = ()
    gpu_memory: int | None = None
    split: Split = "layer"
    cache_on: CacheHome = "device"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the work may take. memory: bytes of the whole process, None for no limit; cache: the type of the numbers in
    the key-value cache; polite: leave a processor to other programs, and let them go first; placement: what of the
    model goes to GPUs.
    """

    memory: int | None = None
    cache: Cache = "f16"
    polite: bool = False
    placement: Placement = Placement()
