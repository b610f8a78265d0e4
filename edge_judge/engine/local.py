"""An engine that runs a GGUF file with llama.cpp on this machine.

Prompts are evaluated in blocks, and no block depends on an earlier one. So a run that was interrupted and resumed gives
the same bits as one that was not.
Knows: models, plans, evaluators. Does not know: pairs, verdicts, what a continuation means.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Generic, Self

from edge_judge.engine import llama, plan
from edge_judge.engine.candidates import Candidates, read_logits
from edge_judge.engine.fitting import evaluator_for_reading, evaluator_for_writing
from edge_judge.engine.free_form import FreeFormWriter
from edge_judge.engine.interface import Copied, Evaluated, Started, Wanted
from edge_judge.engine.model import Model
from edge_judge.engine.placing import Placed, backend, place
from edge_judge.engine.plan import Plan, Query
from edge_judge.engine.processors import give_way
from edge_judge.engine.reasoning import ReasoningWriter, reasoning_setup
from edge_judge.engine.spelling import candidates_after
from edge_judge.errors import ModelError
from edge_judge.inference import (
    Distribution,
    EncodedPrompt,
    GuidedWriting,
    Outcome,
    Reading,
    TextHandling,
    Tokens,
    Writing,
    Written,
)
from edge_judge.records import Adapter, Batching, Judge, Limits

BLOCK = 16_384  # least tokens of a block; an interrupted run resumes at the start of a block
PROMPT_KEY = "edge_judge.prompt"  # the metadata key of the prompt that the model was trained to judge with
TOKENIZATION = "2"  # another number whenever the same message becomes other tokens; 1 until 0.1.0, without a name
SPARE = 32  # tokens reserved for what a rule forces, at least

LocalWriter = FreeFormWriter | ReasoningWriter[Any]


class LocalEngine:
    """A GGUF file and its model, which is loaded when first needed and then stays loaded.

    chat: a chat template to use instead of the file's own. limits: the memory that the work may take. adapter: what is
    added to the file's weights.
    """

    def __init__(
        self,
        gguf: Path,
        *,
        chat: str | None = None,
        threads: int | None = None,
        limits: Limits = Limits(),
        adapter: Adapter | None = None,
    ) -> None:
        self._gguf, self._chat, self._threads, self._limits = gguf, chat, threads, limits
        self._adapter = adapter
        self._base: LocalEngine | None = None  # the engine that has loaded the file, if it is another one
        self._model: Model | None = None

    def with_adapter(self, adapter: Adapter | None) -> LocalEngine:
        """An engine for the same file with this adapter, or with none. Both share the model that this engine loads, and
        this one is closed last.
        """
        engine = LocalEngine(self._gguf, chat=self._chat, threads=self._threads, limits=self._limits, adapter=adapter)
        engine._base = self
        return engine

    @classmethod
    def of(cls, model: Model, limits: Limits = Limits()) -> Self:
        """An engine for a model that is already loaded."""
        engine = cls(model.path, limits=limits)
        engine._model = model
        return engine

    @property
    def model(self) -> Model:
        """The loaded model. Raises ModelError if llama.cpp cannot load it, MemoryLimitError if it is too large."""
        if self._model is None:
            self._model = self._base.model if self._base is not None else self._load()
            if self._adapter is not None:
                self._model = self._adapted(self._model, self._adapter)
        return self._model

    def _adapted(self, model: Model, adapter: Adapter) -> Model:
        try:
            return model.adapted(adapter)
        except ModelError:
            self.close()
            raise

    def _load(self) -> Model:
        limits = self._limits
        if limits.polite:
            give_way()
        return Model(
            self._gguf,
            threads=self._threads,
            chat=self._chat,
            allowed=limits.memory,
            polite=limits.polite,
            placed=self._placed,
        )

    @cached_property
    def _placed(self) -> Placed | None:
        """What of the model goes to devices."""
        return place(self._gguf, self._limits) if self._model is None else self._model.placed

    def close(self) -> None:
        if self._model is not None and self._base is None:
            self._model.close()
        self._model = None

    @property
    def versions(self) -> Mapping[str, str]:
        """With the kind of device that evaluates a part: it rounds in its own way. How large a part does not count."""
        kind = backend(self._limits.placement)
        return {"llama_cpp": llama.version(), "tokenization": TOKENIZATION} | ({"backend": kind} if kind else {})

    @property
    def name(self) -> str:
        return str(self._gguf) if self._adapter is None else f"{self._gguf} with {self._adapter.path}"

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def context(self) -> int:
        return self.model.trained_context

    @property
    def trained_prompt(self) -> str | None:
        if self._model is not None:
            return self._model.metadata(PROMPT_KEY)
        with Model(self._gguf, vocab_only=True) as vocabulary:
            return vocabulary.metadata(PROMPT_KEY)

    def encode(self, content: str) -> EncodedPrompt:
        tokens = self.model.prompt(content)
        if not tokens:
            raise ModelError(f"{self.name}: its vocabulary makes no tokens of a prompt", "take another conversion")
        return EncodedPrompt(content, len(tokens), tokens)

    def text_handling(self, texts: Iterable[str]) -> TextHandling:
        model = self.model
        doubts = list(model.faults())
        if changed := sum(map(model.normalizer.may_differ, texts)):
            doubts.append(f"its Unicode normalization is not recorded, which may affect {changed} of these texts")
        return TextHandling(model.normalizer.name, tuple(doubts))

    def reserve(self, request: Reading[Any] | Writing) -> int:
        match request:
            case GuidedWriting():
                return request.limit + _forced_tokens(self.model, request)
            case Writing():
                return request.limit + SPARE
            case _:
                return SPARE

    def probabilities(
        self, prompts: Sequence[EncodedPrompt], reading: Reading[Outcome], wanted: Wanted, batching: Batching
    ) -> LocalReading[Outcome]:
        tokenizer, chat = self.model.tokenizer, self.model.prompts

        @cache
        def after(end: str) -> Candidates[Outcome]:
            return candidates_after(tokenizer, end, chat.lead, reading.continuations)

        texts = [after(chat.end(prompt.text)) for prompt in prompts]
        places = [(index, place) for index, one in enumerate(texts) for place in range(len(one.continuations))]
        queries = [query for prompt, one in zip(prompts, texts, strict=True) for query in one.queries(prompt.tokens)]
        blocks = _blocks_with(self._blocks(queries), lambda query: wanted(places[query][0]))
        included = {places[query][0] for block in blocks for query in block.queries}
        distinct = len({prompts[index].tokens for index in included})
        alone = sum(prompts[index].size + texts[index].reads - 1 for index in included)
        by_index, by_query = dict(enumerate(texts)), dict(enumerate(places))
        return LocalReading(self.model, blocks, batching, self._limits, by_index, by_query, distinct, alone)

    def write(
        self, prompts: Sequence[EncodedPrompt], writing: Writing, copied: Copied, wanted: Wanted, batching: Batching
    ) -> LocalWriting:
        model = self.model
        opening = writing.opening if isinstance(writing, GuidedWriting) else ""
        plans = self._blocks([Query(prompt.tokens, _opened(model, prompt.text, opening)) for prompt in prompts])
        writer = partial(writer_maker, model, writing, copied)
        return LocalWriting(model, _blocks_with(plans, wanted), batching, self._limits, writer, self.reserve(writing))

    def _blocks(self, queries: Sequence[Query]) -> list[Plan]:
        return plan.blocks(queries, BLOCK)


def engine_for(judge: Judge, *, threads: int | None = None, limits: Limits = Limits()) -> LocalEngine:
    """The engine for a judge's file. Raises ModelError for a judge that has none."""
    if judge.gguf is None:
        raise ModelError(f"{judge.model}: no GGUF file of this judge on this machine", "pass an engine for it")
    return LocalEngine(judge.gguf, chat=judge.chat, threads=threads, limits=limits, adapter=judge.adapter)


def _opened(model: Model, content: str, opening: str) -> Tokens:
    """The tokens of an opening after a prompt, with the white space that the chat format puts before an answer."""
    chat = model.prompts
    return model.tokenizer.continuation(chat.end(content), chat.lead + opening) if opening else ()


def _forced_tokens(model: Model, writing: GuidedWriting[Outcome]) -> int:
    """The most tokens that a rule forces after a prompt, in addition to the reasons."""
    forced = [writing.opening, writing.bridge, max(writing.endings, key=lambda text: len(text.encode()))]
    return max(SPARE, sum(len(model.tokenizer.inside(text)) for text in forced) + SPARE // 2)


def writer_maker(model: Model, writing: Writing, copied: Copied) -> Callable[[int], LocalWriter]:
    """A function that makes the writer for the prompt at an index."""
    if not isinstance(writing, GuidedWriting):
        return lambda _: FreeFormWriter(model, writing.limit)
    setup = reasoning_setup(model, writing)
    return lambda index: ReasoningWriter(setup, partial(copied, index))


def _blocks_with(plans: Sequence[Plan], wanted: Callable[[int], bool]) -> list[Plan]:
    """The blocks with a wanted query. They stay whole, so that no outcome depends on where a run was interrupted."""
    return [block for block in plans if any(map(wanted, block.queries))]


@dataclass(frozen=True, slots=True)
class _LocalWork:
    """Blocks to evaluate, and how."""

    model: Model
    plans: Sequence[Plan]
    batching: Batching
    limits: Limits

    @property
    def tokens(self) -> int:
        return sum(block.tokens for block in self.plans)


@dataclass(frozen=True, slots=True)
class LocalReading(_LocalWork, Generic[Outcome]):
    """The work of reading probabilities. texts: the candidates of each prompt; places: the prompt and the continuation
    of each query; prompts, tokens_alone: as in `Work`.
    """

    texts: Mapping[int, Candidates[Outcome]]
    places: Mapping[int, tuple[int, int]]
    prompts: int
    tokens_alone: int

    def answers(
        self, started: Started, evaluated: Evaluated
    ) -> Generator[tuple[int, Distribution[Outcome]], None, None]:
        partial_reads: dict[int, dict[tuple[Tokens, int], float]] = {}  # a prompt's continuations can be in two blocks
        reads = max((texts.reads for texts in self.texts.values()), default=1)
        with evaluator_for_reading(self.model, self.plans, reads, self.batching, self.limits) as evaluator:
            started(evaluator.footprint, evaluator.batching)
            for block in self.plans:
                for query, read, logits in evaluator.read(block, evaluated):
                    index, continuation = self.places[query]
                    texts, log_p = self.texts[index], partial_reads.setdefault(index, {})
                    log_p |= read_logits(texts, continuation, read, logits)
                    if len(log_p) == texts.size:
                        yield index, texts.probabilities(partial_reads.pop(index))


@dataclass(frozen=True, slots=True)
class LocalWriting(_LocalWork):
    """The work of writing. set_up: prepares the rule and returns what makes each prompt's writer; reserve: tokens that
    each answer may take.
    """

    set_up: Callable[[], Callable[[int], LocalWriter]]
    reserve: int

    @property
    def prompts(self) -> int:
        return sum(len(block.distinct) for block in self.plans)

    @property
    def tokens_alone(self) -> int:
        return sum(block.tokens_alone for block in self.plans)

    def answers(self, started: Started, evaluated: Evaluated) -> Generator[tuple[int, Written[Any]], None, None]:
        writer = self.set_up()
        with evaluator_for_writing(self.model, self.plans, self.reserve, self.batching, self.limits) as evaluator:
            started(evaluator.footprint, evaluator.batching)
            for block in self.plans:
                for index, ended in evaluator.write(block, writer, self.reserve, evaluated):
                    yield index, ended.result
