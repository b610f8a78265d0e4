"""A training from pairs to the adapter in its folder: examples, network, cost, steps, files.

Knows: the other modules of this wing, in their order. Does not know: where checkpoint and pairs come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod

from edge_judge.benchmarks.fingerprint import fingerprint
from edge_judge.engine import Model, memory
from edge_judge.errors import ModelError
from edge_judge.protocols.protocol import Protocol
from edge_judge.quantities import counted
from edge_judge.records import ProgressListener
from edge_judge.report import training_curve
from edge_judge.report.formatting import duration, size
from edge_judge.training import adapter, cost, trainer
from edge_judge.training.batches import Batches
from edge_judge.training.devices import DTYPES
from edge_judge.training.examples import Example, ExampleMaker, Examples
from edge_judge.training.folder import TrainingFolder
from edge_judge.training.measuring import Validation
from edge_judge.training.network import Network, NetworkShape, ReadTensor
from edge_judge.training.recipe import Recipe
from edge_judge.training.split import Split
from edge_judge.training.trainer import Trained, Trainer


@dataclass(frozen=True, slots=True)
class Trainable:
    """A model to train. read: gives its tensors; vocabulary: its GGUF, loaded without weights."""

    name: str
    shape: NetworkShape
    read: ReadTensor
    vocabulary: Model

    @property
    def parameters(self) -> int:
        return sum(map(prod, self.shape.tensors.values()))


@dataclass(frozen=True, slots=True)
class Training:
    """recipe: with a device and a number of threads."""

    model: Trainable
    protocol: Protocol
    recipe: Recipe
    folder: TrainingFolder
    listener: ProgressListener

    def run(self, parts: Split, overlapping: Mapping[str, int]) -> None:
        """Begin or go on, up to the adapter in the folder. overlapping: pairs left out, by benchmark, for the record.

        Raises DataError where no example is left, ModelError where the weights do not fit in memory, RunError for a
        state that is broken.
        """
        learned, kept = self._examples(parts)
        with trainer.reproducible(self.recipe.threads or 1):
            network = self._network()
            done = self._trained(network, learned, kept)
        result = {
            "best": asdict(done.best),
            "steps": done.steps,
            "planned": done.planned,
            "pairs": len(parts.learned),
            "validation": len(parts.validation),
            "overlapping": dict(overlapping),
            "curve": [asdict(point) for point in done.curve],
        }
        seen = [fingerprint(pair.pair) for pair in (*parts.learned, *parts.validation)]
        config = adapter.config_json(network, self.recipe, self.model.name)
        self.folder.finish(config, adapter.weights_file(done.weights), seen, result)

    def _trained(self, network: Network, learned: Sequence[Example], kept: Sequence[Example]) -> Trained:
        recipe, folder = self.recipe, self.folder
        parameters = adapter.add(network, recipe)
        batches = Batches(learned, recipe)
        validation = Validation(self.model.vocabulary, self.protocol, kept, recipe.at_once)
        needed = cost.measured(network, batches, validation, recipe.checks * recipe.epochs + 1)
        trained = sum(parameter.numel() for parameter in parameters.values())
        self.listener.note(
            f"{counted(batches.steps, 'step')}, {counted(needed.tokens, 'token')}, "
            f"{trained:,} of {self.model.parameters:,} parameters trained: "
            f"at most about {duration(needed.seconds)} and {size(needed.memory)} of memory, "
            "from a step measured now"
        )
        title = f"{self.model.name} tuned under {self.protocol.grammar.name}"
        with self.listener.task(title):
            return Trainer(network, parameters, batches, validation, recipe, folder).train(
                self.listener,
                lambda curve: folder.write_curve(curve, training_curve.build(curve, batches.steps, title)),
            )

    def _examples(self, parts: Split) -> tuple[Sequence[Example], Sequence[Example]]:
        maker = ExampleMaker(self.model.vocabulary, self.protocol, self.recipe.longest)
        learned, kept = maker.make(parts.learned), maker.make(parts.validation)
        self.listener.note(
            f"{counted(len(parts.learned), 'training pair')} "
            f"({counted(len(learned.examples), 'example')}, both orders), "
            f"{len(parts.validation):,} held out for validation ({counted(len(kept.examples), 'example')})"
        )
        for line in _remarks(learned, kept, self.protocol):
            self.listener.note(line)
        return learned.examples, kept.examples

    def _network(self) -> Network:
        recipe = self.recipe
        dtype = DTYPES[recipe.dtype]
        needed, there = self.model.parameters * dtype.itemsize, memory.available()
        if recipe.device == "cpu" and needed > there:
            raise ModelError(
                f"{self.model.name}: {size(needed)} of weights in {recipe.dtype}, {size(there)} of memory",
                "--dtype bfloat16 halves it, --device cuda uses the GPU; or train a smaller model",
            )
        return Network(
            self.model.shape,
            self.model.read,
            dtype=dtype,
            device=recipe.device,
            checkpointing=recipe.checkpointing,
        )


def _remarks(learned: Examples, kept: Examples, protocol: Protocol) -> list[str]:
    too_long, without = learned.too_long + kept.too_long, learned.without_reasons + kept.without_reasons
    lengthy = learned.lengthy + kept.lengthy
    lines = []
    if too_long:
        lines.append(f"{counted(too_long, 'example')} left out: longer than the model's context, or than --longest")
    if without:
        examples = counted(without, "example")
        lines.append(f"{examples} left out: no reasons, or none that name their answers by {{a}} and {{b}}")
    if lengthy:
        lines.append(
            f"{lengthy} replies are longer than the {protocol.limit} tokens that eval lets a judge write: "
            "eval --reasoning allows more"
        )
    return lines
