"""The steps of a training: gradients over a batch, AdamW, a measurement now and then, and the best adapter at the end.

It ends with the same bytes whether or not it was stopped in between: order, rates and random numbers depend on the
recipe and the step alone, sums are computed by a fixed number of threads, and a state holds all else.
Knows: recipes, examples, networks. Does not know: where weights and pairs come from, what a curve looks like.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from edge_judge import worktime
from edge_judge.errors import RunError
from edge_judge.records import CurvePoint, ProgressListener, TrainingProgress
from edge_judge.training import state as states
from edge_judge.training.batches import Batches, LearnedText
from edge_judge.training.folder import ANEW, TrainingFolder
from edge_judge.training.measuring import Validation, reply_loss
from edge_judge.training.network import Network
from edge_judge.training.recipe import Recipe
from edge_judge.training.state import State

SAVE_SECONDS = 60.0  # of training that a kill may cost, about; when a state is saved decides nothing
NORM = 1.0  # of the gradients of a step, at most

OnMeasured = Callable[[Sequence[CurvePoint]], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """curve: the measurements; best: the one with the lowest loss, whose adapter is the result; steps: that were made,
    of `planned`.
    """

    curve: tuple[CurvePoint, ...]
    best: CurvePoint
    steps: int
    planned: int
    weights: dict[str, torch.Tensor]


class Trainer:
    """Trains the adapter of a network. parameters: the adapter's, by their names in its file."""

    def __init__(
        self,
        network: Network,
        parameters: dict[str, nn.Parameter],
        batches: Batches,
        validation: Validation,
        recipe: Recipe,
        folder: TrainingFolder,
    ) -> None:
        self._network, self._parameters, self._recipe = network, parameters, recipe
        self._batches, self._validation, self._folder = batches, validation, folder
        self._optimizer = torch.optim.AdamW(list(parameters.values()), lr=recipe.rate, weight_decay=0.0)
        self._checks = recipe.checks * recipe.epochs

    def train(self, listener: ProgressListener, measured: OnMeasured) -> Trained:
        """Begin, or go on from the folder's state. measured: called with all measurements after each new one.

        Raises RunError for a state that is broken.
        """
        state = self._resumed()
        self._began = self._saved = worktime.clock().seconds()
        self._before, self._first = state.seconds, state.step
        if state.curve:
            measured(state.curve)  # a kill may have come between the state and this
        else:
            self._measure(state, listener, measured)
        while state.step < self._batches.steps and not self._stops(state):
            loss = self._step(state)
            state.seconds = self._before + worktime.clock().seconds() - self._began
            listener.training(TrainingProgress(state.step, self._batches.steps, loss, self._left(state)))
            if self._is_check(state.step):
                self._measure(state, listener, measured)
            elif worktime.clock().seconds() - self._saved > SAVE_SECONDS:
                self._save(state)
        best = min(state.curve, key=lambda point: point.loss)
        return Trained(tuple(state.curve), best, state.step, self._batches.steps, state.best)

    def _step(self, state: State) -> float:
        """One step. Returns its loss in nats a token."""
        groups = self._batches.at(state.step)
        learned = sum(text.learned for group in groups for text in group)
        rate = self._recipe.rate * rate_share(state.step, self._batches.steps, self._recipe.warmup)
        for parameters in self._optimizer.param_groups:
            parameters["lr"] = rate
        total = gradients(self._network, groups)
        nn.utils.clip_grad_norm_(list(self._parameters.values()), NORM)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        state.step += 1
        state.loss_sum += total
        state.loss_tokens += learned
        return total / learned

    def _measure(self, state: State, listener: ProgressListener, measured: OnMeasured) -> None:
        found = self._validation.measure(self._network)
        state.seconds = self._before + worktime.clock().seconds() - self._began
        training_loss = state.loss_sum / state.loss_tokens if state.loss_tokens else None
        lowest = state.lowest
        state.curve.append(
            CurvePoint(state.step, training_loss, found.loss, found.right, found.verdicts, round(state.seconds, 1))
        )
        state.loss_sum, state.loss_tokens = 0.0, 0
        if found.loss < lowest or not state.best:
            state.keep(self._parameters)
        self._save(state)
        measured(state.curve)
        listener.note(point_line(state.curve[-1], self._batches.steps))

    def _is_check(self, step: int) -> bool:
        """Whether to measure after a step: at even distances, and after the last one."""
        return step * self._checks // self._batches.steps > (step - 1) * self._checks // self._batches.steps

    def _stops(self, state: State) -> bool:
        """Whether the last measurements were all above the lowest loss."""
        since = [point.step for point in state.curve if point.step > state.best_step]
        return self._recipe.patience > 0 and len(since) >= self._recipe.patience

    def _save(self, state: State) -> None:
        self._folder.save(states.packed(state, self._parameters, self._optimizer))
        self._saved = worktime.clock().seconds()

    def _resumed(self) -> State:
        content = self._folder.state()
        if content is None:
            return State()
        try:
            return states.unpacked(content, self._parameters, self._optimizer)
        except ValueError as error:
            raise RunError(f"{self._folder.path}: its state cannot be read: {error}", ANEW) from error

    def _left(self, state: State) -> float:
        done = state.step - self._first
        return (worktime.clock().seconds() - self._began) / done * (self._batches.steps - state.step)


def gradients(network: Network, groups: Sequence[Sequence[LearnedText]]) -> float:
    """Add the gradients of the mean loss over all tokens that the groups learn; returns its sum in nats.

    However a batch is divided into groups, the gradients are those of the whole batch.
    """
    learned, total = sum(text.learned for group in groups for text in group), 0.0
    for group in groups:
        loss = reply_loss(network, group)
        (loss / learned).backward()
        total += float(loss.detach())
    return total


def rate_share(step: int, steps: int, warmup: float) -> float:
    """The share of the highest learning rate at a step: it rises in a line, then falls in a line to almost 0."""
    rising = max(1, round(warmup * steps))
    return (step + 1) / rising if step < rising else (steps - step) / max(1, steps - rising)


def point_line(point: CurvePoint, steps: int) -> str:
    """A measurement in words."""
    before = "" if point.training_loss is None else f"loss {point.training_loss:.4f}, "
    right = f"{100 * point.accuracy:.1f} % right ({point.right} of {point.verdicts} verdicts)"
    return f"step {point.step} of {steps}: {before}validation loss {point.loss:.4f}, {right}"


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """So many threads, and only algorithms that give the same bits each time where torch has them."""
    before, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is not deterministic without it
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(strict)
