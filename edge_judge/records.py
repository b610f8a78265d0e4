"""The records that travel between the rooms: pairs, verdicts, runs and scores. Frozen, standard library only.

Knows: the shapes of things, and how a verdict in the order shown becomes a verdict on the pair.
Does not know: files, models, statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

Label: TypeAlias = Literal["a", "b", "tie"]
Order: TypeAlias = Literal["ab", "ba"]

LABELS: tuple[Label, ...] = ("a", "b", "tie")
ORDERS: tuple[Order, ...] = ("ab", "ba")
MIRROR: dict[Label, Label] = {"a": "b", "b": "a", "tie": "tie"}


def to_pair_order(order: Order, shown: Label) -> Label:
    """The verdict on the pair, from the verdict on the answers in the order shown (and back: it is an involution)."""
    return shown if order == "ab" else MIRROR[shown]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one instruction.

    labels: the human verdicts it is scored against: one for most benchmarks, none where nobody judged, several
    where each vote counts (MT-Bench). given: the order in which each of these votes saw the answers, where that
    is not always "ab". group: pairs that share one are one cluster when intervals are computed.
    """

    id: str
    question: str
    a: str
    b: str
    labels: tuple[Label, ...] = ()
    group: str = ""
    reference: str | None = None
    given: tuple[Order, ...] = ()

    @property
    def cluster(self) -> str:
        return self.group or self.id

    def shown(self, order: Order) -> tuple[str, str]:
        """The answers as (first, second)."""
        return (self.a, self.b) if order == "ab" else (self.b, self.a)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Pairs with a name. sha256: of the published file, or of the user's; ties: whether a tie is a legal label."""

    name: str
    pairs: tuple[Pair, ...]
    sha256: str
    ties: bool
    source: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judgement, in the pair's own terms (order undone).

    verdict: None means that no valid verdict was given; it is never a tie. p: probability of each legal verdict,
    summing to 1. mass: the share of all probability that lay on legal verdicts. text: what the judge wrote, or
    the verdict's text where it was read from probabilities. truncated: whether an answer was shortened to fit.
    """

    id: str
    order: Order
    verdict: Label | None
    p: Mapping[Label, float] | None = None
    text: str | None = None
    mass: float | None = None
    truncated: bool = False


DIGITS = 12  # of a figure: what follows is rounding, in which the logarithms and quantiles of two machines differ


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number with its 95 % interval; k of n where it is a rate. value is None where it is undefined.

    The three are kept to 12 significant digits. On machines with other mathematical functions the last of them may
    differ, so figures that two machines made are the same where they differ by less than 1e-11 of their value.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    k: int | None = None
    n: int | None = None

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if number is not None:
                object.__setattr__(self, name, float(f"{number:.{DIGITS}g}"))


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that judges, and what it is called in results.

    gguf, sha256: its file and the file's hash, None where the weights are not on this machine. lock: where its
    weights come from (repo@commit, a folder and its hash, or the file itself). chat: the chat template to use where
    the file's own is not meant or it has none.
    """

    model: str
    scheme: str
    gguf: Path | None
    sha256: str | None
    lock: str
    chat: str | None = None

    @property
    def bytes(self) -> int:
        """The size of its file; 0 where it has none."""
        return self.gguf.stat().st_size if self.gguf is not None else 0


@dataclass(frozen=True, slots=True)
class Batching:
    """How an engine divides work into calls. None of it decides a verdict, but rounding differs a little between two.

    cells: tokens in one call; micro: tokens that are computed at once; members: sequences in one call (llama.cpp's own
    limit is 256); slots: sequences that write side by side.

    The usual call is a compromise: each reads all weights once, which asks for large ones; but all of its tokens are
    held against every cell of the cache that is in use, and the fewer those are, the less of that is in vain.
    """

    cells: int = 384
    micro: int = 384
    members: int = 64
    slots: int = 16


@dataclass(frozen=True, slots=True)
class Progress:
    """Verdicts and tokens of a run that are done and that there are, and the seconds since it went on.

    left: seconds it will still take at the rate measured so far; None where nothing was measured yet.
    """

    verdicts: int
    verdicts_total: int
    tokens: int
    tokens_total: int
    seconds: float
    left: float | None = None


@dataclass(frozen=True, slots=True)
class WorkEstimate:
    """What a run has to do, known before its first token. tokens: to be read, what prompts share read once;
    tokens_alone: had every prompt been read by itself; each: tokens that may be written after each prompt, 0 where
    nothing is; memory: bytes that the process will take; cache: those of them that are the key-value cache.
    """

    verdicts: int
    tokens: int
    tokens_alone: int
    each: int
    memory: int
    cache: int = 0
    batching: Batching = Batching()

    @property
    def smaller(self) -> bool:
        """Whether the work is divided into smaller calls than usual, to fit the memory."""
        return self.batching != Batching()


@dataclass(frozen=True, slots=True)
class Identity:
    """Which run this is: its folder under results/."""

    benchmark: str
    model: str
    scheme: str
    grammar: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run cost. tokens: evaluated by the model; tokens_total: had every prompt been evaluated by itself."""

    wall_seconds: float
    tokens: int
    tokens_total: int
    verdicts: int
    peak_rss: int
    machine: str

    @property
    def verdicts_per_minute(self) -> float | None:
        """Loading the model included; None where no time was measured."""
        return self.verdicts / self.wall_seconds * 60 if self.wall_seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one run. strict: a missing verdict is wrong. paper: as the published table was made.

    baselines: what judges that do not read get on the same pairs and orders. human_ceiling: how far people
    agree among themselves on these pairs.
    """

    benchmark: str
    model: str
    scheme: str
    grammar: str
    pairs: int
    verdicts: int
    strict: Mapping[str, Figure]
    paper: Mapping[str, Figure]
    baselines: Mapping[str, Figure] = field(default_factory=dict)
    human_ceiling: Figure = Figure(None)


@dataclass(frozen=True, slots=True)
class Run:
    """A run as read back from its folder: what decided it, what it cost, and every verdict."""

    identity: Identity
    settings: Mapping[str, object]
    measured: Measured | None
    verdicts: tuple[Verdict, ...]
    bytes: int  # of the GGUF


@dataclass(frozen=True, slots=True)
class Noise:
    """What repeats changed. verdicts: how many were compared; flips: how many were others; largest and mean: of
    the differences between probabilities, None where there are none.
    """

    repeats: int
    verdicts: int
    flips: int
    largest: float | None
    mean: float | None


Cache: TypeAlias = Literal["f16", "q8_0"]
CACHES: tuple[Cache, ...] = ("f16", "q8_0")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the work may take. memory: bytes of the whole process, None for as much as is useful; cache: the type of
    the numbers in the key-value cache.
    """

    memory: int | None = None
    cache: Cache = "f16"


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far the making of a GGUF is. stage: hash, fetch or pack; bytes: of the tensors, or of the files that
    are hashed.
    """

    stage: str
    tensors: int
    tensors_total: int
    bytes: int
    bytes_total: int


class ProgressListener:
    """Follows work as it goes on. Every method does nothing; override those of interest."""

    def begin(self, title: str) -> None:
        """A task that takes a while, told before its first step. `progress` and `build` are about it until `end`."""

    def end(self) -> None:
        """The task is over, also where it failed."""

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        """What a run on the benchmark `name` has to do, told once before its first token."""

    def progress(self, progress: Progress) -> None:
        """How far a run is, told after each decode call."""

    def build(self, progress: BuildProgress) -> None:
        """How far the making of a GGUF is, told after each tensor."""

    def note(self, text: str) -> None:
        """Something worth knowing that is no error: a benchmark that was left out, a run that cannot be compared."""

    @contextmanager
    def task(self, title: str) -> Iterator[None]:
        """`begin` before the work, `end` after it."""
        self.begin(title)
        try:
            yield
        finally:
            self.end()
