"""The requests to an engine and its answers, as texts and probabilities.

Knows: the requests and answers that judging, the kinds of protocol and every engine share.
Does not know: the meaning of tokens, models, pairs, verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from os.path import commonprefix
from typing import Generic, Protocol, TypeAlias, TypeVar

from edge_judge.records import Offloaded

Outcome = TypeVar("Outcome", bound=Hashable)  # what a text means: a verdict, a score
Tokens: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt as an engine takes it. text: the content of the user message; size: its tokens, with the chat format;
    tokens: their ids, empty for an engine that does not expose them and only estimates `size`.
    """

    text: str
    size: int
    tokens: Tokens = ()


@dataclass(frozen=True, slots=True)
class Reading(Generic[Outcome]):
    """A request for the probabilities of some continuations of a prompt. Nothing is written.

    continuations: each text and its outcome. Texts with the same outcome need not be distinguished.
    """

    continuations: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class Distribution(Generic[Outcome]):
    """p: the probability of each outcome, in sum 1. mass: the share of all probability that is on any of them.

    respelled: the share of `mass` on other tokens for the same texts than the likeliest; it is part of `p`. unread: the
    probability, at most, of legal texts on tokens that were not read, which is missing or counted for a shorter text.
    machine: the one that computed it, None where it was this one.
    """

    p: Mapping[Outcome, float]
    mass: float
    respelled: float = 0.0
    unread: float = 0.0
    machine: str | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """A request for greedy writing, until the model ends its turn or has written `limit` tokens."""

    limit: int


class TextReader(Protocol):
    """Reads a text of a language from left to right."""

    @property
    def whole(self) -> bool:
        """Whether the text read so far is complete: a text of the language."""

    def copy(self) -> TextReader: ...

    def take(self, text: str) -> int:
        """Read a piece. Returns how many of its characters could be read."""


@dataclass(frozen=True, slots=True)
class GuidedWriting(Writing, Generic[Outcome]):
    """A request to write an opening and reasons in a language, then to read the probabilities of the endings.

    grammar, start: GBNF, and its rule for the text after the opening. schema: a JSON schema of the same language, with
    the opening; None if there is none. reader: makes a reader of reasons. endings: every ending and its outcome;
    outcomes: the legal ones. bridge: text between reasons that were cut off and the ending.
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
        """The text with which all endings begin: a model that writes it begins its ending."""
        return commonprefix(list(self.endings)).rstrip()


@dataclass(frozen=True, slots=True)
class Written(Generic[Outcome]):
    """What a model wrote. distribution: of the endings, None if it wrote without a guide. machine: as in
    `Distribution`.
    """

    text: str
    distribution: Distribution[Outcome] | None = None
    machine: str | None = None


@dataclass(frozen=True, slots=True)
class TextHandling:
    """How an engine's tokenizer treats texts. normalizer: what it does to them first: NFC, none, unknown …; doubts:
    clauses that say why it may read other tokens than the model was trained on.
    """

    normalizer: str
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of this process. process: Python and what it has loaded, with vocabulary and plan; weights: the model;
    cache: keys and values; work: the compute buffer, and the logits that are read. offloaded: what is on GPUs besides.
    """

    process: int
    weights: int
    cache: int
    work: int
    offloaded: Offloaded | None = None

    @property
    def total(self) -> int:
        return self.process + self.weights + self.cache + self.work
