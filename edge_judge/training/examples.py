"""A labelled pair in an order as tokens: the prompt exactly as `eval` asks it, then the reply to learn.

Prompts come from `judging.prompting` and the model's own vocabulary and chat format, as in judging: a judge that is
tuned to another template than it is asked with has learned for nothing. The reply's tokens are those that the model's
tokenizer gives after this prompt, and end with the token that ends a turn.
Knows: prompts, replies, lengths. Does not know: networks, batches, losses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edge_judge.engine import LocalEngine, Model
from edge_judge.errors import DataError, ModelError
from edge_judge.inference import EncodedPrompt, Tokens
from edge_judge.judging.prompting import PromptMaker, trained_prompt
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Label, TrainingPair, to_pair_order
from edge_judge.training import replies


@dataclass(frozen=True, slots=True)
class Example:
    """A pair in an order. bare: the tokens of the prompt without its reference answer, None if it shows none; reply:
    the tokens to learn; label: the right verdict on the answers as shown.
    """

    prompt: EncodedPrompt
    bare: Tokens | None
    reply: Tokens
    label: Label

    @property
    def size(self) -> int:
        return self.prompt.size + len(self.reply)


@dataclass(frozen=True, slots=True)
class Examples:
    """All examples of some pairs. too_long: examples left out because prompt and reply do not fit; without_reasons:
    those left out because the grammar asks for reasons and there are none to use; lengthy: those whose reply is longer
    than the grammar lets a judge write.
    """

    examples: tuple[Example, ...]
    too_long: int
    without_reasons: int
    lengthy: int


class ExampleMaker:
    """Makes examples for a model, of which only the vocabulary need be loaded.

    longest: tokens that prompt and reply may have together, None for the model's context. Raises UsageError for a
    protocol that a label gives no reply to, ModelError for a model without the prompt that the protocol asks with.
    """

    def __init__(self, model: Model, protocol: Protocol, longest: int | None = None) -> None:
        replies.check(protocol)
        self._model, self._protocol = model, protocol
        engine = LocalEngine.of(model)
        self._longest = min(longest or engine.context, engine.context)
        trained = trained_prompt(engine) if protocol.grammar.trained_in else None
        room = self._longest - engine.reserve(protocol.request)
        self._maker = PromptMaker(engine, protocol, trained, room)
        self._end = model.loaded.eos
        if not model.ends(self._end):
            raise ModelError(f"{model.path}: its vocabulary names no token that ends a turn")

    def make(self, pairs: Sequence[TrainingPair]) -> Examples:
        """The examples of pairs, both orders of each. Raises DataError where none is left."""
        made: list[Example] = []
        too_long = without_reasons = lengthy = 0
        for question, pair in self._questions(pairs):
            text = replies.reply(self._protocol, pair, question)
            if text is None:
                without_reasons += 1
                continue
            example = self._example(question, pair, text)
            if example.size > self._longest:
                too_long += 1
                continue
            made.append(example)
            lengthy += bool(self._protocol.limit) and len(example.reply) > self._protocol.limit
        if not made:
            why = "have no reasons to learn" if without_reasons else f"are longer than {self._longest} tokens"
            hint = "train with --grammar pairwise" if without_reasons else "shorten answers with --truncate answers"
            raise DataError(f"all {too_long + without_reasons} examples {why}", hint)
        return Examples(tuple(made), too_long, without_reasons, lengthy)

    def _questions(self, pairs: Sequence[TrainingPair]) -> Iterator[tuple[Question, TrainingPair]]:
        return ((Question(pair.pair, order), pair) for pair in pairs for order in self._protocol.orders)

    def _example(self, question: Question, pair: TrainingPair, text: str) -> Example:
        (prompt,) = self._maker.make(0, question)
        bare = None
        if question.pair.reference is not None and self._protocol.grammar.prompt == "reference":
            without = replace(question, pair=replace(question.pair, reference=None))
            bare = self._maker.make(0, without)[0].encoded.tokens
        return Example(prompt.encoded, bare, self._reply(prompt.encoded, text), _shown(question, pair))

    def _reply(self, prompt: EncodedPrompt, text: str) -> Tokens:
        chat = self._model.prompts
        return (*self._model.tokenizer.continuation(chat.end(prompt.text), chat.lead + text), self._end)


def _shown(question: Question, pair: TrainingPair) -> Label:
    return to_pair_order(question.order, pair.label)
