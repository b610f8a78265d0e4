"""What is asked of an engine and what it answers, in texts and probabilities.

Knows: the requests and answers that judging, the kinds of protocol and every engine share.
Does not know: tokens' meaning, models, pairs, verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from os.path import commonprefix
from typing import Generic, Protocol, TypeAlias, TypeVar

Outcome = TypeVar("Outcome", bound=Hashable)  # what a text stands for: a verdict, a score
Tokens: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt as an engine takes it. text: the content of the user's message; size: its tokens, the chat format
    included; tokens: their ids, empty where an engine keeps them to itself and `size` is an estimate.
    """

    text: str
    size: int
    tokens: Tokens = ()


@dataclass(frozen=True, slots=True)
class Reading(Generic[Outcome]):
    """Read the probabilities of some continuations of a prompt; nothing is written.

    continuations: each text and what it stands for. Texts that stand for the same need not be told apart.
    """

    continuations: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class Distribution(Generic[Outcome]):
    """p: the probability of each outcome, summing to 1. mass: the share of all probability that lay on any of them."""

    p: Mapping[Outcome, float]
    mass: float


@dataclass(frozen=True, slots=True)
class Writing:
    """Write greedily, until the model ends its turn or has written `limit` tokens."""

    limit: int


class TextReader(Protocol):
    """Reads a text of a language from left to right."""

    @property
    def whole(self) -> bool:
        """Whether what was read so far is a text of the language."""

    def copy(self) -> TextReader: ...

    def take(self, text: str) -> int:
        """Read on; how many characters of the text could be read."""


@dataclass(frozen=True, slots=True)
class GuidedWriting(Writing, Generic[Outcome]):
    """Write an opening, then reasons in a language, then read the probabilities of the endings.

    grammar, start: GBNF, and the rule for all that follows the opening. schema: a JSON schema of the same language,
    opening included, None where there is none. reader: a new reader of reasons. endings: every legal ending and what
    it stands for; outcomes: those that may be given. bridge: joins reasons that were ended for the model to the ending.
    """

    opening: str
    grammar: str
    start: str
    schema: str | None
    reader: Callable[[], TextReader]
    endings: Mapping[str, Outcome]
    outcomes: tuple[Outcome, ...]
    bridge: str

    @property
    def mark(self) -> str:
        """A model that has written this is about to give its ending: what all endings begin with."""
        return commonprefix(list(self.endings)).rstrip()


@dataclass(frozen=True, slots=True)
class Written(Generic[Outcome]):
    """What a model wrote. distribution: that of the endings, None where it wrote without a guide."""

    text: str
    distribution: Distribution[Outcome] | None = None


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes. process: Python and what it has loaded, vocabulary and plan included; weights: the model; cache: keys
    and values; work: what the engine computes in, and the logits that are read.
    """

    process: int
    weights: int
    cache: int
    work: int

    @property
    def total(self) -> int:
        return self.process + self.weights + self.cache + self.work
