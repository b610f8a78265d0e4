"""A judge tuned to labelled pairs: a checkpoint and files of pairs become a LoRA adapter in a folder.

Knows: files, overlap with benchmarks, the settings of a training. Does not know: what a step computes, how a result is
shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from edge_judge.benchmarks import custom, training_data
from edge_judge.benchmarks.fingerprint import fingerprint
from edge_judge.benchmarks.overlap import OverlapFinder
from edge_judge.engine import Model, chat, memory, physical_cores
from edge_judge.errors import DataError, ModelError, RunError, UsageError
from edge_judge.protocols import prompts
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import CurvePoint, Judge, ProgressListener, TrainingPair
from edge_judge.report import training_curve
from edge_judge.report.formatting import duration, short_size
from edge_judge.training.folder import TrainingFolder
from edge_judge.training.recipe import Recipe
from edge_judge.training.split import Split, split
from edge_judge.version import __version__
from edge_judge.workflows.data import load_here
from edge_judge.workflows.judges import chat_template_of
from edge_judge.workflows.options import BenchmarkOptions, ProtocolOptions, TrainSettings
from edge_judge.workflows.protocol import protocol_for

if TYPE_CHECKING:
    from edge_judge.training.examples import Example, Examples
    from edge_judge.workflows.train_model import TrainableModel

NEEDED = ("torch", "peft", "safetensors")
BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class TrainedJudge:
    """A finished training. folder: holds the adapter in peft's format; curve: the measurements on validation pairs,
    best: the one that the adapter is from; steps: that were made, of `planned`, fewer where the loss rose; pairs: that
    were learned, validation: kept back; overlapping: pairs left out because a benchmark has them, by its name.
    """

    model: str
    folder: Path
    curve: tuple[CurvePoint, ...]
    best: CurvePoint
    steps: int
    planned: int
    pairs: int
    validation: int
    overlapping: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Data:
    """Pairs to learn from. sha256: of each file."""

    pairs: tuple[TrainingPair, ...]
    overlapping: Mapping[str, int]
    sha256: tuple[str, ...]


def train(
    model: str,
    settings: TrainSettings,
    protocol: ProtocolOptions = ProtocolOptions(),
    recipe: Recipe = Recipe(),
    listener: ProgressListener = ProgressListener(),
) -> TrainedJudge:
    """Tune a judge to labelled pairs with LoRA. The same call again goes on where it was stopped, to the same bytes.

    model: a name in models.lock, the folder of a checkpoint, or a repository on the Hub. protocol: how the judge will
    be asked. Pairs that a known benchmark has are left out. Raises UsageError where torch or peft is missing, DataError
    for a broken file, RunError for a folder with a training under other settings.
    """
    _check_installed()
    if not settings.files:
        raise UsageError("no file of labelled pairs is named", "--data FILE: JSONL or CSV, Auto-J's or PandaLM's file")
    data = _load(settings, listener)
    out = settings.out or Path("tuned") / Path(model).name
    recipe = _resolved(recipe, out, fresh=settings.fresh)
    parts = split(data.pairs, recipe.validation, recipe.seed)
    with TemporaryDirectory(prefix="edge-judge-") as temporary:
        from edge_judge.workflows.train_model import open_model

        opened = open_model(model, Path(temporary), listener)
        template = settings.chat_template or chat_template_of(model)
        with Model(opened.vocabulary, chat=chat.named(template) if template else None, vocab_only=True) as vocabulary:
            asked = _protocol(opened.name, protocol, data)
            deciding = _deciding(opened, data, asked, recipe, template)
            with TrainingFolder.opened(out, deciding, fresh=settings.fresh) as folder:
                if not folder.complete:
                    _Training(opened, vocabulary, asked, recipe, folder, listener).run(parts, data)
                return _result(opened.name, folder)


@dataclass(frozen=True, slots=True)
class _Training:
    model: TrainableModel
    vocabulary: Model
    protocol: Protocol
    recipe: Recipe
    folder: TrainingFolder
    listener: ProgressListener

    def run(self, parts: Split, data: _Data) -> None:
        from edge_judge.training import adapter, cost, trainer
        from edge_judge.training.batches import Batches
        from edge_judge.training.measuring import Validation

        learned, kept = self._examples(parts)
        recipe = self.recipe
        with trainer.reproducible(recipe.threads or 1):
            network = self._network()
            parameters = adapter.add(network, recipe)
            batches = Batches(learned, recipe)
            validation = Validation(self.vocabulary, self.protocol, kept, recipe.at_once)
            measured = cost.measured(network, batches, validation, recipe.checks * recipe.epochs + 1)
            trained = sum(parameter.numel() for parameter in parameters.values())
            self.listener.note(
                f"{batches.steps} steps, {measured.tokens:,} tokens to read, {trained:,} of {self.model.parameters:,} "
                f"parameters trained: at most about {duration(measured.seconds)} and {short_size(measured.memory)} of "
                "memory, by a step measured now"
            )
            title = f"{self.model.name} tuned under {self.protocol.grammar.name}"
            with self.listener.task(title):
                done = trainer.Trainer(network, parameters, batches, validation, recipe, self.folder).train(
                    self.listener,
                    lambda curve: self.folder.write_curve(curve, training_curve.build(curve, batches.steps, title)),
                )
        result = {
            "best": asdict(done.best),
            "steps": done.steps,
            "planned": done.planned,
            "pairs": len(parts.learned),
            "validation": len(parts.validation),
            "overlapping": dict(data.overlapping),
            "curve": [asdict(point) for point in done.curve],
        }
        seen = [fingerprint(pair.pair) for pair in (*parts.learned, *parts.validation)]
        config = adapter.config_json(network, recipe, self.model.name)
        self.folder.finish(config, adapter.weights_file(done.weights), seen, result)

    def _examples(self, parts: Split) -> tuple[Sequence[Example], Sequence[Example]]:
        from edge_judge.training.examples import ExampleMaker

        maker = ExampleMaker(self.vocabulary, self.protocol, self.recipe.longest)
        learned, kept = maker.make(parts.learned), maker.make(parts.validation)
        self.listener.note(
            f"{len(parts.learned):,} pairs to learn ({len(learned.examples):,} examples, both orders), "
            f"{len(parts.validation):,} kept back ({len(kept.examples):,} examples)"
        )
        for line in _remarks(learned, kept, self.protocol):
            self.listener.note(line)
        return learned.examples, kept.examples

    def _network(self) -> Any:
        import torch

        from edge_judge.training.network import Network

        recipe = self.recipe
        needed, there = self.model.parameters * BYTES[recipe.dtype], memory.available()
        if recipe.device == "cpu" and needed > there:
            raise ModelError(
                f"{self.model.name}: {short_size(needed)} of weights in {recipe.dtype}, {short_size(there)} of memory",
                "--dtype bfloat16 takes half, --device cuda another memory; or train a smaller model",
            )
        return Network(
            self.model.shape,
            self.model.read,
            dtype=getattr(torch, recipe.dtype),
            device=recipe.device,
            checkpointing=recipe.checkpointing,
        )


def _check_installed() -> None:
    for name in NEEDED:
        try:
            import_module(name)
        except ImportError as error:
            hint = "pip install 'edge-judge[train]'"
            raise UsageError(f"training needs {name}, which is not installed", hint) from error


def _load(settings: TrainSettings, listener: ProgressListener) -> _Data:
    """The pairs of all files without those that a benchmark has, and without a pair that occurs twice."""
    files = [training_data.open_file(path) for path in settings.files]
    pairs = [pair for file in files for pair in training_data.load(file, settings.format)]
    finder = OverlapFinder(load_here(BenchmarkOptions((), settings.data), listener))
    found = [finder.benchmark_of(pair.pair) for pair in pairs]
    overlapping = Counter(name for name in found if name is not None)
    left = [pair for pair, name in zip(pairs, found, strict=True) if name is None]
    once = list({fingerprint(pair.pair): pair for pair in reversed(left)}.values())[::-1]
    for name, count in overlapping.items():
        listener.note(f"{count} of {len(pairs)} pairs left out: {name} has them, or pairs nearly like them")
    if len(left) > len(once):
        listener.note(f"{len(left) - len(once)} pairs left out that occur before")
    if not once:
        raise DataError(f"all {len(pairs)} pairs stand in a benchmark: none is left to learn from")
    return _Data(tuple(once), overlapping, tuple(file.sha256 for file in files))


def _resolved(recipe: Recipe, out: Path, *, fresh: bool) -> Recipe:
    """The recipe with device and threads of this machine, or those of the training that goes on in the folder."""
    import torch

    begun = None if fresh else TrainingFolder(out).content()
    held = begun["settings"].get("threads") if begun else None
    threads = recipe.threads or (held if isinstance(held, int) else None) or physical_cores()
    device = ("cuda" if torch.cuda.is_available() else "cpu") if recipe.device == "auto" else recipe.device
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        hint = "say cpu, or cuda where there is a GPU"
        raise UsageError(f"--device {device}: torch cannot use it here", hint) from error
    return replace(recipe, device=device, threads=threads)


def _protocol(name: str, options: ProtocolOptions, data: _Data) -> Protocol:
    ties = custom.has_ties(tuple(pair.pair for pair in data.pairs))
    return protocol_for(Judge(name, "", None, None, ""), options, ties=ties)


def _deciding(
    model: TrainableModel, data: _Data, protocol: Protocol, recipe: Recipe, template: str | None
) -> dict[str, Any]:
    """All that decides which bytes the training ends with, as training.json has it."""
    grammar = protocol.grammar
    left_out = sorted(f"{name}: {count}" for name, count in data.overlapping.items())
    return {
        "model": model.name,
        "checkpoint_sha256": model.sha256,
        "data_sha256": list(data.sha256),
        "pairs": len(data.pairs),
        "overlapping": left_out,
        "grammar": grammar.name,
        "grammar_sha256": grammar.sha256,
        "prompt": grammar.prompt,
        "prompt_sha256": None if grammar.trained_in else prompts.sha256(prompts.source(grammar.prompt)),
        "chat_template": template,
        "ties": protocol.ties,
        "criteria": list(protocol.criteria),
        "reasoning": protocol.written,
        "truncate": protocol.truncate,
        **asdict(recipe),
        "torch": version("torch"),
        "peft": version("peft"),
        "edge_judge": __version__,
    }


def _remarks(learned: Examples, kept: Examples, protocol: Protocol) -> list[str]:
    too_long, without = learned.too_long + kept.too_long, learned.without_reasons + kept.without_reasons
    lengthy = learned.lengthy + kept.lengthy
    lines = []
    if too_long:
        lines.append(f"{too_long} examples left out: longer than the model's context, or than --longest")
    if without:
        lines.append(f"{without} examples left out: no reasons, or none that name their answers by {{a}} and {{b}}")
    if lengthy:
        lines.append(
            f"{lengthy} replies are longer than the {protocol.limit} tokens that eval lets a judge write: "
            "eval --reasoning allows more"
        )
    return lines


def _result(model: str, folder: TrainingFolder) -> TrainedJudge:
    content = folder.content() or {}
    try:
        held = content["result"]
        curve = tuple(CurvePoint(**point) for point in held["curve"])
        best = CurvePoint(**held["best"])
        counts = (held["steps"], held["planned"], held["pairs"], held["validation"], held["overlapping"])
    except (KeyError, TypeError) as error:
        raise RunError(f"{folder.path}: training.json has no result", "--fresh trains anew") from error
    return TrainedJudge(model, folder.path, curve, best, *counts)
