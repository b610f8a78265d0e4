"""edge-judge attribute: where the loss comes from."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge.cli import options, terminal
from edge_judge.errors import RunError
from edge_judge.records import Identity

if TYPE_CHECKING:
    from edge_judge.records import Noise


@click.command(
    epilog=options.example(
        "edge-judge attribute --scheme q4_k_m --grammar pairwise-cot",
        "edge-judge attribute --model qwen1.5-7b --scheme q3_k_m --grammar pairwise --benchmark pandalm",
    )
)
@options.model
@click.option("--scheme", default="q4_k_m", show_default=True, help="The quantization scheme to be explained.")
@click.option("--grammar", default="pairwise-cot", show_default=True, help="The protocol to be explained.")
@click.option(
    "--benchmark", "name", default="pocket", show_default=True, help="A known benchmark, or a file of your own."
)
@options.data
@options.results
@options.as_json
def attribute(
    model: str, scheme: str, grammar: str, name: str, data: Path | None, results: Path, as_json: bool
) -> None:
    """Tell where a judge's loss comes from, step by step.

    Recorded runs that differ in one thing: free form, a grammar, the protocol, the quantized weights.
    """
    from edge_judge import benchmarks
    from edge_judge.analysis.attribution import attribute as attributed
    from edge_judge.analysis.attribution import chain, runs_of
    from edge_judge.metrics.recorded import RecordedRun
    from edge_judge.protocols import grammar as grammars
    from edge_judge.report.attribution import attribution_json, attribution_table
    from edge_judge.runs import folder as run_folder
    from quantize import schemes

    benchmark = benchmarks.load(name, data)
    steps = chain(Identity(benchmark.name, model, schemes.canonical(scheme), grammars.load(grammar).name))
    folders = {one: run_folder.folder(results, one) for one in runs_of(steps)}
    found = {
        one: RecordedRun(run_folder.read_run(path), benchmark)
        for one, path in folders.items()
        if (path / "score.json").exists()
    }
    missing = {one: _command(one, name, data, results) for one in folders if one not in found}
    chained = attributed(steps, found)
    if not any(one.comparison for one in chained):
        raise RunError(
            f"{results}: no step can be computed, there is no run {', '.join(_called(one) for one in missing)}",
            next(iter(missing.values())),
        )
    noise = {one: _noise(path) for one, path in folders.items()}
    if as_json:
        click.echo(json.dumps(attribution_json(chained, noise, missing), indent=2))
    else:
        click.echo(attribution_table(chained, noise, width=terminal.width(), color=terminal.color()), nl=False)
    for one, command in missing.items():
        terminal.note(f"no run {_called(one)}: {command}")
    for one in found:
        if noise[one] is None:
            terminal.note(f"no noise floor of {_called(one)}: {_command(one, name, data, results)} --repeat 2")


def _called(run: Identity) -> str:
    return f"{run.scheme}/{run.grammar}"


def _command(run: Identity, benchmark: str, data: Path | None, results: Path) -> str:
    """What makes a run where it is looked for."""
    said = ["--model", run.model, "--scheme", run.scheme, "--grammar", run.grammar, "--benchmark", benchmark]
    if data is not None:
        said += ["--data", str(data)]
    if results != Path("results"):
        said += ["--results", str(results)]
    return shlex.join(["edge-judge", "eval", *said])


def _noise(path: Path) -> Noise | None:
    """What repeats of the run in this folder changed; None where it was not repeated, or is not there."""
    from edge_judge.records import Noise
    from edge_judge.runs import folder as run_folder

    noted = run_folder.noted(path, "noise")
    if noted is None:
        return None
    try:
        return Noise(**noted)
    except TypeError as error:
        raise RunError(f"{path / 'run.json'}: noise: {error}", "edge-judge eval --repeat measures it again") from error
