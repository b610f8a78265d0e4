"""edge-judge speed: what this machine does with a judge, and how long each benchmark would take."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import click

from edge_judge.cli import completion, options, terminal
from edge_judge.cli.command import Command
from edge_judge.cli.errors import interrupted
from edge_judge.quantities import counted
from edge_judge.records import Placement
from edge_judge.report import formatting
from edge_judge.report.columns import Value, at
from edge_judge.report.formatting import Part, Table
from edge_judge.report.forms import Sheet, sheet, written
from edge_judge.workflows.options import SPEED_GRAMMARS, SPEED_SECONDS, BenchmarkOptions, JudgeOptions, RandomWeights

if TYPE_CHECKING:
    from edge_judge.workflows.speed import BenchmarkTime, MeasuredSpeed

HEADING = "begin"


@click.command(
    cls=Command,
    epilog=options.example(
        "edge-judge speed --scheme q4_k_m",
        "edge-judge speed --shape qwen1.5-7b --scheme q4_k_m",
        "edge-judge speed --gguf my-judge.gguf --benchmark pandalm --grammar pairwise",
    ),
)
@click.option(
    "-m",
    "--model",
    shell_complete=completion.models,
    help="A model on this machine, see `edge-judge models`.  [default: pocket]",
)
@options.scheme
@options.gguf
@click.option(
    "--shape",
    metavar="NAME",
    shell_complete=completion.models,
    help="Measure random weights in the shape of this model, without a download.",
)
@click.option("--vocab", type=options.FILE, help="With --shape: count tokens with the vocabulary of this GGUF file.")
@click.option("--keep", type=options.TARGET, help="With --shape: keep the random weights here.")
@options.threads
@options.placement
@options.chat_template
@click.option(
    "-b",
    "--benchmark",
    "names",
    multiple=True,
    shell_complete=completion.benchmarks,
    help="A known benchmark, or a file of your own. Repeatable.  [default: all that are downloaded]",
)
@click.option(
    "-g",
    "--grammar",
    "grammars",
    shell_complete=completion.grammars,
    multiple=True,
    default=SPEED_GRAMMARS,
    show_default=True,
    help="The format of the answer, a file of grammars/. Repeatable.",
)
@options.data
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.01, max=600),
    callback=options.number,
    default=SPEED_SECONDS,
    show_default=True,
    help="Duration of each of three measurements.",
)
@options.forms
@options.collected(
    judge=JudgeOptions,
    weights=RandomWeights,
    benchmarks=BenchmarkOptions,
    placement=Placement,
    output=options.Output,
)
def speed(
    judge: JudgeOptions,
    weights: RandomWeights,
    benchmarks: BenchmarkOptions,
    placement: Placement,
    grammars: tuple[str, ...],
    seconds: float,
    output: options.Output,
) -> None:
    """Measure how fast a judge runs on this machine.

    Estimates how long each benchmark would take. With --shape, a model need not be downloaded: random weights of its
    shape are written, measured and removed.
    """
    from edge_judge.workflows import speed as workflow

    listener = terminal.TerminalListener()
    try:
        with _signals_as_exits():
            measured = workflow.speed(judge, weights, benchmarks, grammars, seconds, listener, placement=placement)
    except KeyboardInterrupt:
        interrupted()
    parts: list[Part] = [_rates_table(measured), formatting.notes(*_backend(measured)), *_estimates_table(measured)]
    terminal.show(output.form, lambda: asdict(measured), partial(written, parts, _sheets(measured)))


@contextmanager
def _signals_as_exits() -> Iterator[None]:
    """SIGTERM and SIGHUP end the work as an interrupt does, so that no large file is left behind."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, leave) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _rates_table(measured: MeasuredSpeed) -> Table:
    rates = measured.rates
    threads = counted(rates.threads, "thread")
    if rates.writing_threads != rates.threads:
        threads += f" for prompts, {rates.writing_threads} for writing"
    title = f"{measured.model} {measured.scheme}{', random weights' if measured.random_weights else ''}, {threads}"
    headers = [
        "\nfile", "prompt\ntokens/s", "writing\ntokens/s", f"{rates.slots} at once\ntokens/s",
        "loads\nin", f"cache of\n{rates.cache_cells:,} tokens", "peak\nRSS",
    ]  # fmt: skip
    loading = f"{rates.load_seconds:.1f} s" if rates.load_seconds >= 0.05 else "<0.1 s"
    figures = map(formatting.count, (rates.prompt, rates.alone, rates.together))
    cells = [formatting.size(measured.bytes), *figures, loading]
    return formatting.table(title, headers, [[*cells, formatting.size(rates.cache), formatting.size(rates.peak_rss)]])


def _backend(measured: MeasuredSpeed) -> Iterator[str]:
    """What evaluates: the processor, and which layers are on which GPU."""
    yield from terminal.backend_lines(measured.backend)
    part = measured.rates.offloaded
    if part is not None:
        yield terminal.offloaded_words(part)
    elif measured.backend.devices:
        yield "no layers on a GPU"


def _sheets(measured: MeasuredSpeed) -> list[Sheet]:
    """What was measured, and the time that each benchmark would take."""
    rates: dict[str, Callable[[MeasuredSpeed], Value]] = {
        "model": at("model"),
        "scheme": at("scheme"),
        "size_bytes": at("bytes"),
        "reading_tokens_per_second": at("rates.prompt"),
        "writing_tokens_per_second": at("rates.alone"),
        "together_tokens_per_second": at("rates.together"),
        "together": at("rates.slots"),
        "load_seconds": at("rates.load_seconds"),
        "cache_bytes": at("rates.cache"),
        "cache_tokens": at("rates.cache_cells"),
        "peak_rss_bytes": at("rates.peak_rss"),
        "threads": at("rates.threads"),
        "writing_threads": at("rates.writing_threads"),
    }
    times: dict[str, Callable[[BenchmarkTime], Value]] = {
        "benchmark": at("benchmark"),
        "grammar": at("grammar"),
        "verdicts": at("load.verdicts"),
        "tokens": at("load.tokens"),
        "tokens_alone": at("load.tokens_alone"),
        "written_tokens_at_most": at("load.each"),
        "shortened_pairs": at("load.shortened"),
        "time_seconds": at("seconds"),
    }
    return [sheet("speed", rates, [measured]), sheet("benchmarks", times, measured.estimates)]


def _estimates_table(measured: MeasuredSpeed) -> list[Part]:
    estimates = measured.estimates
    if not estimates:
        return []
    cut = any(estimate.load.shortened for estimate in estimates)
    headers = ["benchmark", "grammar", "verdicts", "tokens", "alone", *(["cut"] if cut else []), "time"]
    rows = [
        [
            estimate.benchmark,
            estimate.grammar,
            f"{estimate.load.verdicts:,}",
            f"{estimate.load.tokens:,}",
            f"{estimate.load.tokens_alone:,}",
            *([f"{estimate.load.shortened:,}"] if cut else []),
            f"{'≤ ' if estimate.load.each else ''}{formatting.duration(estimate.seconds)}",
        ]
        for estimate in estimates
    ]
    title = "How long a run would take, both orders"
    last = frozenset({len(headers) - 1})
    return [formatting.table(title, headers, rows, last), formatting.notes(*_notes(measured))]


def _notes(measured: MeasuredSpeed) -> Iterator[str]:
    yield "tokens: prompt tokens to evaluate, shared prefixes once; alone: without prefix sharing"
    if any(estimate.load.each for estimate in measured.estimates):
        yield "≤: upper bound, if every answer is as long as allowed"
    if any(estimate.load.shortened for estimate in measured.estimates):
        yield "cut: verdicts on pairs too long for the model, counted as --truncate answers shortens them"
    if measured.tokens_estimated:
        yield "tokens are estimated at four characters each; --vocab FILE counts them with a real vocabulary"
