"""Makes the prompts of each question, short enough for the model's context.

Knows: how a protocol makes a prompt of a pair, and how an answer is shortened. Does not know: tokens, how a verdict is
read, the order in which prompts are evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_judge.engine import Engine
from edge_judge.errors import ModelError
from edge_judge.inference import EncodedPrompt
from edge_judge.protocols import prompts as templates
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Pair

LEFT_OUT = "\n[… {} characters left out …]\n"
SHORTEST = 200  # no answer is shortened to fewer characters


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt. question: the index of its question; part: 0, or 1 for the second answer judged by itself.

    texts: the texts of the benchmark in it; truncated: whether an answer was shortened.
    """

    question: int
    part: int
    texts: tuple[str, ...]
    encoded: EncodedPrompt
    truncated: bool


def make_prompts(engine: Engine, protocol: Protocol, questions: Sequence[Question]) -> list[Prompt]:
    """The prompts of all questions, in the order of the questions.

    Raises ModelError, before anything is evaluated, if prompts do not fit the model's context, with their number. With
    `protocol.truncate` it does so only for prompts that do not fit with the shortest answers. Also raises ModelError if
    the model lacks the prompt that should come with it.
    """
    trained = trained_prompt(engine) if protocol.grammar.trained_in else None
    room = engine.context - engine.reserve(protocol.request)
    maker = PromptMaker(engine, protocol, trained, room)
    prompts = [prompt for place, question in enumerate(questions) for prompt in maker.make(place, question)]
    _check_room(prompts, engine, protocol, room)
    return prompts


def trained_prompt(engine: Engine) -> str:
    """The prompt that the model was trained to judge with. Raises ModelError if it has none."""
    text = engine.trained_prompt
    if text is None:
        raise ModelError(
            f"{engine.name}: the file has no trained-in judging prompt",
            "edge-judge quantize adds it for the models that have one; for others use --grammar pairwise",
        )
    return text


def _check_room(prompts: Sequence[Prompt], engine: Engine, protocol: Protocol, room: int) -> None:
    too_long = sum(prompt.encoded.size > room for prompt in prompts)
    if too_long:
        longest = max(prompt.encoded.size for prompt in prompts)
        raise ModelError(
            f"{too_long} of {len(prompts)} prompts do not fit the model's context of {engine.context} tokens "
            f"(longest: {longest}, plus {engine.context - room} for the answer)",
            _remedy(protocol, room),
        )


def _remedy(protocol: Protocol, room: int) -> str:
    if room <= 0 and protocol.limit:
        return f"{protocol.limit} tokens of reasons leave no room for a prompt: allow fewer with --reasoning"
    if protocol.truncate:
        return "shorter answers would not help: leave these pairs out, or use a model with a longer context"
    return "shorten the longer answer of these pairs with --truncate answers, or use a model with a longer context"


class PromptMaker:
    """Makes prompts. A pair that is too long is shortened once, for both orders."""

    def __init__(self, engine: Engine, protocol: Protocol, trained: str | None, room: int) -> None:
        self._engine, self._protocol, self._trained, self._room = engine, protocol, trained, room
        self._fitted: dict[Pair, Pair] = {}

    def make(self, place: int, question: Question) -> list[Prompt]:
        """The prompts of the question at this place."""
        pair = self._fitting(question.pair) if self._protocol.truncate else question.pair
        texts = (pair.question, *pair.shown(question.order))
        encoded = self._encoded(replace(question, pair=pair))
        return [Prompt(place, part, texts, prompt, pair is not question.pair) for part, prompt in enumerate(encoded)]

    def _encoded(self, question: Question) -> list[EncodedPrompt]:
        return [self._engine.encode(content) for content in prompt_texts(self._protocol, question, self._trained)]

    def _fitting(self, pair: Pair) -> Pair:
        """The pair itself, or a shorter one if any order of it does not fit."""
        if pair not in self._fitted:
            self._fitted[pair] = pair if self._fits(pair) else self._shorten(pair)
        return self._fitted[pair]

    def _shorten(self, pair: Pair) -> Pair:
        """The pair with answers of at most as many characters as fit in every order.

        So the longer answer is shortened first, down to the length of the other.
        """
        low, high = SHORTEST, max(len(pair.a), len(pair.b))
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._fits(_truncated(pair, middle)) else (low, middle - 1)
        return _truncated(pair, low)

    def _fits(self, pair: Pair) -> bool:
        prompts = (prompt for order in self._protocol.orders for prompt in self._encoded(Question(pair, order)))
        return max(prompt.size for prompt in prompts) <= self._room


def prompt_texts(protocol: Protocol, question: Question, trained: str | None = None) -> list[str]:
    """The texts of a question's prompts. trained: the prompt that comes with the model."""
    pair = question.pair
    first, second = pair.shown(question.order)
    if trained is not None:
        return [templates.fill_trained(trained, protocol.grammar.fields, pair.question, first, second)]
    shown = [(first,), (second,)] if protocol.one_by_one else [(first, second)]
    return [
        templates.fill(
            protocol.grammar.prompt,
            pair.question,
            *answers,
            ties=protocol.ties,
            reference=pair.reference,
            criteria=protocol.criteria,
        )
        for answers in shown
    ]


def _truncated(pair: Pair, characters: int) -> Pair:
    return replace(pair, a=_without_middle(pair.a, characters), b=_without_middle(pair.b, characters))


def _without_middle(text: str, characters: int) -> str:
    """The beginning and the end of a text, together this many characters, with a note of how many are missing. The
    whole text if it is hardly longer than that.
    """
    if len(text) <= characters + len(LEFT_OUT):
        return text
    tail = characters // 2
    return text[: characters - tail] + LEFT_OUT.format(len(text) - characters) + text[len(text) - tail :]
