"""What a judge is asked: each question as the prompts it takes, in tokens, short enough for the model's context.

Knows: how a prompt is made of a pair under a protocol, and how an answer is shortened. Does not know: how a
verdict is read, in which order prompts are evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_judge.engine import Model
from edge_judge.engine.plan import Tokens
from edge_judge.errors import ModelError
from edge_judge.protocols import prompts
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Pair

PROMPT = "edge_judge.prompt"  # where a GGUF keeps the prompt its model was trained to judge with
SPARE = 32  # tokens for what a grammar forces, beside those that are written; more where it needs more
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
    tokens: Tokens
    truncated: bool


def make_prompts(model: Model, protocol: Protocol, questions: Sequence[Question]) -> list[Prompt]:
    """The prompts of all questions, those of one question side by side.

    Raises ModelError where prompts do not fit the model's context, with their count, before anything is evaluated;
    with `protocol.truncate` only those that do not fit however short their answers are. And where the prompt should
    have come with the model and did not.
    """
    trained = trained_in(model) if protocol.grammar.trained_in else None
    room = model.trained_context - protocol.limit - forced_tokens(model, protocol)
    maker = PromptMaker(model, protocol, trained, room)
    found = [sheet for place, question in enumerate(questions) for sheet in maker.make(place, question)]
    _check_room(found, model, protocol, room)
    return found


def forced_tokens(model: Model, protocol: Protocol) -> int:
    """Tokens that may stand after a prompt beside those that are written: what a grammar forces."""
    shape = protocol.grammar.reasoned
    if shape is None:
        return SPARE
    forced = [shape.opening, shape.bridge, max(shape.endings, key=lambda text: len(text.encode()))]
    return max(SPARE, sum(len(model.tokens_mid_text(text)) for text in forced) + SPARE // 2)


def trained_in(model: Model) -> str:
    """The prompt that the model was trained to judge with. Raises ModelError if none came with it."""
    text = model.metadata(PROMPT)
    if text is None:
        raise ModelError(
            f"{model.path}: no prompt that this model was trained to judge with came with it",
            "edge-judge quantize brings it for the models in models.lock that have one; else use --grammar pairwise",
        )
    return text


def _check_room(found: Sequence[Prompt], model: Model, protocol: Protocol, room: int) -> None:
    too_long = sum(len(sheet.tokens) > room for sheet in found)
    if too_long:
        longest = max(len(sheet.tokens) for sheet in found)
        raise ModelError(
            f"{too_long} of {len(found)} prompts do not fit the model's context of {model.trained_context} tokens "
            f"(longest: {longest}, beside {model.trained_context - room} for the answer)",
            _remedy(protocol, room),
        )


def _remedy(protocol: Protocol, room: int) -> str:
    if room <= 0 and protocol.limit:
        return f"{protocol.limit} tokens of reasons leave no room for a prompt: say fewer with --reasoning"
    if protocol.truncate:
        return "however short the answers are: leave these pairs out, or use a model with a longer context"
    return "--truncate answers shortens the longer answer of these pairs, or use a model with a longer context"


class PromptMaker:
    """Makes sheets, shortening each pair that is too long only once for both orders."""

    def __init__(self, model: Model, protocol: Protocol, trained: str | None, room: int) -> None:
        self._model, self._protocol, self._trained, self._room = model, protocol, trained, room
        self._shown: dict[Pair, Pair] = {}

    def make(self, place: int, question: Question) -> list[Prompt]:
        pair = self._fitting(question.pair) if self._protocol.truncate else question.pair
        found = self._tokens(replace(question, pair=pair))
        texts = (pair.question, *pair.shown(question.order))
        return [
            Prompt(place, part, texts, tokens, pair is not question.pair) for part, tokens in enumerate(found)
        ]

    def _tokens(self, question: Question) -> list[Tokens]:
        return [self._model.prompt(content) for content in self._contents(question)]

    def _contents(self, question: Question) -> list[str]:
        protocol, pair = self._protocol, question.pair
        first, second = pair.shown(question.order)
        if self._trained is not None:
            return [prompts.fill_trained(self._trained, protocol.grammar.fields, pair.question, first, second)]
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

    def _fitting(self, pair: Pair) -> Pair:
        """The pair itself, or a shorter one where any order of it does not fit."""
        if pair not in self._shown:
            self._shown[pair] = pair if self._fits(pair) else self._shorten(pair)
        return self._shown[pair]

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
        asked = (tokens for order in self._protocol.orders for tokens in self._tokens(Question(pair, order)))
        return max(map(len, asked)) <= self._room


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
