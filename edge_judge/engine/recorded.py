"""An engine that returns recorded answers: those that were given to the same prompts before.

Knows: the texts of prompts, and their answers. Does not know: models, tokens, where the record comes from.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from edge_judge.engine.interface import Copied, Evaluated, Started, Wanted
from edge_judge.errors import ModelError
from edge_judge.inference import (
    Distribution,
    EncodedPrompt,
    Footprint,
    Outcome,
    Reading,
    TextHandling,
    Writing,
    Written,
)
from edge_judge.records import Batching

Answer = TypeVar("Answer")

CHARACTERS = 4  # about, of a token


class RecordedEngine:
    """answers: from the text of a prompt to its answer. Raises ModelError for a prompt without an answer."""

    def __init__(
        self, answers: Mapping[str, Distribution[Any] | Written[Any]], *, trained_prompt: str | None = None
    ) -> None:
        self._answers, self.trained_prompt = answers, trained_prompt
        self.context = 1_000_000  # tokens: any prompt fits
        self.name = "recorded answers"
        self.versions: Mapping[str, str] = {}

    def encode(self, content: str) -> EncodedPrompt:
        return EncodedPrompt(content, -(-len(content) // CHARACTERS))

    def text_handling(self, texts: Iterable[str]) -> TextHandling:
        return TextHandling("none")

    def reserve(self, request: Reading[Any] | Writing) -> int:
        return request.limit if isinstance(request, Writing) else 0

    def probabilities(
        self, prompts: Sequence[EncodedPrompt], reading: Reading[Outcome], wanted: Wanted, batching: Batching
    ) -> RecordedWork[Distribution[Outcome]]:
        return RecordedWork(self._recorded(prompts, wanted, Distribution), prompts)

    def write(
        self, prompts: Sequence[EncodedPrompt], writing: Writing, copied: Copied, wanted: Wanted, batching: Batching
    ) -> RecordedWork[Written[Any]]:
        return RecordedWork(self._recorded(prompts, wanted, Written), prompts)

    def _recorded(self, prompts: Sequence[EncodedPrompt], wanted: Wanted, kind: type[Answer]) -> dict[int, Answer]:
        """The index of each wanted prompt and its answer."""
        answers = {}
        for index in filter(wanted, range(len(prompts))):
            answer = self._answers.get(prompts[index].text)
            if not isinstance(answer, kind):
                raise ModelError(
                    f"no {kind.__name__} is recorded for the prompt {prompts[index].text[:60]!r}…",
                    "a recording answers only the prompts it was made with",
                )
            answers[index] = answer
        return answers

    def close(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class RecordedWork(Generic[Answer]):
    """Recorded answers by the index of their prompt, in the order of the prompts."""

    recorded: Mapping[int, Answer]
    encoded: Sequence[EncodedPrompt]

    @property
    def prompts(self) -> int:
        return len({self.encoded[index].text for index in self.recorded})

    @property
    def tokens(self) -> int:
        return self.tokens_alone

    @property
    def tokens_alone(self) -> int:
        return sum(self.encoded[index].size for index in self.recorded)

    def answers(self, started: Started, evaluated: Evaluated) -> Generator[tuple[int, Answer], None, None]:
        started(Footprint(0, 0, 0, 0), Batching())
        for index, answer in self.recorded.items():
            yield index, answer
            evaluated(self.encoded[index].size)
