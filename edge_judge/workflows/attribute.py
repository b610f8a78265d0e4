"""Where a judge's loss comes from, step by step, from recorded runs that differ in one thing.

Knows: where the runs of a chain lie, and which command makes one that is missing. Does not know: what a step changed.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_judge import benchmarks
from edge_judge.analysis import attribution
from edge_judge.analysis.attribution import Attribution
from edge_judge.errors import RunError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.protocols import grammar as grammars
from edge_judge.records import Identity, Noise
from edge_judge.runs import folder as run_folder
from edge_judge.workflows.options import RESULTS, AttributionSettings
from quantize import schemes


@dataclass(frozen=True, slots=True)
class AttributionChain:
    """noise: what repeats of each run changed, None where it was not repeated or is missing; missing: the command that
    makes each run that is not there; unrepeated: the command that repeats each run that was not repeated.
    """

    steps: tuple[Attribution, ...]
    noise: Mapping[Identity, Noise | None]
    missing: Mapping[Identity, str]
    unrepeated: Mapping[Identity, str]


def attribute(settings: AttributionSettings = AttributionSettings()) -> AttributionChain:
    """The chain from free form at f16 to the run that is to be explained. Raises RunError where it has no step."""
    benchmark = benchmarks.load(settings.benchmark, settings.data)
    grammar = grammars.load(settings.grammar).name
    explained = Identity(benchmark.name, settings.model, schemes.canonical(settings.scheme), grammar)
    steps = attribution.chain(explained)
    folders = {run: run_folder.folder(settings.results, run) for run in attribution.runs_of(steps)}
    runs = {
        identity: RecordedRun(run_folder.read_run(path), benchmark)
        for identity, path in folders.items()
        if run_folder.is_complete(path)
    }
    missing = {identity: _command(identity, settings) for identity in folders if identity not in runs}
    attributed = attribution.attribute(steps, runs)
    if not any(step.comparison for step in attributed):
        lacking = f"{'run' if len(missing) == 1 else 'runs'} {', '.join(map(short_name, missing))}"
        raise RunError(
            f"{settings.results}: no step can be computed without the {lacking}", " && ".join(missing.values())
        )
    noise = {identity: _noise(path) for identity, path in folders.items()}
    unrepeated = {run: f"{_command(run, settings)} --repeat 2" for run in runs if noise[run] is None}
    return AttributionChain(attributed, noise, missing, unrepeated)


def short_name(run: Identity) -> str:
    """A run of the chain, within one model and benchmark."""
    return f"{run.scheme}/{run.grammar}"


def _command(run: Identity, settings: AttributionSettings) -> str:
    """What makes a run where it is searched."""
    options = ["--model", run.model, "--scheme", run.scheme, "--grammar", run.grammar]
    options += ["--benchmark", settings.benchmark]
    if settings.data is not None:
        options += ["--data", str(settings.data)]
    if settings.results != RESULTS:
        options += ["--results", str(settings.results)]
    return shlex.join(["edge-judge", "eval", *options])


def _noise(path: Path) -> Noise | None:
    """What repeats of the run in this folder changed; None where it was not repeated, or is not there."""
    noted = run_folder.noted(path, "noise")
    if noted is None:
        return None
    try:
        return Noise(**noted)
    except TypeError as error:
        raise RunError(f"{path / 'run.json'}: noise: {error}", "edge-judge eval --repeat measures it again") from error
