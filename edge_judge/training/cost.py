"""What a training will take, measured on its own examples before its first step.

The gradients of the largest group of examples are computed once, for the memory, and those of a group of median size,
for the time. Nothing is learned from either, and random numbers are put back.
Knows: a network, groups of texts. Does not know: steps, files.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from edge_judge.engine import memory
from edge_judge.training.batches import Batches, LearnedText
from edge_judge.training.measuring import Validation, reply_loss
from edge_judge.training.network import Network


@dataclass(frozen=True, slots=True)
class Cost:
    """seconds: of all steps and measurements, at the rate of one group of examples; memory: bytes at most, of this
    process, or of the device where there is one; tokens: to read over all steps.
    """

    seconds: float
    memory: int
    tokens: int


def measured(network: Network, batches: Batches, validation: Validation, checks: int) -> Cost:
    """checks: how many measurements there will be."""
    epoch = [group for step in range(batches.per_epoch) for group in batches.at(step)]
    epoch.sort(key=tokens_of)
    random = torch.get_rng_state()
    memory.forget_peak()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    _gradients(network, epoch[-1])
    peak = torch.cuda.max_memory_allocated() if network.speeds.device.type == "cuda" else memory.peak()
    typical = epoch[len(epoch) // 2]
    began = time.perf_counter()
    _gradients(network, typical)
    rate = (time.perf_counter() - began) / tokens_of(typical)
    torch.set_rng_state(random)
    tokens = sum(map(tokens_of, epoch)) * batches.steps // batches.per_epoch
    measuring = 2 * validation.tokens * checks / 3  # two forward passes, each a third of a step's work
    return Cost(rate * (tokens + measuring), peak, tokens)


def tokens_of(group: Sequence[LearnedText]) -> int:
    """The tokens that are computed for a group, padding included."""
    return len(group) * max(len(text.tokens) for text in group)


def _gradients(network: Network, group: Sequence[LearnedText]) -> None:
    reply_loss(network, group).backward()
    network.zero_grad(set_to_none=True)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
