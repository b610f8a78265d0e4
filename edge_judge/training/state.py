"""All that a training needs to go on where it was stopped, as one file of plain tensors and numbers.

Knows: adapter, optimizer, random numbers, the curve so far. Does not know: where the file lies, what a step does.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from edge_judge.records import CurvePoint

KINDS = {
    "step": int, "curve": list, "best": dict, "best_step": int, "seconds": float, "loss_sum": float, "loss_tokens": int,
}  # fmt: skip


@dataclass(slots=True)
class State:
    """step: how many are done; curve: the measurements so far; best: the adapter with the lowest loss, at `best_step`;
    seconds: spent so far; loss_sum, loss_tokens: of the training loss since the last measurement.
    """

    step: int = 0
    curve: list[CurvePoint] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_tokens: int = 0

    @property
    def lowest(self) -> float:
        """The lowest loss measured."""
        return min((point.loss for point in self.curve), default=float("inf"))

    def keep(self, parameters: Mapping[str, nn.Parameter]) -> None:
        """Keep the adapter as it is now as the best."""
        self.best = {name: parameter.detach().cpu().clone() for name, parameter in parameters.items()}
        self.best_step = self.step


def packed(state: State, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> bytes:
    """The file. It holds no code: only tensors, numbers and texts."""
    content = {
        "step": state.step,
        "curve": [asdict(point) for point in state.curve],
        "best": state.best,
        "best_step": state.best_step,
        "seconds": state.seconds,
        "loss_sum": state.loss_sum,
        "loss_tokens": state.loss_tokens,
        "adapter": {name: parameter.detach().cpu() for name, parameter in parameters.items()},
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def unpacked(content: bytes, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> State:
    """Put everything back where it was, and return the state. Raises ValueError for a file that is no state of this
    training.
    """
    try:
        return _unpacked(content, parameters, optimizer)
    except Exception as error:  # torch raises nearly anything for a file that is none of its own
        raise ValueError(type(error).__name__) from error


def _unpacked(content: bytes, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> State:
    held: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    for name, kind in KINDS.items():
        if not isinstance(held[name], kind):
            raise TypeError(name)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(held["adapter"][name])
    optimizer.load_state_dict(held["optimizer"])
    torch.set_rng_state(held["random"])
    if held["random_cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(held["random_cuda"])
    return State(
        held["step"],
        [CurvePoint(**point) for point in held["curve"]],
        held["best"],
        held["best_step"],
        held["seconds"],
        held["loss_sum"],
        held["loss_tokens"],
    )
