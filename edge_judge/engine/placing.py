"""Which layers of a model go to which device, and what they need there.

Knows: the sizes in a file, the memory of devices, and llama.cpp's own simulation of a context. Does not know: how a
context is used.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from edge_judge.engine import llama, llama_log
from edge_judge.engine.devices import BUILD, Device, TensorSizes, devices, tensor_sizes
from edge_judge.engine.footprint import CELL_BLOCK, cell_bytes, rounded_up
from edge_judge.engine.llama import ContextSize, LoadedModel, Offload
from edge_judge.errors import ModelError, UsageError
from edge_judge.quantities import megabytes
from edge_judge.records import Batching, Cache, Limits, Placement, Split

USABLE = 0.9  # of the free memory: drivers and libraries take some of it later
OUTPUT = ("output.weight", "token_embd.weight")  # large vocabularies make it too large for some devices
CELLS = 4_096  # tokens of the cache beside which `auto` makes layers fit


def context_of(cells: int, batching: Batching = Batching()) -> ContextSize:
    """A context with so many tokens in its cache, before the prompts are known."""
    sequences = batching.members + 1
    return ContextSize(cells, batching.cells, batching.micro, sequences, sequences)


@dataclass(frozen=True, slots=True)
class Placed:
    """A model's last `layers` layers on devices. available: bytes that may be used of each device; sizes: the file's;
    cached: whether the key-value cache of these layers is there too.
    """

    path: Path
    layers: int
    devices: tuple[Device, ...]
    available: tuple[int, ...]
    sizes: TensorSizes = field(repr=False)
    split: Split = "layer"
    cached: bool = True

    @property
    def total(self) -> int:
        """The layers of the model, the output counted as one."""
        return len(self.sizes.blocks) + 1

    @property
    def description(self) -> str:
        return ", ".join(f"{device.name} ({device.description})" for device in self.devices)

    @property
    def weights(self) -> int:
        """Bytes of the weights on all devices."""
        return sum(self._weights(self.layers, self.sizes.output))

    @property
    def host_cache(self) -> float:
        """The share of the key-value cache that stays in this process's memory."""
        return 1 - (self.layers - 1) / max(1, self.total - 1) if self.cached else 1.0

    def offload(self, layers: int | None = None) -> Offload:
        handles = tuple(device.handle for device in self.devices)
        return Offload(self.layers if layers is None else layers, handles, self.available, self.split, self.cached)

    def needed(self, size: ContextSize, cache: Cache, layers: int | None = None) -> tuple[int, ...]:
        """About the bytes of weights, cache and work on each device, with this context. With the cache on the host it
        can be less: llama.cpp's simulation has the work on such a cache done by devices, which in truth is not.
        """
        layers = self.layers if layers is None else layers
        with closing(_simulated(self.path, self.offload(layers))) as model:
            cells = rounded_up(size.cells) * cell_bytes(model, cache) // max(1, self.total - 1) if self.cached else 0
            work = _work(model, size, cache, self.devices)
            refused = any((device.buffers, name) in model.refused for device in self.devices for name in OUTPUT)
        homes = homes_of(self.total, layers, self.available)
        counts = [sum(homes[index] == place for index in range(self.total - 1)) for place in range(len(self.devices))]
        placed = self._weights(layers, self.sizes.output if not refused else 0)
        return tuple(
            weights + cells * count + bytes_ for weights, count, bytes_ in zip(placed, counts, work, strict=True)
        )

    def check(self, size: ContextSize, cache: Cache, advised: ContextSize | None = None) -> int:
        """The bytes needed of all devices with this context. Raises ModelError, naming the most layers that fit (with
        the context `advised`, if it is another), where a device is too small.
        """
        needed = self.needed(size, cache)
        for device, bytes_, available in zip(self.devices, needed, self.available, strict=True):
            if bytes_ > available:
                fitting = self.most(advised or size, cache)
                raise self._too_small(device, bytes_, available, size.cells, fitting)
        return sum(needed)

    def most(self, size: ContextSize, cache: Cache) -> int:
        """The most layers that fit on the devices with this context."""

        def fits(layers: int) -> bool:
            needed = self.needed(size, cache, layers)
            return all(bytes_ <= available for bytes_, available in zip(needed, self.available, strict=True))

        return largest(self.total, fits)

    def _too_small(self, device: Device, needed: int, available: int, cells: int, fitting: int) -> ModelError:
        advice = f"--gpu-layers {fitting} fits" if fitting else "no layer fits: --gpu-layers 0 uses the CPU alone"
        return ModelError(
            f"{self.path}: {self.layers} of {self.total} layers with a cache of {cells:,} tokens need "
            f"{megabytes(needed)} on {device.name}, {megabytes(available)} are available",
            advice,
        )

    def _weights(self, layers: int, output: int) -> list[int]:
        """Bytes of the weights of the last layers on each device. output: those of the output."""
        bytes_ = [0] * len(self.devices)
        sizes = (*self.sizes.blocks, output)
        for size, home in zip(sizes, homes_of(self.total, layers, self.available), strict=True):
            if home is not None:
                bytes_[home] += size
        return bytes_


def place(path: Path, limits: Limits = Limits()) -> Placed | None:
    """What of a file goes to devices; None for nothing. Raises UsageError for what this build of llama.cpp cannot do,
    ModelError where a device is too small.
    """
    placement = limits.placement
    if placement.gpu_layers == 0:
        return None
    chosen = devices(placement.devices)
    if not chosen:
        if placement.gpu_layers == "auto":
            return None
        raise UsageError(f"--gpu-layers {placement.gpu_layers}: llama.cpp has no device to offload to here", BUILD)
    if placement.split == "row" and (unable := [device.name for device in chosen if not device.splits_rows]):
        raise UsageError(
            f"--split row: {unable[0]} cannot split a matrix with other devices", "--split layer works on all"
        )
    return _placed(path, tuple(chosen[:1] if placement.split == "none" else chosen), placement, limits.cache)


def backend(placement: Placement) -> str | None:
    """The kind of device that layers go to if any fit; None if none can. Which layers fit may change from run to run,
    this does not.
    """
    chosen = devices(placement.devices) if placement.gpu_layers != 0 else []
    used = chosen[:1] if placement.split == "none" else chosen
    return "+".join(sorted({device.backend for device in used})) or None


def _placed(path: Path, chosen: tuple[Device, ...], placement: Placement, cache: Cache) -> Placed | None:
    available = tuple(allowed(device, placement) for device in chosen)
    sizes = tensor_sizes(path)
    total = len(sizes.blocks) + 1
    asked = placement.gpu_layers if isinstance(placement.gpu_layers, int) else total
    cached = placement.cache_on == "device"
    placed = Placed(path, min(asked, total), chosen, available, sizes, placement.split, cached)
    if placement.gpu_layers != "auto":
        # refused is what cannot work even with the smallest cache; an evaluator checks again what it really needs
        placed.check(context_of(CELL_BLOCK), cache, advised=context_of(CELLS))
        return placed
    layers = placed.most(context_of(CELLS), cache)
    return Placed(path, layers, chosen, available, sizes, placement.split, cached) if layers else None


def allowed(device: Device, placement: Placement) -> int:
    """Bytes that may be used of a device."""
    if placement.gpu_memory is not None:
        return min(placement.gpu_memory, device.free)
    return int(USABLE * device.free)


def largest(total: int, fits: Callable[[int], bool]) -> int:
    """The largest number of layers from 0 to `total` that fits, if fewer layers never need more; in any case one that
    fits. 0 always does.
    """
    if total > 0 and fits(total):  # the usual case, and each question costs time
        return total
    low, high = 0, max(total, 1)  # low fits, high does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def layers_in(memory: int, sizes: TensorSizes, cell: int, work: int) -> int:
    """About how many layers of a model fit on one device with so much memory, beside a cache of CELLS tokens. cell:
    bytes of a token in the cache; work: bytes of the compute buffer, in which backends may keep the embedding too.
    """
    blocks, cache = len(sizes.blocks), cell * CELLS
    fixed = work + sizes.embedding + sizes.output

    def fits(layers: int) -> bool:
        on_device = sizes.blocks[blocks + 1 - layers :]
        return fixed + sum(on_device) + cache * len(on_device) // max(1, blocks) <= memory

    return largest(blocks + 1, fits)


def homes_of(total: int, layers: int, shares: tuple[int, ...]) -> list[int | None]:
    """The device of each layer, as llama.cpp distributes them: the last `layers`, in proportion to the shares."""
    parts = list(accumulate(shares))
    start = max(0, total - layers)
    ends = [part / max(1, parts[-1]) for part in parts]
    return [
        None if index < start else min(bisect_right(ends, (index - start) / layers), len(shares) - 1)
        for index in range(total)
    ]


def _simulated(path: Path, offload: Offload) -> LoadedModel:
    return LoadedModel(path, vocab_only=False, mapped=False, offload=offload, simulated=True)


def _work(model: LoadedModel, size: ContextSize, cache: Cache, chosen: tuple[Device, ...]) -> list[int]:
    """Bytes of the compute buffer on each device."""
    context = llama.Context(model, size, cache)
    try:
        return [llama_log.device_bytes(device.buffers) for device in chosen]
    finally:
        context.close()
