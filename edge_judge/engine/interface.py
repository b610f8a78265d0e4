"""What every engine offers: the probabilities of continuations, and writing, both asked for in texts.

A new engine is one file with a class that has these members. Judging, sessions and repeats need nothing else.
Knows: requests and answers. Does not know: how any of it is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from edge_judge.inference import (
    Distribution,
    EncodedPrompt,
    Footprint,
    Outcome,
    Reading,
    Writing,
    Written,
)
from edge_judge.records import Batching

Answer_co = TypeVar("Answer_co", covariant=True)

Wanted = Callable[[int], bool]  # whether the answer to the prompt at this index is needed
Copied = Callable[[int, str], bool]  # whether a verdict that follows this text is copied from the prompt at this index


class Work(Protocol[Answer_co]):
    """Prompts that wait to be answered. prompts: distinct ones; tokens: those to read, what prompts share counted
    once; tokens_alone: had every prompt been read by itself.
    """

    @property
    def prompts(self) -> int: ...

    @property
    def tokens(self) -> int: ...

    @property
    def tokens_alone(self) -> int: ...

    def answers(
        self, started: Callable[[Footprint, Batching], None], evaluated: Callable[[int], None]
    ) -> Generator[tuple[int, Answer_co], None, None]:
        """The index of each prompt and its answer, as it is reached. An answer comes out the same whatever work was
        done before. Some that were not wanted may come too.

        started: called once the memory is there, before anything is evaluated; evaluated: called with the number of
        tokens after each call, once its answers were taken.
        """


class Engine(Protocol):
    """Runs the model of a judge. Nothing large is loaded before it is needed.

    All methods raise ModelError for a model that cannot do what is asked, MemoryLimitError where memory is short.
    """

    @property
    def versions(self) -> Mapping[str, str]:
        """What of the engine decides an outcome, by the name under which a run keeps it."""

    @property
    def trained_prompt(self) -> str | None:
        """The prompt that the model was trained to judge with; None if none came with it."""

    @property
    def name(self) -> str:
        """What is wrong, in messages: a file, an address."""

    @property
    def context(self) -> int:
        """Tokens that a prompt and its answer may have together."""

    def encode(self, content: str) -> EncodedPrompt:
        """A user's message in the model's chat format, with its length."""

    def reserve(self, request: Reading[Any] | Writing) -> int:
        """Tokens of the context that an answer to such a request may take."""

    def probabilities(
        self, prompts: Sequence[EncodedPrompt], reading: Reading[Outcome], wanted: Wanted, batching: Batching
    ) -> Work[Distribution[Outcome]]:
        """The probabilities of the same continuations after each prompt."""

    def write(
        self, prompts: Sequence[EncodedPrompt], writing: Writing, copied: Copied, wanted: Wanted, batching: Batching
    ) -> Work[Written[Any]]:
        """What the model writes after each prompt, under the same rule."""

    def close(self) -> None:
        """Give back what was loaded."""
