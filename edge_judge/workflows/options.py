"""What a caller asks of a workflow: the options that several of them share, each a frozen object.

Standard library only: the command line builds these before anything heavy is loaded.
Knows: names and defaults. Does not know: whether a model, a file or a scheme exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

POCKET = "pocket"  # the judge and the benchmark that come with the package
RESULTS = Path("results")
SPEED_GRAMMARS = ("pairwise", "pairwise-cot", "pointwise")
SPEED_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """Which model judges.

    model: one that is built here, None for the embedded one; scheme: of its weights, None for f16; gguf: a file to
    judge with instead; threads: None for the physical cores; chat_template: a name or a Jinja file, None for the
    model's own.
    """

    model: str | None = None
    scheme: str | None = None
    gguf: Path | None = None
    threads: int | None = None
    chat_template: str | None = None


@dataclass(frozen=True, slots=True)
class LadderOptions:
    """Which schemes of a model are in question. schemes: none for all that are built here; baseline: the scheme that
    the others must agree with; threads, chat_template: as in `JudgeOptions`.
    """

    model: str = POCKET
    schemes: tuple[str, ...] = ()
    baseline: str = "f16"
    threads: int | None = None
    chat_template: str | None = None


@dataclass(frozen=True, slots=True)
class ProtocolOptions:
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
class BenchmarkOptions:
    """What is judged. names: of known benchmarks, files of one's own, or `all`; data: the folder of the known ones'
    files, None for EDGE_JUDGE_DATA or the cache.
    """

    names: tuple[str, ...] = (POCKET,)
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class RunsOptions:
    """Which recorded runs. paths: their folders, none for all complete ones below `results`; data: as in
    `BenchmarkOptions`.
    """

    paths: tuple[Path, ...] = ()
    results: Path = RESULTS
    data: Path | None = None
