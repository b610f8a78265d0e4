"""The importance of a model's columns, measured on what a judge reads: a file for `quantize --imatrix`.

Prompts are made of a benchmark's pairs in both orders as `evaluate` makes them, or a text is cut into chunks. Pairs are
noted in the file, so that a judge made with it is not evaluated on them. The same call goes on where it was stopped.
Knows: judges, prompts, what is noted of a measurement. Does not know: how sums are taken, the file's format.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_judge import worktime
from edge_judge.benchmarks.fingerprint import fingerprint
from edge_judge.engine import LocalEngine, Model
from edge_judge.engine.importance import ImportanceMeter
from edge_judge.errors import DataError, UsageError, naming
from edge_judge.inference import Tokens
from edge_judge.judging.prompting import make_prompts
from edge_judge.protocols.protocol import Question
from edge_judge.quantities import counted, megabytes
from edge_judge.records import ORDERS, Judge, Limits, Progress, ProgressListener
from edge_judge.version import __version__
from edge_judge.workflows.data import load_benchmarks
from edge_judge.workflows.imatrix_state import ImatrixState
from edge_judge.workflows.judges import find_judge
from edge_judge.workflows.model_files import models_folder
from edge_judge.workflows.options import (
    POCKET,
    BenchmarkOptions,
    ImatrixSettings,
    JudgeOptions,
    ProtocolOptions,
)
from edge_judge.workflows.protocol import check_references, protocol_for
from edge_judge.workflows.target import check_target
from edge_judge.worktime import Pace
from quantize import imatrix_file, pairs_seen
from quantize.architectures.blueprint import Field
from quantize.imatrix_file import ColumnSums, Origin

PAIRS = 100  # of each benchmark, unless told otherwise
SAVED = 2.0  # seconds of work, at least, between two saves of the state


@dataclass(frozen=True, slots=True)
class MadeImatrix:
    """A file that was written. model, scheme: what was measured; tensors: how many have importances; chunks, tokens:
    that were read; datasets: their names; pairs: how many are noted as seen.
    """

    path: Path
    model: str
    scheme: str
    tensors: int
    chunks: int
    tokens: int
    datasets: tuple[str, ...]
    pairs: int


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read. chunks: its tokens, each evaluated from an empty cache; source: of the texts: a grammar, or text;
    pairs: the fingerprints of those in it.
    """

    datasets: tuple[str, ...]
    source: str
    unit: str
    chunks: tuple[Tokens, ...]
    pairs: frozenset[str] = frozenset()

    @property
    def tokens(self) -> int:
        return sum(map(len, self.chunks))

    @property
    def digest(self) -> str:
        """The sha256 of all tokens and of where each chunk ends."""
        whole = hashlib.sha256()
        for chunk in self.chunks:
            whole.update(len(chunk).to_bytes(8, "little") + np.array(chunk, "<i4").tobytes())
        return whole.hexdigest()


def imatrix(
    judge: JudgeOptions = JudgeOptions(),
    benchmarks: BenchmarkOptions = BenchmarkOptions(names=()),
    protocol: ProtocolOptions = ProtocolOptions(),
    settings: ImatrixSettings = ImatrixSettings(),
    listener: ProgressListener = ProgressListener(),
    limits: Limits = Limits(),
) -> MadeImatrix:
    """Measure how much each column of a model's matrices matters, and write it in llama.cpp's GGUF format.

    benchmarks: whose pairs make the prompts, without names the embedded one; a text in the settings is read instead.
    Raises UsageError for options that do not go together, DataError where there is too little to read, RunError where
    an interrupted call measured something else into the same file.
    """
    _check(judge, benchmarks, protocol, settings)
    chosen = find_judge(judge)
    out = settings.out or _default_out(chosen, settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    with closing(_engine(chosen, judge, limits)) as engine:
        if settings.text is not None:
            reading = _read_text(engine.model, settings.text, settings)
        else:
            reading = _read_pairs(engine, chosen, benchmarks, protocol, settings, listener)
        state = ImatrixState(out, _identity(engine, chosen, reading, settings, limits))
        sums = _measured(engine.model, chosen, reading, state, settings, limits, listener)
    if not sums:
        raise DataError("nothing was measured: no text has 16 tokens", "use longer texts with --text or --benchmark")
    if partial := sum(1 for of_tensor in sums.values() if not of_tensor.counts.all()):
        some = f"{counted(partial, 'tensor')} with experts that no text reached"
        listener.note(f"{some}; their columns are weighted equally")
    imatrix_file.write(out, sums, _origin(chosen, reading))
    state.remove()
    names, count = reading.datasets, len(reading.chunks)
    return MadeImatrix(out, chosen.model, chosen.scheme, len(sums), count, reading.tokens, names, len(reading.pairs))


def _check(
    judge: JudgeOptions, benchmarks: BenchmarkOptions, protocol: ProtocolOptions, settings: ImatrixSettings
) -> None:
    """Raises UsageError for what does not go together."""
    if judge.engine is not None:
        raise UsageError("an endpoint does not show its activations", "use a model or a GGUF file")
    if judge.model is not None and judge.gguf is not None:
        raise UsageError("a model and --gguf do not go together", "use one of them")
    if settings.text is not None and (benchmarks.names or protocol != ProtocolOptions()):
        raise UsageError(
            "--text does not go with --benchmark, --grammar or --rubric", "leave them out: the text is used as it is"
        )
    check_target(settings.out, "--out takes the name of a file")


def _default_out(judge: Judge, settings: ImatrixSettings) -> Path:
    what = "judge" if settings.text is None else "text"
    return models_folder() / judge.model / f"{judge.model}-{what}.imatrix.gguf"


def _engine(judge: Judge, options: JudgeOptions, limits: Limits) -> LocalEngine:
    if judge.gguf is None:
        raise UsageError(f"{judge.model}: no file to measure", "give one with --gguf")
    return LocalEngine(judge.gguf, chat=judge.chat, threads=options.threads, limits=limits)


# ---- what is read -----------------------------------------------------------------------------------------


def _read_pairs(
    engine: LocalEngine,
    judge: Judge,
    options: BenchmarkOptions,
    protocol: ProtocolOptions,
    settings: ImatrixSettings,
    listener: ProgressListener,
) -> _Reading:
    """Judge prompts of a sample of each benchmark, in both orders, as `evaluate` would have them evaluated."""
    from edge_judge.analysis.subset import subset  # with scipy, which takes a while to load and no text needs

    meant = options if options.names else BenchmarkOptions((POCKET,), options.data)
    chunks: list[Tokens] = []
    names, grammar, pairs = [], "", set[str]()
    for benchmark in load_benchmarks(meant, listener):
        part = subset(benchmark, settings.limit or PAIRS)
        applied = protocol_for(judge, protocol, ties=benchmark.ties)
        check_references(applied, part)
        questions = [Question(pair, order) for pair in part.pairs for order in ORDERS]
        chunks += [prompt.encoded.tokens for prompt in make_prompts(engine, applied, questions)]
        names.append(benchmark.name)
        grammar = applied.grammar.name
        pairs.update(map(fingerprint, part.pairs))
    if not chunks:
        raise DataError("no pairs to read", "choose one of `edge-judge data list` with --benchmark")
    return _Reading(tuple(names), grammar, "prompts", tuple(chunks), frozenset(pairs))


def _read_text(model: Model, path: Path, settings: ImatrixSettings) -> _Reading:
    """A text in chunks of equal length, cut as llama-imatrix does: what is left at the end is not read, and each chunk
    begins with the model's first token where it has one.
    """
    try:
        with naming(path):
            text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8, at byte {error.start}", "expected plain text in UTF-8") from error
    size = settings.chunk
    if size > model.trained_context:
        raise UsageError(
            f"--chunk {size}: the model's context has {model.trained_context} tokens", "use shorter chunks"
        )
    begin = (model.loaded.bos,) if model.loaded.adds_bos else ()
    tokens = begin + model.tokens(text, control=False)
    count = min(len(tokens) // size, settings.limit or len(tokens))
    if not count:
        there = counted(len(tokens), "token")
        raise DataError(f"{path}: {there}, a chunk has {size}", "use a longer text, or a smaller --chunk")
    starts = range(0, count * size, size)
    chunks = tuple(begin + tokens[start + len(begin) : start + size] for start in starts)
    return _Reading((path.name,), "text", "chunks", chunks)


# ---- measuring --------------------------------------------------------------------------------------------


def _measured(
    model: Model,
    judge: Judge,
    reading: _Reading,
    state: ImatrixState,
    settings: ImatrixSettings,
    limits: Limits,
    listener: ProgressListener,
) -> dict[str, ColumnSums]:
    """The sums over all chunks. What an earlier call has reached is not measured again."""
    if settings.fresh:
        state.remove()
    done, reached = state.load()
    longest = max(map(len, reading.chunks))
    title = f"{judge.model} {judge.scheme} · importance"
    with closing(ImportanceMeter(model, longest, output=settings.process_output, limits=limits)) as meter:
        meter.sums = reached
        size = f"{len(reading.chunks):,} {reading.unit}, {counted(reading.tokens, 'token')} to evaluate"
        listener.note(f"{title}: {size}, about {megabytes(meter.memory)} of memory")
        if done:
            listener.note(f"resuming after {done:,} of them")
        with listener.task(title):
            _go_on(meter, reading, done, state, listener)
        return {name: ColumnSums(of_tensor.squares, of_tensor.counts) for name, of_tensor in meter.sums.items()}


def _go_on(
    meter: ImportanceMeter, reading: _Reading, done: int, state: ImatrixState, listener: ProgressListener
) -> None:
    """Measure the chunks after the first `done`. An interrupt leaves the state of all that was measured."""
    saved = done
    clock = worktime.clock()
    begun = last = clock.seconds()
    pace = Pace(begun)
    sizes, before = [len(chunk) for chunk in reading.chunks], sum(map(len, reading.chunks[:done]))
    read = before
    try:
        for chunk in reading.chunks[done:]:
            meter.add(chunk)
            done, read, now = done + 1, read + len(chunk), clock.seconds()
            left = pace.left(now, (read - before) / (reading.tokens - before))
            counts = (done, len(sizes), read, reading.tokens)
            listener.progress(Progress(*counts, now - begun, left, reading.unit))
            if now - last >= SAVED:
                state.save(done, meter.sums)
                saved, last = done, clock.seconds()
    finally:
        if saved < done < len(sizes):
            state.save(done, meter.sums)


# ---- what is noted ----------------------------------------------------------------------------------------


def _identity(
    engine: LocalEngine, judge: Judge, reading: _Reading, settings: ImatrixSettings, limits: Limits
) -> dict[str, object]:
    """What decides the sums: an interrupted measurement is gone on with where all of it is the same."""
    return {
        "gguf_sha256": judge.sha256,
        "texts_sha256": reading.digest,
        "process_output": settings.process_output,
        "cache": limits.cache,
        **engine.versions,
    }


def _origin(judge: Judge, reading: _Reading) -> Origin:
    """chunk_size: the mean, where chunks differ in length."""
    fields = (
        Field("edge_judge.tool", "string", f"edge-judge {__version__}"),
        Field("edge_judge.imatrix.model_sha256", "string", judge.sha256 or ""),
        Field("edge_judge.imatrix.source", "string", reading.source),
        Field("edge_judge.imatrix.tokens", "uint64", reading.tokens),
        *pairs_seen.fields(reading.pairs),
    )
    return Origin(reading.datasets, len(reading.chunks), round(reading.tokens / len(reading.chunks)), fields)
