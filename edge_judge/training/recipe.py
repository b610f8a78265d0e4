"""What decides a training, beside its data and its model.

Standard library only: the command line makes a recipe before anything heavy is loaded.
Knows: names, defaults and ranges. Does not know: what a setting does to a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_judge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Recipe:
    """rank, alpha, rslora, dropout: of the adapter (LoRA: Hu et al. 2021, arXiv:2106.09685; rank-stabilized:
    Kalajdzievski 2023, arXiv:2312.03732). rate: the highest learning rate, of AdamW; it rises over the first `warmup`
    share of all steps and then falls to 0 in a line. epochs: how often every example is seen at most. batch: examples
    of a step; at_once: of them, how many are computed together, which saves memory and changes results by rounding.

    validation: the share of pairs kept back, whole clusters of them. checks: how often an epoch is interrupted to
    measure on them. patience: training ends after so many measurements in a row without a lower loss; 0 for never.
    reference_drop: how often a reference answer is left out of the prompt. longest: tokens of prompt and reply
    together, None for the model's context.

    checkpointing: compute each layer again instead of keeping it, which saves memory. dtype: of the frozen weights; the
    adapter is float32. device: one of torch's, `auto` for a GPU if there is one. threads: None for the physical cores.
    """

    rank: int = 16
    alpha: float = 32.0
    rslora: bool = False
    dropout: float = 0.0
    rate: float = 2e-4
    warmup: float = 0.05
    epochs: int = 3
    batch: int = 16
    at_once: int = 4
    validation: float = 0.1
    checks: int = 4
    patience: int = 3
    reference_drop: float = 0.0
    longest: int | None = None
    checkpointing: bool = False
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: str = "auto"
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        for name in ("rank", "epochs", "batch", "at_once", "checks"):
            self._check(name, getattr(self, name) >= 1, "at least 1")
        for name in ("dropout", "warmup", "reference_drop"):
            self._check(name, 0 <= getattr(self, name) < 1, "from 0 to less than 1")
        self._check("validation", 0 < self.validation < 1, "between 0 and 1")
        self._check("patience", self.patience >= 0, "0 or more")
        for name in ("alpha", "rate"):
            self._check(name, 0 < getattr(self, name) < float("inf"), "above 0")

    def _check(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise UsageError(f"{name} is {getattr(self, name)}, expected {expected}")
