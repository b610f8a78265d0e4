"""A run: its name, its verdicts, what it cost, and its figures. Does not know: how figures are computed, files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_judge.records.pairs import Verdict


@dataclass(frozen=True, slots=True)
class Identity:
    """The names that identify a run: its folder under results/."""

    benchmark: str
    model: str
    scheme: str
    grammar: str


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
