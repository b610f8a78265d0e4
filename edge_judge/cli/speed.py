"""edge-judge speed: what this machine does with a judge, and how long each benchmark would take.

Knows: which models, benchmarks and grammars are meant, and how figures are told. Does not know: how they are measured.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge import benchmarks
from edge_judge.cli import options, stand_in, terminal
from edge_judge.cli.errors import INTERRUPTED, fail
from edge_judge.cli.files import judge_for
from edge_judge.cli.protocols import Wanted, check_references, protocol_for
from edge_judge.errors import DataError, ModelError, UsageError
from edge_judge.records import Benchmark, Judge

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_judge.engine import Engine
    from edge_judge.engine.throughput import Rates
    from edge_judge.judging.workload import Load

GRAMMARS = ("pairwise", "pairwise-cot", "pointwise")
OUT = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which model is meant, as it was said on the command line."""

    model: str | None
    scheme: str | None
    gguf: Path | None
    shape: str | None
    vocab: Path | None
    keep: Path | None
    chat: str | None

    def check(self) -> None:
        """Raises UsageError for what does not go together."""
        for option, value in (("--model", self.model), ("--gguf", self.gguf)):
            if self.shape is not None and value is not None:
                raise UsageError(f"--shape and {option} do not go together", "measure one or the other")
        for option, value in (("--vocab", self.vocab), ("--keep", self.keep)):
            if self.shape is None and value is not None:
                raise UsageError(f"{option} does nothing without --shape", "it belongs to random weights")
        if self.shape is not None and self.scheme is None:
            raise UsageError("--shape needs a scheme", "say for example: --scheme q4_k_m")
        if self.keep is not None and self.keep.exists() and not self.keep.is_file():
            raise UsageError(f"{self.keep}: no ordinary file, so it will not be replaced", "--keep names a file")

    @property
    def made_up(self) -> bool:
        """Whether the vocabulary is no real one."""
        return self.shape is not None and self.vocab is None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A benchmark under a grammar, in both orders: what there is to do, and the seconds it would take."""

    benchmark: str
    grammar: str
    load: Load
    seconds: float


@click.command(
    epilog=options.example(
        "edge-judge speed --scheme q4_k_m",
        "edge-judge speed --shape qwen1.5-7b --scheme q4_k_m",
        "edge-judge speed --gguf my-judge.gguf --benchmark pandalm --grammar pairwise",
    )
)
@click.option("--model", help="A model that is built here, see `edge-judge models`.  [default: pocket]")
@options.scheme
@options.gguf
@click.option("--shape", metavar="NAME", help="Measure random weights of this model's shape: no download.")
@click.option("--vocab", type=options.FILE, help="With --shape: the GGUF file whose vocabulary counts tokens.")
@click.option("--keep", type=OUT, help="With --shape: keep the random weights here.")
@options.threads
@options.chat_template
@click.option(
    "--benchmark",
    "names",
    multiple=True,
    help="A known benchmark, or a file of your own. Repeatable.  [default: all that are here]",
)
@click.option(
    "--grammar",
    "grammars",
    multiple=True,
    default=GRAMMARS,
    show_default=True,
    help="The answer shape a judge is held to. Repeatable.",
)
@options.data
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.01, max=600),
    default=4.0,
    show_default=True,
    help="How long each of three measurements lasts.",
)
@options.as_json
def speed(
    model: str | None,
    scheme: str | None,
    gguf: Path | None,
    shape: str | None,
    vocab: Path | None,
    keep: Path | None,
    threads: int | None,
    chat_template: str | None,
    names: tuple[str, ...],
    grammars: tuple[str, ...],
    data: Path | None,
    seconds: float,
    as_json: bool,
) -> None:
    """Measure what this machine does with a judge, and tell how long each benchmark would take.

    Of a model that is not here, random weights of its shape are written, measured and removed.
    """
    asked = Asked(model, scheme, gguf, shape, vocab, keep, chat_template)
    asked.check()
    _check_grammars(grammars)  # before anything large is written
    chosen = _chosen(names, data)
    try:
        with _judge(asked) as judge:
            rates, found = _measure(judge, asked, threads, seconds, chosen, grammars)
            size = judge.bytes
    except KeyboardInterrupt:
        fail("interrupted", "the same command measures anew", INTERRUPTED)
    if as_json:
        click.echo(json.dumps(_as_json(judge, asked, size, rates, found), indent=2))
        return
    from edge_judge.report.formatting import render

    parts = [_rates_table(judge, asked, size, rates), *_estimates_table(asked, found)]
    click.echo(render(parts, terminal.width(), terminal.color()), nl=False)


# ---- what is measured -------------------------------------------------------------------------------------


def _check_grammars(names: Sequence[str]) -> None:
    from edge_judge.protocols import grammar

    for name in names:
        grammar.load(name)


def _chosen(names: Sequence[str], data: Path | None) -> list[Benchmark]:
    """The benchmarks that are meant: those named, else those whose files are here, and a note on the others."""
    if names:
        return [benchmarks.load(name, data) for name in names]
    found, missing = [], []
    for name in benchmarks.names():
        try:
            found.append(benchmarks.load(name, data))
        except DataError:
            missing.append(name)
    if missing:
        terminal.note(f"not here: {', '.join(missing)}; edge-judge data pull brings them")
    return found


@contextmanager
def _judge(asked: Asked) -> Iterator[Judge]:
    """The judge that is meant; a stand-in is there only as long as it is needed."""
    if asked.shape is None:
        yield judge_for(asked.model or "pocket", asked.scheme, asked.gguf, asked.chat)
        return
    with stand_in.written(asked.shape, str(asked.scheme), asked.vocab, asked.keep) as judge:
        yield replace(judge, chat=_template(asked.chat))


def _template(name: str | None) -> str | None:
    from edge_judge.engine.chat import named

    return named(name) if name else None


def _measure(
    judge: Judge,
    asked: Asked,
    threads: int | None,
    lasting: float,
    chosen: Sequence[Benchmark],
    grammars: Sequence[str],
) -> tuple[Rates, list[Estimate]]:
    from edge_judge.engine import LocalEngine, Model, throughput

    if judge.gguf is None:
        raise UsageError(f"{judge.model}: there is no file to measure", "--gguf names one")
    start = time.monotonic()
    kind = throughput.Rough if asked.made_up else Model
    with kind(judge.gguf, threads=threads, chat=judge.chat) as model:
        measured = throughput.measure(model, time.monotonic() - start, lasting)
        found = [
            estimate
            for benchmark in chosen
            for grammar in grammars
            if (estimate := _estimate(LocalEngine.of(model), judge, measured, benchmark, grammar)) is not None
        ]
    return measured, found


def _estimate(engine: Engine, judge: Judge, measured: Rates, benchmark: Benchmark, grammar: str) -> Estimate | None:
    """None, and a note, where the benchmark cannot be judged so by this model."""
    from edge_judge.engine import throughput
    from edge_judge.judging import workload

    protocol = protocol_for(judge, Wanted(grammar), ties=benchmark.ties)
    try:
        check_references(protocol, benchmark)
        load = workload.load(engine, protocol, benchmark.pairs)
    except (DataError, ModelError) as error:
        terminal.note(f"{benchmark.name} under {grammar} left out: {error}")
        return None
    seconds = throughput.seconds(measured, load.tokens, load.prompts, load.each)
    return Estimate(benchmark.name, grammar, load, seconds)


# ---- what is told -----------------------------------------------------------------------------------------


def _as_json(judge: Judge, asked: Asked, size: int, rates: Rates, found: Sequence[Estimate]) -> dict[str, object]:
    return {
        "model": judge.model,
        "scheme": judge.scheme,
        "bytes": size,
        "random_weights": asked.shape is not None,
        "tokens_estimated": asked.made_up,
        "rates": asdict(rates),
        "estimates": [asdict(one) for one in found],
    }


def _rates_table(judge: Judge, asked: Asked, size: int, rates: Rates) -> RenderableType:
    from edge_judge.report import formatting

    threads = f"{rates.threads} thread{'s' if rates.threads > 1 else ''}"
    title = f"{judge.model} {judge.scheme}{', random weights' if asked.shape else ''}, {threads}"
    headers = [
        "\nfile", "reading\ntokens/s", "writing\ntokens/s", f"{rates.slots} at once\ntokens/s",
        "loads\nin", f"cache of\n{rates.cache_cells:,} tokens", "peak\nRSS",
    ]  # fmt: skip
    figures = map(formatting.count, (rates.prompt, rates.alone, rates.together))
    cells = [formatting.size(size), *figures, _loading(rates.load_seconds)]
    return formatting.table(title, headers, [[*cells, formatting.size(rates.cache), formatting.size(rates.peak_rss)]])


def _estimates_table(asked: Asked, found: Sequence[Estimate]) -> list[RenderableType]:
    from edge_judge.report import formatting

    if not found:
        return []
    cut = any(one.load.shortened for one in found)
    headers = ["benchmark", "grammar", "verdicts", "tokens", "alone", *(["cut"] if cut else []), "time"]
    rows = [
        [
            one.benchmark,
            one.grammar,
            f"{one.load.verdicts:,}",
            f"{one.load.tokens:,}",
            f"{one.load.tokens_alone:,}",
            *([f"{one.load.shortened:,}"] if cut else []),
            f"{'≤ ' if one.load.each else ''}{terminal.duration(one.seconds)}",
        ]
        for one in found
    ]
    title = "How long a run would take, both orders"
    last = frozenset({len(headers) - 1})
    return [formatting.table(title, headers, rows, last), formatting.notes(*_notes(asked, found))]


def _notes(asked: Asked, found: Sequence[Estimate]) -> Iterator[str]:
    yield "tokens: to be read, what prompts share read once; alone: had each been read by itself"
    if any(one.load.each for one in found):
        yield "≤: if every answer takes all the tokens it may"
    if any(one.load.shortened for one in found):
        yield "cut: verdicts on pairs too long for the model, counted as --truncate answers shortens them"
    if asked.made_up:
        yield "tokens are estimated, four characters each: --vocab counts them with a GGUF file's vocabulary"


def _loading(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.05 else "<0.1 s"
