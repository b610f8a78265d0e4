"""What a training computes on: one of torch's devices, and the type of the frozen weights.

Knows: torch's names. Does not know: networks.
"""

from __future__ import annotations

import torch

from edge_judge.errors import UsageError

DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def usable(device: str) -> str:
    """The device of that name; for `auto` a GPU if there is one. Raises UsageError for one that torch cannot use."""
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"--device {name}: torch cannot use it here", "cpu, or cuda where there is a GPU") from error
    return name
