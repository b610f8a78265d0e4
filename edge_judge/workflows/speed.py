"""What this machine does with a judge, and how long each benchmark would take.

Knows: which models, benchmarks and grammars are meant. Does not know: how rates are measured or shown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from edge_judge.engine import Engine, LocalEngine, Model, throughput
from edge_judge.engine.devices import backend
from edge_judge.engine.placing import place
from edge_judge.engine.throughput import Rates
from edge_judge.errors import DataError, ModelError, UsageError
from edge_judge.judging import workload
from edge_judge.judging.workload import Load
from edge_judge.protocols import grammar as grammar_files
from edge_judge.records import Backend, Benchmark, Judge, Limits, Placement, Progress, ProgressListener
from edge_judge.workflows.data import load_here
from edge_judge.workflows.judges import find_judge, with_chat_template
from edge_judge.workflows.options import (
    SPEED_GRAMMARS,
    SPEED_SECONDS,
    BenchmarkOptions,
    JudgeOptions,
    ProtocolOptions,
    RandomWeights,
)
from edge_judge.workflows.protocol import check_references, protocol_for
from edge_judge.workflows.random_weights import random_judge
from edge_judge.workflows.target import check_target


@dataclass(frozen=True, slots=True)
class BenchmarkTime:
    """A benchmark under a grammar, in both orders: what there is to do, and the seconds it would take."""

    benchmark: str
    grammar: str
    load: Load
    seconds: float


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """bytes: of the file; random_weights: whether they stood in for a model that is not here; tokens_estimated:
    whether the vocabulary was made up too; backend: what llama.cpp can use here.
    """

    model: str
    scheme: str
    bytes: int
    random_weights: bool
    tokens_estimated: bool
    rates: Rates
    estimates: tuple[BenchmarkTime, ...]
    backend: Backend


def speed(
    judge: JudgeOptions = JudgeOptions(),
    weights: RandomWeights = RandomWeights(),
    benchmarks: BenchmarkOptions = BenchmarkOptions(names=()),
    grammars: Sequence[str] = SPEED_GRAMMARS,
    seconds: float = SPEED_SECONDS,
    listener: ProgressListener = ProgressListener(),
    *,
    placement: Placement = Placement(),
) -> MeasuredSpeed:
    """Measure a judge, or random weights of a known model's shape, which are removed again.

    benchmarks: without names, all whose files are here; seconds: how long each of three measurements lasts. What this
    judge cannot be asked is left out with a note. placement: what of the model goes to GPUs.
    """
    _check(judge, weights)
    usable = backend()
    for grammar in grammars:  # before anything large is written
        grammar_files.load(grammar)
    chosen = load_here(benchmarks, listener)
    random = weights.shape is not None
    made_up = random and weights.vocab is None
    with (
        _judge(judge, weights, listener) as measured,
        _opened(measured, judge.threads, made_up, placement) as (model, opened),
    ):
        title = f"{measured.model} {measured.scheme}"
        with listener.task(f"{title} · rates"):
            rates = throughput.measure(model, opened, seconds, done=_Steps(listener, throughput.PARTS).done)
        engine = LocalEngine.of(model)
        with listener.task(f"{title} · benchmarks"):
            steps = _Steps(listener, len(chosen) * len(grammars))
            times = (_time(engine, measured, rates, part, name, listener) for part in chosen for name in grammars)
            estimates = tuple(filter(None, map(steps.after, times)))
        size = measured.bytes
    return MeasuredSpeed(measured.model, measured.scheme, size, random, made_up, rates, estimates, usable)


class _Steps:
    """Reports how many of some steps are done, and the time left if the others take as long."""

    def __init__(self, listener: ProgressListener, total: int) -> None:
        self._listener, self._done, self._total, self._start = listener, 0, total, time.monotonic()

    def done(self) -> None:
        self._done += 1
        done, total, seconds = self._done, self._total, time.monotonic() - self._start
        left = (total - done) * seconds / done if 1 < done < total else None  # the first is much shorter, or longer
        self._listener.progress(Progress(done, total, done, total, seconds, left, "steps"))

    def after(self, result: BenchmarkTime | None) -> BenchmarkTime | None:
        self.done()
        return result


def _check(judge: JudgeOptions, weights: RandomWeights) -> None:
    """Raises UsageError for what does not go together."""
    if judge.adapters:
        raise UsageError("speed measures a model without adapters", "leave --adapter out")
    if weights.shape is None:
        for option, file in (("--vocab", weights.vocab), ("--keep", weights.keep)):
            if file is not None:
                raise UsageError(f"{option} does nothing without --shape", "it is for random weights")
        return
    for option, value in (("--model", judge.model), ("--gguf", judge.gguf)):
        if value is not None:
            raise UsageError(f"--shape and {option} do not go together", "use one of them")
    if judge.scheme is None:
        raise UsageError("--shape needs a scheme", "use for example: --scheme q4_k_m")
    check_target(weights.keep, "--keep names a file")


@contextmanager
def _judge(options: JudgeOptions, weights: RandomWeights, listener: ProgressListener) -> Iterator[Judge]:
    """The judge that is meant; random weights are there only as long as they are needed."""
    if weights.shape is None:
        yield find_judge(options)
        return
    with random_judge(weights.shape, str(options.scheme), weights, listener) as judge:
        yield with_chat_template(judge, options.chat_template)


@contextmanager
def _opened(judge: Judge, threads: int | None, made_up: bool, placement: Placement) -> Iterator[tuple[Model, float]]:
    """The loaded model, and the seconds that it took to load."""
    if judge.gguf is None:
        raise UsageError(f"{judge.model}: no file to measure", "give one with --gguf")
    placed = place(judge.gguf, Limits(placement=placement))
    start = time.monotonic()
    kind = throughput.Rough if made_up else Model
    with kind(judge.gguf, threads=threads, chat=judge.chat, placed=placed) as model:
        yield model, time.monotonic() - start


def _time(
    engine: Engine, judge: Judge, rates: Rates, benchmark: Benchmark, grammar: str, listener: ProgressListener
) -> BenchmarkTime | None:
    """None, and a note, where the benchmark cannot be judged so by this model."""
    protocol = protocol_for(judge, ProtocolOptions(grammar), ties=benchmark.ties)
    try:
        check_references(protocol, benchmark)
        load = workload.load(engine, protocol, benchmark.pairs)
    except (DataError, ModelError) as error:
        listener.note(f"{benchmark.name} under {grammar} left out: {error}")
        return None
    seconds = throughput.seconds(rates, load.tokens, load.prompts, load.each)
    return BenchmarkTime(benchmark.name, grammar, load, seconds)
