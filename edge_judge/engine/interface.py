"""What every engine offers: the probabilities of continuations, and writing. Both are requested as texts.

A new engine is one file with a class that has these members. Judging needs nothing else.
Knows: requests and answers. Does not know: how an answer is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

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

Answer_co = TypeVar("Answer_co", covariant=True)

Wanted = Callable[[int], bool]  # whether the answer to the prompt at this index is needed
Started = Callable[[Footprint, Batching], None]
Evaluated = Callable[[int], None]
Copied = Callable[[int, str], bool]  # whether a verdict right after this text quotes the prompt at this index


class Work(Protocol[Answer_co]):
    """Work to do. prompts: how many distinct ones; tokens: to read, with shared beginnings counted once; tokens_alone:
    the same with every prompt counted in full.
    """

    @property
    def prompts(self) -> int: ...

    @property
    def tokens(self) -> int: ...

    @property
    def tokens_alone(self) -> int: ...

    def answers(self, started: Started, evaluated: Evaluated) -> Generator[tuple[int, Answer_co], None, None]:
        """Yields the index of each prompt and its answer. An answer does not depend on earlier work. Prompts that were
        not wanted may be among them.

        started: called once memory is allocated, before anything is evaluated. evaluated: called with the number of
        tokens after each call, once its answers have been taken.
        """


class Engine(Protocol):
    """Runs the model of a judge. Nothing large is loaded before it is needed.

    All methods raise ModelError if the model cannot do this, MemoryLimitError if memory is short.
    """

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions that decide an outcome, by the name under which run.json keeps them."""

    @property
    def trained_prompt(self) -> str | None:
        """The prompt that the model was trained to judge with; None if it has none."""

    @property
    def name(self) -> str:
        """What messages call it: a file, an address."""

    @property
    def context(self) -> int:
        """Tokens that a prompt and its answer may have together."""

    def encode(self, content: str) -> EncodedPrompt:
        """A user message in the model's chat format, with its length in tokens."""

    def text_handling(self, texts: Iterable[str]) -> TextHandling:
        """How the tokenizer treats these texts, and what may be wrong with that."""

    def reserve(self, request: Reading[Any] | Writing) -> int:
        """How many tokens of the context to keep free for an answer to this request."""

    def probabilities(
        self, prompts: Sequence[EncodedPrompt], reading: Reading[Outcome], wanted: Wanted, batching: Batching
    ) -> Work[Distribution[Outcome] | Written[Any]]:
        """The work of reading the probabilities of the same continuations after each prompt. Where the engine cannot
        tell them, the answer is the text that was written instead.
        """

    def write(
        self, prompts: Sequence[EncodedPrompt], writing: Writing, copied: Copied, wanted: Wanted, batching: Batching
    ) -> Work[Written[Any]]:
        """The work of writing after each prompt, under the same rule."""

    def close(self) -> None:
        """Free what was loaded."""
