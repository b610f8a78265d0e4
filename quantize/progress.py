"""The progress of a build.

Knows: the size of every tensor of the GGUF. Does not know: who listens, or how progress is displayed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quantize.architectures.blueprint import Target
from quantize.container import Placed


@dataclass(frozen=True, slots=True)
class Progress:
    """One report. stage: hash, fetch or pack. tensor: its name, or the name of a file. bytes: of the GGUF's tensors,
    or of the files to hash.
    """

    stage: str
    tensor: str
    tensors_done: int
    tensors: int
    bytes_done: int
    bytes: int


ProgressCallback = Callable[[Progress], None]


class Counter:
    """Counts the tensors that are written, and reports them."""

    def __init__(self, header: tuple[Placed, ...], progress: ProgressCallback | None) -> None:
        self._sizes = {placed.name: placed.bytes for placed in header}
        self._total, self._progress = sum(self._sizes.values()), progress
        self._bytes = self._tensors = 0

    def written(self, target: Target) -> None:
        """Count a tensor that was just written."""
        self.skip([target])
        self.stage("pack", target.name)

    def skip(self, targets: Sequence[Target]) -> None:
        """Count tensors that an earlier build wrote."""
        self._bytes += sum(self._sizes[target.name] for target in targets)
        self._tensors += len(targets)

    def stage(self, stage: str, what: str) -> None:
        """Report the current stage and the share of the build that is done. what: the name of a tensor or file."""
        if self._progress is not None:
            self._progress(Progress(stage, what, self._tensors, len(self._sizes), self._bytes, self._total))
