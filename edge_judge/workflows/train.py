"""A judge tuned to labelled pairs: a checkpoint and files of pairs become a LoRA adapter in a folder.

Knows: files, overlap with benchmarks, the settings of a training. Does not know: what a step computes, how a result is
shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_judge.benchmarks import custom, training_data
from edge_judge.benchmarks.fingerprint import fingerprint
from edge_judge.benchmarks.overlap import OverlapFinder
from edge_judge.engine import Model, chat, physical_cores
from edge_judge.errors import DataError, RunError, UsageError, naming
from edge_judge.protocols import prompts
from edge_judge.protocols.protocol import Protocol
from edge_judge.quantities import counted
from edge_judge.records import CurvePoint, Judge, ProgressListener, TrainingPair
from edge_judge.training.folder import TrainingFolder, that_goes_on
from edge_judge.training.recipe import Recipe
from edge_judge.training.split import split
from edge_judge.version import __version__
from edge_judge.workflows.checkpoints import find_source
from edge_judge.workflows.data import load_here
from edge_judge.workflows.judges import chat_template_of
from edge_judge.workflows.options import BenchmarkOptions, ProtocolOptions, TrainSettings
from edge_judge.workflows.protocol import protocol_for
from edge_judge.workflows.scratch import scratch
from quantize import digest

if TYPE_CHECKING:
    from edge_judge.workflows.train_model import TrainableModel

NEEDED = ("torch", "peft", "safetensors")


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
        raise UsageError("no file of labelled pairs given", "--data FILE: JSONL or CSV, Auto-J's or PandaLM's file")
    data = _load(settings, listener)
    out = settings.out or Path("tuned") / Path(model).name
    recipe = _resolved(recipe, out, fresh=settings.fresh)
    parts = split(data.pairs, recipe.validation, recipe.seed)
    with scratch() as temporary:
        from edge_judge.training.session import Trainable, Training
        from edge_judge.workflows.train_model import open_model

        opened = open_model(find_source(model), temporary, listener)
        named = settings.chat_template or chat_template_of(model)
        template = chat.named(named) if named else None
        with Model(opened.vocabulary, chat=template, vocab_only=True) as vocabulary:
            asked = _protocol(opened.name, protocol, data)
            deciding = _deciding(opened, data, asked, recipe, template)
            with naming(out), TrainingFolder.opened(out, deciding, fresh=settings.fresh) as folder:
                if not folder.complete:
                    trainable = Trainable(opened.name, opened.shape, opened.read, vocabulary)
                    Training(trainable, asked, recipe, folder, listener).run(parts, data.overlapping)
                return _result(opened.name, folder, out)


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
        some = f"{count} of {counted(len(pairs), 'pair')}"
        listener.note(f"{some} left out: {name} has the same or nearly the same pairs")
    if len(left) > len(once):
        listener.note(f"{counted(len(left) - len(once), 'duplicate pair')} left out")
    if not once:
        raise DataError(f"all {counted(len(pairs), 'pair')} are in a benchmark, so none is left to train on")
    return _Data(tuple(once), overlapping, tuple(file.sha256 for file in files))


def _resolved(recipe: Recipe, out: Path, *, fresh: bool) -> Recipe:
    """The recipe with device and threads of this machine, or those of the training that goes on in the folder."""
    from edge_judge.training.devices import usable

    begun = None if fresh else that_goes_on(out).content()
    held = begun["settings"].get("threads") if begun else None
    threads = recipe.threads or (held if isinstance(held, int) else None) or physical_cores()
    return replace(recipe, device=usable(recipe.device), threads=threads)


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
        "vocabulary_sha256": digest.sha256(model.vocabulary),
        "chat_template_sha256": template and prompts.sha256(template),
        "ties": protocol.ties,
        "criteria": list(protocol.criteria),
        "reasoning": protocol.written,
        "truncate": protocol.truncate,
        **asdict(recipe),
        "torch": version("torch"),
        "peft": version("peft"),
        "edge_judge": __version__,
    }


def _result(model: str, folder: TrainingFolder, out: Path) -> TrainedJudge:
    content = folder.content() or {}
    try:
        held = content["result"]
        curve = tuple(CurvePoint(**point) for point in held["curve"])
        best = CurvePoint(**held["best"])
        counts = (held["steps"], held["planned"], held["pairs"], held["validation"], held["overlapping"])
    except (KeyError, TypeError) as error:
        raise RunError(f"{out}: training.json has no result", "train again with --fresh") from error
    return TrainedJudge(model, out, curve, best, *counts)
