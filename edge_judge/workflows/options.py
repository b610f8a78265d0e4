"""What a caller asks of a workflow: the options that several share, and the settings of one.

Nothing heavy is imported: the command line builds these before anything else is loaded.
Knows: names and defaults. Does not know: whether a model, a file or a scheme exists.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from edge_judge.errors import UsageError

POCKET = "pocket"  # the judge and the benchmark that come with the package
RESULTS = Path("results")
SPEED_GRAMMARS = ("pairwise", "pairwise-cot", "pointwise")
SPEED_SECONDS = 4.0
_SINGULAR = {"models": "model", "schemes": "scheme", "names": "benchmark", "adapters": "adapter"}  # of options
Seen = Literal["refuse", "leave out", "allow"]  # what to do about pairs that a judge's file was made with
MARGIN = 2.0  # points of accuracy that a scheme may lose, unless told otherwise


class Options:
    """A path may be given as text, and several in a list. A name is never empty: None is what stands for the usual
    one.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value == "" or (isinstance(value, list | tuple) and "" in value):
                option = f"--{_SINGULAR.get(field.name, field.name).replace('_', '-')}"
                raise UsageError(f"{option} is empty", f"name one, or leave {option} out")
            if "tuple" in field.type and value is not None:
                several = (value,) if isinstance(value, str | Path) else value
                object.__setattr__(self, field.name, tuple(map(Path, several) if "Path" in field.type else several))
            elif "Path" in field.type and isinstance(value, str):
                object.__setattr__(self, field.name, Path(value))


@dataclass(frozen=True, slots=True)
class JudgeOptions(Options):
    """Which model judges.

    model: one that is built or added here, None for the embedded one; scheme: of its weights, None for f16; gguf: a
    file to judge with instead, which model and scheme then name, None for what its metadata says; threads: None to find
    out while it works; chat_template: a name or a Jinja file, None for the model's own. engine: the address of an
    OpenAI-compatible endpoint to ask instead; model is then its name there, None if it serves one alone, and scheme
    what is said of its weights. price: of a million tokens to read there, and to write. adapters: LoRA adapters as GGUF
    files, each FILE or FILE=SCALE, which make a judge each; `none` for the model alone.
    """

    model: str | None = None
    scheme: str | None = None
    gguf: Path | None = None
    threads: int | None = None
    chat_template: str | None = None
    engine: str | None = None
    price: tuple[float, float] | None = None
    adapters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterOptions(Options):
    """Which machines judge. cluster: the address of the coordinator; shared_folder: one that all machines see, instead;
    without either, this machine alone. tls_ca, tls_cert, tls_key: the files of TLS; insecure: talk to other machines
    without it.
    """

    cluster: str | None = None
    shared_folder: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class WorkerSettings(Options):
    """What a worker has and may do. ggufs: files to judge with, beside those built here; name: of this machine, None
    for its own; threads: as in `JudgeOptions`; build: download and build a judge that is not here.
    """

    ggufs: tuple[Path, ...] = ()
    name: str | None = None
    threads: int | None = None
    build: bool = False


@dataclass(frozen=True, slots=True)
class LadderOptions(Options):
    """Which schemes of a model are in question. schemes: none for all that are built or added here; baseline: the
    scheme that the others must agree with, or the folder of a recorded run; ggufs: files that are in question instead,
    the baseline's among them; model: None for the embedded one, or what the files are called; threads, chat_template:
    as in `JudgeOptions`.
    """

    model: str | None = None
    schemes: tuple[str, ...] = ()
    ggufs: tuple[Path, ...] = ()
    baseline: str = "f16"
    threads: int | None = None
    chat_template: str | None = None


@dataclass(frozen=True, slots=True)
class ProtocolOptions(Options):
    """How a judge is asked.

    grammar: None for `pairwise`, or what the model was trained on; rubric: a file of criteria; reasoning: tokens of
    reasons at most, None for the grammar's own limit; truncate: "answers" shortens the longer answer where a prompt
    does not fit.
    """

    grammar: str | None = None
    rubric: Path | None = None
    reasoning: int | None = None
    truncate: Literal["answers"] | None = None


@dataclass(frozen=True, slots=True)
class BenchmarkOptions(Options):
    """What is judged. names: of known benchmarks, files of one's own, or `all`; data: the folder of the known ones'
    files, None for EDGE_JUDGE_DATA or the cache.
    """

    names: tuple[str, ...] = (POCKET,)
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class RunsOptions(Options):
    """Which recorded runs. paths: their folders, none for all complete ones below `results`; data: as in
    `BenchmarkOptions`.
    """

    paths: tuple[Path, ...] = ()
    results: Path = RESULTS
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class EvaluateSettings(Options):
    """How much is judged, and where runs are kept.

    order: both orders of the answers, or only the given one; ties: `auto` allows one where the benchmark has ties;
    limit: only so many pairs of each benchmark, a sample of all; head: its first pairs instead; repeat: judge so many
    times, for the noise floor; fresh: begin the run anew; seen: what to do about pairs that the judge's file was made
    with.
    """

    results: Path = RESULTS
    order: Literal["both", "given"] = "both"
    ties: Literal["auto", "allow"] = "auto"
    limit: int | None = None
    repeat: int = 1
    fresh: bool = False
    head: bool = False
    seen: Seen = "refuse"


@dataclass(frozen=True, slots=True)
class ChooseSettings(Options):
    """What decides, and what it may cost. margin: points; seed: of the order of the pairs; budget: seconds of work,
    None for as long as it takes; max_pairs: of each scheme, None for all; seen: what to do about pairs that the file of
    a scheme was made with.
    """

    results: Path = RESULTS
    margin: float = MARGIN
    seed: int = 0
    budget: float | None = None
    max_pairs: int | None = None
    seen: Seen = "refuse"


@dataclass(frozen=True, slots=True)
class OutputsOptions(Options):
    """What is ranked. paths: files of systems' outputs, or folders of rankings that are to be read again; format: of
    the files, None to recognize each; preferences: files of votes that others reached, instead of outputs; name: of the
    ranking, None for the file's or the files' folder's.
    """

    paths: tuple[Path, ...] = ()
    format: str | None = None
    preferences: tuple[Path, ...] = ()
    name: str | None = None


@dataclass(frozen=True, slots=True)
class RankSettings(Options):
    """Who meets whom, and where the runs are kept.

    against: a baseline that all others meet, None for all pairs of systems; games: how many meetings of two systems on
    a question, "all" for however many there are, None for all as long as they are not too many; models, schemes: every
    model with every scheme of its weights ranks by itself, none for that of `JudgeOptions`; jury: all of them vote
    together too; cascade: of two judges the second judges only the pairs on which the first's confidence is below this,
    in [0, 1]; order: both orders of the answers, or one that is drawn for each pair; fresh: judge everything anew.
    stop: as soon as it is decided who beats whom; margin: points of the win rate that do not matter; budget: seconds of
    work with each judge; both stop too. page: a file to write with all of it to look at, None for none.
    """

    results: Path = RESULTS
    against: str | None = None
    games: int | Literal["all"] | None = None
    models: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    jury: bool = False
    cascade: float | None = None
    order: Literal["both", "given"] = "both"
    fresh: bool = False
    stop: bool = False
    margin: float | None = None
    budget: float | None = None
    page: Path | None = None

    @property
    def stops(self) -> bool:
        """Whether judging ends as soon as it is decided."""
        return self.stop or self.margin is not None or self.budget is not None


@dataclass(frozen=True, slots=True)
class LabelOptions(Options):
    """A person's labels. labels: a file that was filled in, None for none; suggest: how many pairs to label next, which
    are written to `out`, None for none.
    """

    labels: Path | None = None
    suggest: int | None = None
    out: Path = Path("to-label.csv")


@dataclass(frozen=True, slots=True)
class ReportSettings(Options):
    """out: the page's file; baseline: the scheme that the others are compared with; margin: points of accuracy that may
    be lost; chart: an .svg or .png file of accuracy against size, None for none.
    """

    out: Path = Path("report.html")
    baseline: str = "f16"
    margin: float = MARGIN
    chart: Path | None = None


@dataclass(frozen=True, slots=True)
class AttributionSettings(Options):
    """Which run is to be explained, and where runs are searched. benchmark: a known one, or a file of one's own; data:
    the folder of the known ones' files.
    """

    model: str = POCKET
    scheme: str = "q4_k_m"
    grammar: str = "pairwise-cot"
    benchmark: str = POCKET
    data: Path | None = None
    results: Path = RESULTS


@dataclass(frozen=True, slots=True)
class QuantizeSettings(Options):
    """out: the file to write, None for one in the models folder, which alone is recorded; imatrix: a file of
    importances; keep_source: downloaded weights stay in the Hub's cache; gguf_file: take this ready-made GGUF of a Hub
    repository instead of building one. adapter: the folder of a LoRA adapter that is merged into the weights;
    adapter_only: write the adapter as a GGUF of its own instead.
    """

    out: Path | None = None
    imatrix: Path | None = None
    keep_source: bool = False
    gguf_file: str | None = None
    adapter: Path | None = None
    adapter_only: bool = False


@dataclass(frozen=True, slots=True)
class ImatrixSettings(Options):
    """What an importance matrix is measured on. out: the file, None for one in the models folder; text: a file to read
    instead of judge prompts, in chunks of `chunk` tokens; limit: pairs of each benchmark, or chunks of a text; None for
    100 pairs, or for the whole text. process_output: the output matrix counts too; fresh: forget what an interrupted
    call has measured.
    """

    out: Path | None = None
    text: Path | None = None
    limit: int | None = None
    chunk: int = 512
    process_output: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class ImportSettings(Options):
    """benchmark: where the benchmark lies, if it is a file of one's own; fresh: replace a run that is there already;
    data: the folder of the known benchmarks' files; results: where the run goes.
    """

    benchmark: Path | None = None
    fresh: bool = False
    data: Path | None = None
    results: Path = RESULTS


@dataclass(frozen=True, slots=True)
class RandomWeights(Options):
    """Random weights to measure. shape: the known model whose shape they have, None for no random weights; vocab: a
    GGUF file whose vocabulary they take, None for one that is made up; keep: the file in which they stay, None for
    nowhere.
    """

    shape: str | None = None
    vocab: Path | None = None
    keep: Path | None = None


@dataclass(frozen=True, slots=True)
class TrainSettings(Options):
    """What a judge learns from, and where the adapter goes.

    files: of labelled pairs; format: theirs, None to tell it by each file's first row; out: the folder of the training,
    None for tuned/MODEL; fresh: begin anew; data: the folder of the benchmarks whose pairs are not learned;
    chat_template: as in `JudgeOptions`.
    """

    files: tuple[Path, ...] = ()
    format: str | None = None
    out: Path | None = None
    fresh: bool = False
    data: Path | None = None
    chat_template: str | None = None
