"""Judging by llama.cpp on this machine: the engine behind a GGUF file.

Prompts are evaluated in blocks that come out the same whatever ran before them, so that an interrupted run ends bit for
bit as one that was never interrupted.
Knows: models, plans, evaluators. Does not know: pairs, verdicts, what a continuation stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Self

from edge_judge.engine import llama, plan
from edge_judge.engine.candidates import Candidates, candidates, read_logits
from edge_judge.engine.fitting import evaluator_for_reading, evaluator_for_writing
from edge_judge.engine.free_form import FreeFormWriter
from edge_judge.engine.interface import Copied, Wanted
from edge_judge.engine.model import Model
from edge_judge.engine.plan import Plan, Query
from edge_judge.engine.reasoning import ReasoningWriter, reasoning_setup
from edge_judge.errors import ModelError
from edge_judge.inference import (
    Distribution,
    EncodedPrompt,
    Footprint,
    GuidedWriting,
    Outcome,
    Reading,
    Tokens,
    Writing,
    Written,
)
from edge_judge.records import Batching, Judge, Limits

BLOCK = 16_384  # tokens, or more, after which the cache is emptied: where an interrupted run is taken up
PROMPT = "edge_judge.prompt"  # where a GGUF keeps the prompt its model was trained to judge with
SPARE = 32  # tokens for what a rule forces, beside those that are written; more where it needs more

Started = Callable[[Footprint, Batching], None]
Evaluated = Callable[[int], None]
LocalWriter = FreeFormWriter | ReasoningWriter[Any]


class LocalEngine:
    """A GGUF file and the model in it, which is loaded when it is first needed and then stays loaded.

    chat: the chat template to use instead of the file's own. limits: what the work may take.
    """

    def __init__(
        self, gguf: Path, *, chat: str | None = None, threads: int | None = None, limits: Limits = Limits()
    ) -> None:
        self._gguf, self._chat, self._threads, self._limits = gguf, chat, threads, limits
        self._model: Model | None = None

    @classmethod
    def of(cls, model: Model, limits: Limits = Limits()) -> Self:
        """The engine of a model that is loaded already."""
        engine = cls(model.path, limits=limits)
        engine._model = model
        return engine

    @property
    def model(self) -> Model:
        """The loaded model. Raises ModelError if llama.cpp cannot load it, MemoryLimitError if it is too large."""
        if self._model is None:
            self._model = Model(self._gguf, threads=self._threads, chat=self._chat, allowed=self._limits.memory)
        return self._model

    def close(self) -> None:
        if self._model is not None:
            self._model.close()
            self._model = None

    @property
    def versions(self) -> Mapping[str, str]:
        return {"llama_cpp": llama.version()}

    @property
    def name(self) -> str:
        return str(self._gguf)

    @property
    def context(self) -> int:
        return self.model.trained_context

    @property
    def trained_prompt(self) -> str | None:
        if self._model is not None:
            return self._model.metadata(PROMPT)
        with Model(self._gguf, vocab_only=True) as vocabulary:
            return vocabulary.metadata(PROMPT)

    def encode(self, content: str) -> EncodedPrompt:
        tokens = self.model.prompt(content)
        return EncodedPrompt(content, len(tokens), tokens)

    def reserve(self, request: Reading[Any] | Writing) -> int:
        match request:
            case GuidedWriting():
                return request.limit + _forced_tokens(self.model, request)
            case Writing():
                return request.limit + SPARE
            case _:
                return SPARE

    def probabilities(
        self,
        prompts: Sequence[EncodedPrompt],
        reading: Reading[Outcome],
        wanted: Wanted = lambda _: True,
        batching: Batching = Batching(),
    ) -> LocalReading[Outcome]:
        texts = candidates([
            (self.model.tokens(text, control=False), outcome) for text, outcome in reading.continuations.items()
        ])
        each = len(texts.continuations)
        plans = plan.blocks([query for prompt in prompts for query in texts.queries(prompt.tokens)], BLOCK)
        todo = _blocks_with(plans, lambda query: wanted(query // each))
        return LocalReading(self.model, todo, batching, self._limits, texts)

    def write(
        self,
        prompts: Sequence[EncodedPrompt],
        writing: Writing,
        copied: Copied = lambda *_: False,
        wanted: Wanted = lambda _: True,
        batching: Batching = Batching(),
    ) -> LocalWriting:
        model = self.model
        opening = model.tokens(writing.opening, control=False) if isinstance(writing, GuidedWriting) else ()
        texts = [prompt.tokens + opening for prompt in prompts]
        plans = plan.blocks([Query(tokens, (len(tokens) - 1,)) for tokens in texts], BLOCK)
        writer = partial(_writer_maker, model, writing, copied)
        return LocalWriting(
            model, _blocks_with(plans, wanted), batching, self._limits, writer, self.reserve(writing)
        )


def engine_for(judge: Judge, *, threads: int | None = None, limits: Limits = Limits()) -> LocalEngine:
    """The engine that runs a judge's file. Raises ModelError for a judge that has none."""
    if judge.gguf is None:
        raise ModelError(f"{judge.model}: this judge has no GGUF file on this machine", "give its engine with it")
    return LocalEngine(judge.gguf, chat=judge.chat, threads=threads, limits=limits)


def _forced_tokens(model: Model, writing: GuidedWriting[Outcome]) -> int:
    """Tokens that may stand after a prompt beside the reasons: what the rule forces."""
    forced = [writing.opening, writing.bridge, max(writing.endings, key=lambda text: len(text.encode()))]
    return max(SPARE, sum(len(model.tokens_mid_text(text)) for text in forced) + SPARE // 2)


def _writer_maker(model: Model, writing: Writing, copied: Copied) -> Callable[[int], LocalWriter]:
    """Makes the writer of the prompt at an index."""
    if not isinstance(writing, GuidedWriting):
        return lambda _: FreeFormWriter(model, writing.limit)
    setup = reasoning_setup(model, writing)
    return lambda index: ReasoningWriter(setup, partial(copied, index))


def _blocks_with(plans: Sequence[Plan], wanted: Callable[[int], bool]) -> list[Plan]:
    """The blocks with a wanted query. Whole blocks, so that their outcome never depends on a restart."""
    return [part for part in plans if any(map(wanted, part.queries))]


@dataclass(frozen=True, slots=True)
class _LocalWork:
    """Blocks to evaluate, and how."""

    model: Model
    plans: Sequence[Plan]
    batching: Batching
    limits: Limits

    @property
    def prompts(self) -> int:
        return sum(len(part.sequences) for part in self.plans)

    @property
    def tokens(self) -> int:
        return sum(part.tokens for part in self.plans)

    @property
    def tokens_alone(self) -> int:
        return sum(part.tokens_alone for part in self.plans)


@dataclass(frozen=True, slots=True)
class LocalReading(_LocalWork, Generic[Outcome]):
    """Probabilities to read."""

    texts: Candidates[Outcome]

    def answers(
        self, started: Started, evaluated: Evaluated
    ) -> Generator[tuple[int, Distribution[Outcome]], None, None]:
        texts, each = self.texts, len(self.texts.continuations)
        partly: dict[int, dict[tuple[Tokens, int], float]] = {}  # a prompt's continuations can lie in two blocks
        with evaluator_for_reading(self.model, self.plans, texts.reads, self.batching, self.limits) as evaluator:
            started(evaluator.footprint, evaluator.batching)
            for part in self.plans:
                for query, read, logits in evaluator.read(part, evaluated):
                    index, continuation = divmod(query, each)
                    log_p = partly.setdefault(index, {})
                    log_p |= read_logits(texts, continuation, read, logits)
                    if len(log_p) == texts.size:
                        yield index, texts.probabilities(partly.pop(index))


@dataclass(frozen=True, slots=True)
class LocalWriting(_LocalWork):
    """Texts to write. writers: makes what makes each prompt's writer; reserve: tokens that each may take."""

    writers: Callable[[], Callable[[int], LocalWriter]]
    reserve: int

    def answers(self, started: Started, evaluated: Evaluated) -> Generator[tuple[int, Written[Any]], None, None]:
        writer = self.writers()
        with evaluator_for_writing(self.model, self.plans, self.reserve, self.batching, self.limits) as evaluator:
            started(evaluator.footprint, evaluator.batching)
            for part in self.plans:
                for index, ended in evaluator.write(part, writer, self.reserve, evaluated):
                    yield index, ended.result
