"""How far work is, and who follows it. Does not know: who shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge_judge.quantities import duration
from edge_judge.records.judges import Batching


@dataclass(frozen=True, slots=True)
class Progress:
    """Verdicts and tokens of a run: done and in total. seconds: since it started or resumed.

    left: remaining seconds at the rate measured so far; None before anything was measured. unit: what is counted where
    that is no verdicts.
    """

    verdicts: int
    verdicts_total: int
    tokens: int
    tokens_total: int
    seconds: float
    left: float | None = None
    unit: str = "verdicts"


@dataclass(frozen=True, slots=True)
class Offloaded:
    """What of a model is on GPUs. devices: their names and what they are; layers: of layers_total, the output counted
    as one. Bytes of all devices. estimated: of weights, cache and work, before anything was loaded; used: what
    llama.cpp then allocated; available: what was free, or allowed.
    """

    devices: str
    layers: int
    layers_total: int
    estimated: int
    used: int
    available: int


@dataclass(frozen=True, slots=True)
class WorkEstimate:
    """The work of a run, known before its first token. tokens: to read, with shared beginnings counted once;
    tokens_alone: the same with every prompt counted in full; each: tokens that may be written after each prompt, 0 if
    nothing is; memory: bytes that the process will take; cache: bytes of the key-value cache in them; offloaded: what
    is on GPUs besides, None if nothing is.
    """

    verdicts: int
    tokens: int
    tokens_alone: int
    each: int
    memory: int
    cache: int = 0
    batching: Batching = Batching()
    offloaded: Offloaded | None = None

    @property
    def smaller(self) -> bool:
        """Whether calls are smaller than by default, to fit in memory."""
        return self.batching != Batching()


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a GGUF is built. stage: hash, fetch or pack; bytes: of the tensors, or of the files that are hashed."""

    stage: str
    tensors: int
    tensors_total: int
    bytes: int
    bytes_total: int


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training is. loss: nats a token in the last step; left: remaining seconds at the rate so far."""

    step: int
    steps: int
    loss: float
    left: float


class ProgressListener:
    """Follows the progress of work. Methods do nothing, or note it; override those of interest."""

    def begin(self, title: str) -> None:
        """Called before a long task. `progress` and `build` are about that task until `end`."""

    def end(self) -> None:
        """Called when the task is over, also where it failed."""

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        """Called once before the first token of a run on the benchmark `name`."""

    def progress(self, progress: Progress) -> None:
        """Called after each decode call."""

    def build(self, progress: BuildProgress) -> None:
        """Called after each tensor of a GGUF that is being built."""

    def training(self, progress: TrainingProgress) -> None:
        """Called after each step of a training."""

    def note(self, text: str) -> None:
        """Called with a message that is no error: a benchmark was left out, a run cannot be compared."""

    def stood_still(self, name: str, seconds: float) -> None:
        """Called where a run on the benchmark `name` goes on after a machine slept, or the process was stopped."""
        self.note(f"{name}: stopped or asleep for {duration(seconds)}, left out of all rates")

    @contextmanager
    def task(self, title: str) -> Iterator[None]:
        """Calls `begin` before the work, and `end` after it."""
        self.begin(title)
        try:
            yield
        finally:
            self.end()
