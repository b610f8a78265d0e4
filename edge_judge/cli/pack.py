"""edge-judge pack: a run as one small file, to be compared with on another machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_judge import __version__
from edge_judge.cli import options, terminal
from edge_judge.cli.runs import whole
from edge_judge.errors import RunError, UsageError
from edge_judge.records import Benchmark, Run

if TYPE_CHECKING:
    from edge_judge.runs.packs import Pack

FILE = click.argument("file", type=options.FILE)


@click.group(
    epilog=options.example(
        "edge-judge pack export results/pandalm/qwen1.5-7b/f16/pairwise -o f16.ejpack",
        "edge-judge pack import f16.ejpack",
    )
)
def pack() -> None:
    """Carry a run to a machine that could not make it: a baseline, in a few bytes for each pair."""


@pack.command(epilog=options.example("edge-judge pack export results/pocket/pocket/f16/pairwise"))
@click.argument("run", type=options.FOLDER)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: BENCHMARK-MODEL-SCHEME-GRAMMAR.ejpack]",
)
@options.data
def export(run: Path, output: Path | None, data: Path | None) -> None:
    """Write the pack of a complete run: verdicts, probabilities and settings, without any text."""
    from edge_judge import benchmarks
    from edge_judge.runs import folder as run_folder
    from edge_judge.runs import packs

    found = run_folder.read_run(run)
    benchmark = whole(found, data)
    if benchmark.name not in benchmarks.REGISTRY:  # where a file of one's own lies is nobody else's business
        found = replace(found, settings={**found.settings, "benchmark_source": Path(benchmark.source).name})
    with _named(run):
        content = packs.write(benchmark, found)
    path = output or Path("-".join(asdict(found.identity).values()) + packs.ENDING)
    path.parent.mkdir(parents=True, exist_ok=True)
    run_folder.write_whole(path, content)
    terminal.note(f"{len(found.verdicts):,} verdicts in {terminal.size(len(content))}")
    click.echo(path)


@pack.command("import", epilog=options.example("edge-judge pack import f16.ejpack", "edge-judge compare"))
@FILE
@click.option("--benchmark", "own", type=options.FILE, help="Where the benchmark lies, if it is a file of your own.")
@click.option("--fresh", is_flag=True, help="Replace a run that is there already.")
@options.data
@options.results
def import_(file: Path, own: Path | None, fresh: bool, data: Path | None, results: Path) -> None:
    """Make a run's folder of a pack, which is then a run like any other.

    Refused where no run that is made here could be compared with it.
    """
    from edge_judge.metrics.alignment import align
    from edge_judge.metrics.scoring import score
    from edge_judge.runs import folder as run_folder
    from edge_judge.runs import packs
    from edge_judge.runs.folder import score_json

    found = opened(file)
    benchmark = _benchmark(file, found, own, data)
    with _named(file):
        _refuse_other_conditions(found)
        run = packs.unpack(found, benchmark)
    run = replace(run, settings={**run.settings, "benchmark_source": benchmark.source})
    figures = score(align(benchmark, run.verdicts), run.identity)
    origin = {"pack_sha256": found.sha256, "edge_judge": __version__}
    path = run_folder.put_run(results, run, score_json(figures), ("imported", origin), fresh=fresh)
    terminal.note(f"{len(run.verdicts):,} verdicts on {found.judged:,} pairs")
    for remark in _other_versions(found):
        terminal.note(remark)
    click.echo(path)


@pack.command(epilog=options.example("edge-judge pack show f16.ejpack", "edge-judge pack show f16.ejpack --json"))
@FILE
@options.as_json
def show(file: Path, as_json: bool) -> None:
    """Tell what a pack holds, without its benchmark."""
    found = opened(file)
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2))
        return
    facts = _facts(found) | {name: found.settings[name] for name in sorted(found.settings)}
    said = {_printable(name): _printable(value) for name, value in facts.items()}
    first = max(map(len, said))
    for name, value in said.items():
        click.echo(f"{name:{first}}  {_cut(value, max(terminal.width() - first - 2, 16))}")


def opened(file: Path) -> Pack:
    """The pack in a file. Raises RunError, naming the file, for one that is none or not whole."""
    from edge_judge.runs import packs

    with _named(file), file.open("rb") as content:
        return packs.read(content.read(packs.MOST_BYTES + 1))


def from_pack(file: Path, benchmark: Benchmark) -> Run:
    """The run in a pack. Raises RunError, naming the file, also where it judged another benchmark."""
    from edge_judge.runs import packs

    found = opened(file)
    with _named(file):
        return packs.unpack(found, benchmark)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is wrong with a pack is told with its file's name, which the library does not know."""
    try:
        yield
    except RunError as error:
        raise RunError(f"{path}: {error}", error.hint) from error


def _benchmark(file: Path, found: Pack, own: Path | None, data: Path | None) -> Benchmark:
    """The benchmark that a pack judged: a published one by its name; one of the user's only where he says."""
    from edge_judge import benchmarks

    name = found.identity.benchmark
    if name in benchmarks.REGISTRY:
        if own is not None:
            raise UsageError(f"--benchmark is for a file of your own, {file} judged {name}", "leave --benchmark out")
        return benchmarks.load(name, data)
    if own is None:
        raise RunError(f"{file}: it judged {name!r}, a benchmark of one's own", "--benchmark FILE says where it lies")
    return benchmarks.load(own)


def _refuse_other_conditions(found: Pack) -> None:
    """Raises RunError for a prompt or grammar that no run made here could have.

    A prompt that came with its model is known only once that model is here: `compare` refuses another one.
    """
    from edge_judge.protocols import grammar, prompts

    name = found.identity.grammar
    hint = f"it was made by edge-judge {found.settings.get('edge_judge')!r}, this is {__version__}"
    if name not in grammar.names():
        raise RunError(f"it was judged with --grammar {name!r}, which is not known here", hint)
    shape = grammar.load(name)
    here = {"grammar_sha256": shape.sha256}
    if not shape.trained_in:
        here["prompt_sha256"] = prompts.sha256(prompts.source(shape.prompt))
    for setting, value in here.items():
        if found.settings[setting] != value:
            raise RunError(
                f"no run made here could be compared with it: {setting} is {found.settings[setting]!r}, here {value!r}",
                hint,
            )


def _other_versions(found: Pack) -> Iterator[str]:
    from importlib.metadata import version

    for name, here in (("edge_judge", __version__), ("llama_cpp", version("llama-cpp-python"))):
        if found.settings.get(name) != here:
            said = f"{name} {found.settings.get(name)!r}"
            yield f"made with {said}, here is {here}: compare refuses runs of different versions"


def _facts(found: Pack) -> dict[str, object]:
    from edge_judge.report import formatting

    measured = found.measured
    cost = {
        "verdicts per minute": formatting.count(measured.verdicts_per_minute if measured else None),
        "peak RSS": formatting.size(measured.peak_rss if measured else None),
        "machine": measured.machine if measured else formatting.UNDEFINED,
    }
    return {
        **asdict(found.identity),
        "pairs": f"{found.judged:,} of {found.pairs:,}",
        "orders": " ".join(found.orders) or formatting.UNDEFINED,
        "verdicts": f"{len(found.rows):,}",
        "GGUF": formatting.size(found.bytes),
        **cost,
        "pack sha256": found.sha256,
    }


def _as_json(found: Pack) -> dict[str, Any]:
    return {
        **asdict(found.identity),
        "pairs": found.judged,
        "benchmark_pairs": found.pairs,
        "orders": list(found.orders),
        "verdicts": len(found.rows),
        "gguf_bytes": found.bytes,
        "measured": asdict(found.measured) if found.measured else None,
        "settings": dict(found.settings),
        "sha256": found.sha256,
    }


def _printable(value: object) -> str:
    """One line without control characters: what a file says must not move a terminal's cursor."""
    from edge_judge.report.formatting import UNDEFINED

    text = UNDEFINED if value is None else str(value)
    return text if text.isprintable() else ascii(text)[1:-1]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
