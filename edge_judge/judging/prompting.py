"""What a judge is asked: each question as the prompts it takes, short enough for the model's context.

Knows: how a prompt is made of a pair under a protocol, and how an answer is shortened. Does not know: tokens, how a
verdict is read, in which order prompts are evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_judge.engine import Engine
from edge_judge.errors import ModelError
from edge_judge.inference import EncodedPrompt
from edge_judge.protocols import prompts
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Pair

LEFT_OUT = "\n[… {} characters left out …]\n"
SHORTEST = 200  # characters that are kept of an answer whatever happens


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt. question: its place among the questions; part: 0, or 1 for the second answer looked at by itself.

    texts: what of it comes from the benchmark; truncated: whether an answer was shortened.
    """

    question: int
    part: int
    texts: tuple[str, ...]
    encoded: EncodedPrompt
    truncated: bool


def make_prompts(engine: Engine, protocol: Protocol, questions: Sequence[Question]) -> list[Prompt]:
    """The prompts of all questions, those of one question side by side.

    Raises ModelError where prompts do not fit the model's context, with their count, before anything is evaluated;
    with `protocol.truncate` only those that do not fit however short their answers are. And where the prompt should
    have come with the model and did not.
    """
    trained = trained_prompt(engine) if protocol.grammar.trained_in else None
    room = engine.context - engine.reserve(protocol.request)
    maker = PromptMaker(engine, protocol, trained, room)
    made = [prompt for place, question in enumerate(questions) for prompt in maker.make(place, question)]
    _check_room(made, engine, protocol, room)
    return made


def trained_prompt(engine: Engine) -> str:
    """The prompt that the model was trained to judge with. Raises ModelError if none came with it."""
    text = engine.trained_prompt
    if text is None:
        raise ModelError(
            f"{engine.name}: no prompt that this model was trained to judge with came with it",
            "edge-judge quantize brings it for the models in models.lock that have one; else use --grammar pairwise",
        )
    return text


def _check_room(made: Sequence[Prompt], engine: Engine, protocol: Protocol, room: int) -> None:
    too_long = sum(prompt.encoded.size > room for prompt in made)
    if too_long:
        longest = max(prompt.encoded.size for prompt in made)
        raise ModelError(
            f"{too_long} of {len(made)} prompts do not fit the model's context of {engine.context} tokens "
            f"(longest: {longest}, beside {engine.context - room} for the answer)",
            _remedy(protocol, room),
        )


def _remedy(protocol: Protocol, room: int) -> str:
    if room <= 0 and protocol.limit:
        return f"{protocol.limit} tokens of reasons leave no room for a prompt: say fewer with --reasoning"
    if protocol.truncate:
        return "however short the answers are: leave these pairs out, or use a model with a longer context"
    return "--truncate answers shortens the longer answer of these pairs, or use a model with a longer context"


class PromptMaker:
    """Makes prompts, shortening each pair that is too long only once for both orders."""

    def __init__(self, engine: Engine, protocol: Protocol, trained: str | None, room: int) -> None:
        self._engine, self._protocol, self._trained, self._room = engine, protocol, trained, room
        self._fitted: dict[Pair, Pair] = {}

    def make(self, place: int, question: Question) -> list[Prompt]:
        """The prompts of a question, which stands at this place."""
        pair = self._fitting(question.pair) if self._protocol.truncate else question.pair
        texts = (pair.question, *pair.shown(question.order))
        encoded = self._encoded(replace(question, pair=pair))
        return [Prompt(place, part, texts, prompt, pair is not question.pair) for part, prompt in enumerate(encoded)]

    def _encoded(self, question: Question) -> list[EncodedPrompt]:
        return [self._engine.encode(content) for content in prompt_texts(self._protocol, question, self._trained)]

    def _fitting(self, pair: Pair) -> Pair:
        """The pair itself, or a shorter one where any order of it does not fit."""
        if pair not in self._fitted:
            self._fitted[pair] = pair if self._fits(pair) else self._shorten(pair)
        return self._fitted[pair]

    def _shorten(self, pair: Pair) -> Pair:
        """The pair with no answer longer than so many characters, the most with which every order fits.

        So the longer answer is shortened first, down to the length of the other.
        """
        low, high = SHORTEST, max(len(pair.a), len(pair.b))
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._fits(_truncated(pair, middle)) else (low, middle - 1)
        return _truncated(pair, low)

    def _fits(self, pair: Pair) -> bool:
        asked = (prompt for order in self._protocol.orders for prompt in self._encoded(Question(pair, order)))
        return max(prompt.size for prompt in asked) <= self._room


def prompt_texts(protocol: Protocol, question: Question, trained: str | None = None) -> list[str]:
    """The words of the prompts that a question takes. trained: the prompt that came with the model."""
    pair = question.pair
    first, second = pair.shown(question.order)
    if trained is not None:
        return [prompts.fill_trained(trained, protocol.grammar.fields, pair.question, first, second)]
    shown = [(first,), (second,)] if protocol.one_by_one else [(first, second)]
    return [
        prompts.fill(
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
    """The beginning and the end of a text, so many characters together, and a mark of what is missing; all of it
    where the mark would be as long.
    """
    if len(text) <= characters + len(LEFT_OUT):
        return text
    tail = characters // 2
    return text[: characters - tail] + LEFT_OUT.format(len(text) - characters) + text[len(text) - tail :]
