"""The records that all wings share: pairs, verdicts, runs and scores. Frozen, standard library only.

Knows: their fields, and how a verdict in the order shown becomes a verdict on the pair.
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
    """The verdict on the pair, from the verdict on the answers in the order shown. It is its own inverse."""
    return shown if order == "ab" else MIRROR[shown]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one instruction.

    labels: the human verdicts to score against: one in most benchmarks, none without labels, several where each vote
    counts (MT-Bench). given: the order in which each of these votes saw the answers, empty if it is always "ab".
    group: pairs with the same group are one cluster when intervals are computed. votes: what each person said, where
    the label to score against is made of several votes (PandaLM); empty where the labels are the votes. category: the
    kind of the task, empty if the benchmark names none. authors: the systems that wrote `a` and `b`, None if they are
    unknown.
    """

    id: str
    question: str
    a: str
    b: str
    labels: tuple[Label, ...] = ()
    group: str = ""
    reference: str | None = None
    given: tuple[Order, ...] = ()
    votes: tuple[Label, ...] = ()
    category: str = ""
    authors: tuple[str, str] | None = None

    @property
    def people(self) -> tuple[Label, ...]:
        """What each person said of the pair."""
        return self.votes or self.labels

    @property
    def cluster(self) -> str:
        return self.group or self.id

    def shown(self, order: Order) -> tuple[str, str]:
        """The answers as (first, second)."""
        return (self.a, self.b) if order == "ab" else (self.b, self.a)


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """A labelled pair that a judge learns from.

    reasons: why the label is right, None if the data does not say. In them {a} and {b} stand for the names of the
    answers, which depend on the prompt and on the order shown.
    """

    pair: Pair
    reasons: str | None = None

    @property
    def label(self) -> Label:
        return self.pair.labels[0]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A measurement during training, after `step` steps.

    training_loss: nats a token, the mean since the point before, None at the first; loss: the same on the validation
    pairs; right: of `verdicts` validation verdicts; seconds: of training and measuring so far, over all sittings.
    """

    step: int
    training_loss: float | None
    loss: float
    right: int
    verdicts: int
    seconds: float

    @property
    def accuracy(self) -> float:
        return self.right / self.verdicts


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Pairs with a name. sha256: of the published file, or of the user's file; ties: whether a tie is a legal label."""

    name: str
    pairs: tuple[Pair, ...]
    sha256: str
    ties: bool
    source: str


@dataclass(frozen=True, slots=True)
class Task:
    """A question that systems answered. id: its name in their files, or a hash of its text where they name none;
    reference: a right answer, None if there is none.
    """

    id: str
    question: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """What systems answered. systems: in the order of their names; tasks: by id; answers: (task's id, system) to text,
    without those that are missing; sha256: of all of it, whatever files it came in.
    """

    systems: tuple[str, ...]
    tasks: tuple[Task, ...]
    answers: Mapping[tuple[str, str], str]
    sha256: str

    def missing(self, system: str) -> tuple[str, ...]:
        """The ids of the tasks that a system did not answer."""
        return tuple(task.id for task in self.tasks if (task.id, system) not in self.answers)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judgement, in the pair's own order.

    verdict: None means that no valid verdict was given; it is never a tie. p: the probability of each legal verdict, in
    sum 1. mass: the share of all probability that is on legal verdicts. text: what the judge wrote, or the text of a
    verdict that was read from probabilities. truncated: whether an answer was shortened to fit. respelled: the share of
    `mass` on other tokens for the same texts than the likeliest, which is part of `p`; None if it is not worth noting.
    machine: the one that judged, where several did.
    """

    id: str
    order: Order
    verdict: Label | None
    p: Mapping[Label, float] | None = None
    text: str | None = None
    mass: float | None = None
    truncated: bool = False
    respelled: float | None = None
    machine: str | None = None


DIGITS = 12  # of a figure: what follows is rounding, in which the logarithms and quantiles of two machines differ


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number with its 95 % interval; k of n if it is a rate. value: None if it is undefined.

    All three numbers are kept to 12 significant digits. The last digit may depend on a machine's mathematical
    functions, so figures from two machines are equal if they differ by less than 1e-11 of their value.
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
class Adapter:
    """A LoRA adapter's GGUF, which llama.cpp adds to a model's weights when it runs. scale: what its own is multiplied
    with; sha256: of the file.
    """

    name: str
    path: Path
    sha256: str
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that judges, and its name in results.

    gguf, sha256: its file and the file's hash, None if the weights are not on this machine. lock: the source of the
    weights (repo@commit, a folder and its hash, or the file itself). chat: a chat template to use instead of the file's
    own. adapter: what is added to the file's weights.
    """

    model: str
    scheme: str
    gguf: Path | None
    sha256: str | None
    lock: str
    chat: str | None = None
    adapter: Adapter | None = None

    @property
    def bytes(self) -> int:
        """The size of its file, with that of its adapter; 0 if it has none."""
        files = (self.gguf, self.adapter.path if self.adapter is not None else None)
        return sum(path.stat().st_size for path in files if path is not None)


@dataclass(frozen=True, slots=True)
class Batching:
    """How an engine divides work into calls. It decides no verdict, except through small differences in rounding.

    cells: tokens in one call; micro: tokens that are computed at once; members: sequences in one call (llama.cpp's own
    limit is 256); slots: sequences that write side by side.

    The default is a compromise. A call reads all weights once, so large calls are better. But attention compares all
    tokens of a call with every used cell of the cache, and small calls waste less of that.
    """

    cells: int = 384
    micro: int = 384
    members: int = 64
    slots: int = 16


@dataclass(frozen=True, slots=True)
class Progress:
    """Verdicts and tokens of a run: done and in total. seconds: since it started or resumed.

    left: remaining seconds at the rate measured so far; None before anything was measured. unit: what is counted where
    that is no verdicts.
    """

    verdicts: int
    verdicts_total: int
    tokens: int
    tokens_total: int
    seconds: float
    left: float | None = None
    unit: str = "verdicts"


@dataclass(frozen=True, slots=True)
class Offloaded:
    """What of a model is on GPUs. devices: their names and what they are; layers: of layers_total, the output counted
    as one. Bytes of all devices. estimated: of weights, cache and work, before anything was loaded; used: what
    llama.cpp then allocated; available: what was free, or allowed.
    """

    devices: str
    layers: int
    layers_total: int
    estimated: int
    used: int
    available: int


@dataclass(frozen=True, slots=True)
class WorkEstimate:
    """The work of a run, known before its first token. tokens: to read, with shared beginnings counted once;
    tokens_alone: the same with every prompt counted in full; each: tokens that may be written after each prompt, 0 if
    nothing is; memory: bytes that the process will take; cache: bytes of the key-value cache in them; offloaded: what
    is on GPUs besides, None if nothing is.
    """

    verdicts: int
    tokens: int
    tokens_alone: int
    each: int
    memory: int
    cache: int = 0
    batching: Batching = Batching()
    offloaded: Offloaded | None = None

    @property
    def smaller(self) -> bool:
        """Whether calls are smaller than by default, to fit in memory."""
        return self.batching != Batching()


@dataclass(frozen=True, slots=True)
class Identity:
    """The names that identify a run: its folder under results/."""

    benchmark: str
    model: str
    scheme: str
    grammar: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run cost. tokens: evaluated by the model; tokens_total: the same with every prompt counted in full."""

    wall_seconds: float
    tokens: int
    tokens_total: int
    verdicts: int
    peak_rss: int
    machine: str

    @property
    def verdicts_per_minute(self) -> float | None:
        """Includes loading the model; None if no time was measured."""
        return self.verdicts / self.wall_seconds * 60 if self.wall_seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one run. strict: a missing verdict is wrong. paper: computed as in the published table.

    baselines: of judges that do not read, on the same pairs and orders. human_agreement: how far people agree with each
    other on these pairs; attainable: the most of their votes that any judge can agree with.
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
    human_agreement: Figure = Figure(None)
    attainable: Figure = Figure(None)


@dataclass(frozen=True, slots=True)
class Run:
    """A run as read from its folder: its settings, its cost, and every verdict."""

    identity: Identity
    settings: Mapping[str, object]
    measured: Measured | None
    verdicts: tuple[Verdict, ...]
    bytes: int  # of the GGUF


@dataclass(frozen=True, slots=True)
class Noise:
    """What repeats changed. verdicts: how many were compared; flips: how many changed; largest, mean: of the
    differences between probabilities, None if there are none.
    """

    repeats: int
    verdicts: int
    flips: int
    largest: float | None
    mean: float | None


Cache: TypeAlias = Literal["f16", "q8_0"]
CACHES: tuple[Cache, ...] = ("f16", "q8_0")


Split: TypeAlias = Literal["layer", "row", "none"]
SPLITS: tuple[Split, ...] = ("layer", "row", "none")
CacheHome: TypeAlias = Literal["device", "host"]
CACHE_HOMES: tuple[CacheHome, ...] = ("device", "host")


@dataclass(frozen=True, slots=True)
class Placement:
    """What part of a model goes to GPUs, or to whatever else llama.cpp offloads to.

    gpu_layers: how many layers, the output counted as one; `auto` for as many as fit. devices: their names, none for
    all that llama.cpp would take. gpu_memory: bytes to use of each, None for what is free. split: how several devices
    share the model: whole layers, rows of each matrix, or only the first device. cache_on: where the key-value cache of
    those layers is kept.
    """

    gpu_layers: int | Literal["auto", "all"] = "auto"
    devices: tuple[str, ...] = ()
    gpu_memory: int | None = None
    split: Split = "layer"
    cache_on: CacheHome = "device"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the work may take. memory: bytes of the whole process, None for no limit; cache: the type of the numbers in
    the key-value cache; polite: leave a processor to other programs, and let them go first; placement: what of the
    model goes to GPUs.
    """

    memory: int | None = None
    cache: Cache = "f16"
    polite: bool = False
    placement: Placement = Placement()


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a GGUF is built. stage: hash, fetch or pack; bytes: of the tensors, or of the files that are hashed."""

    stage: str
    tensors: int
    tensors_total: int
    bytes: int
    bytes_total: int


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training is. loss: nats a token in the last step; left: remaining seconds at the rate so far."""

    step: int
    steps: int
    loss: float
    left: float


class ProgressListener:
    """Follows the progress of work. Every method does nothing; override those of interest."""

    def begin(self, title: str) -> None:
        """Called before a long task. `progress` and `build` are about that task until `end`."""

    def end(self) -> None:
        """Called when the task is over, also where it failed."""

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        """Called once before the first token of a run on the benchmark `name`."""

    def progress(self, progress: Progress) -> None:
        """Called after each decode call."""

    def build(self, progress: BuildProgress) -> None:
        """Called after each tensor of a GGUF that is being built."""

    def training(self, progress: TrainingProgress) -> None:
        """Called after each step of a training."""

    def note(self, text: str) -> None:
        """Called with a message that is no error: a benchmark was left out, a run cannot be compared."""

    @contextmanager
    def task(self, title: str) -> Iterator[None]:
        """Calls `begin` before the work, and `end` after it."""
        self.begin(title)
        try:
            yield
        finally:
            self.end()
