"""What is most useful after a run: the command that a person would type next.

Knows: which runs lie beside one, what is built here, what fits this machine. Does not know: figures, how it is shown.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from edge_judge.records import Identity, Score
from edge_judge.runs import folder as run_folder
from edge_judge.workflows.fitting_scheme import widest_fitting
from edge_judge.workflows.model_files import SHIPPED, built_schemes
from edge_judge.workflows.options import (
    POCKET,
    RESULTS,
    BenchmarkOptions,
    EvaluateSettings,
    JudgeOptions,
    ProtocolOptions,
)

BASELINES = ("f16", "bf16", "f32", "q8_0")  # what others are compared with, the best first
NARROW = "q4_k_m"  # what is tried first beside a baseline


def next_step(
    judge: JudgeOptions,
    scores: Sequence[Score],
    benchmarks: BenchmarkOptions = BenchmarkOptions(),
    protocol: ProtocolOptions = ProtocolOptions(),
    settings: EvaluateSettings = EvaluateSettings(),
) -> str:
    """The command after judging with `judge` as these options say, of which `scores` came, at least one.

    Several schemes with a baseline among them are compared. Without a baseline that is judged next, and a baseline
    alone is followed by a smaller scheme. What cannot be judged here is quantized first. A file of one's own or an
    endpoint, of which nobody knows other schemes, is compared where it has siblings, else reported.
    """
    last = scores[-1]
    schemes = _schemes_beside(last, settings.results)
    where = [] if settings.results == RESULTS else ["--results", str(settings.results)]
    baseline = next((scheme for scheme in BASELINES if scheme in schemes), None)
    if baseline is not None and len(schemes) > 1:
        return _line("compare", *where, *(["--baseline", baseline] if baseline != "f16" else []))
    if judge.gguf is not None or judge.engine is not None:
        return _line("report", *where)
    wanted = NARROW if baseline is not None else _baseline_of(last.model)
    if last.model not in SHIPPED and wanted not in built_schemes(last.model):
        return _line("quantize", last.model, wanted)
    model = [] if last.model == POCKET else ["--model", last.model]
    return _line("eval", *model, "--scheme", wanted, *_as_judged(benchmarks, protocol, settings), *where)


def _schemes_beside(score: Score, results: Path) -> list[str]:
    """The schemes of the same judge with a complete run on the same benchmark under the same grammar."""
    own = run_folder.folder(results, Identity(score.benchmark, score.model, score.scheme, score.grammar))
    runs = own.parents[1].glob(f"*/{own.name}") if own.parents[1].is_dir() else ()
    return sorted({run.parent.name for run in runs if run_folder.is_complete(run)} | {score.scheme})


def _baseline_of(model: str) -> str:
    """The widest scheme that could be judged here: one that is built, or the widest that fits."""
    built = built_schemes(model)
    return next((scheme for scheme in BASELINES if scheme in built), None) or widest_fitting(model) or "f16"


def _as_judged(benchmarks: BenchmarkOptions, protocol: ProtocolOptions, settings: EvaluateSettings) -> list[str]:
    """The options that decide which pairs are judged and how, where they are not the usual ones."""
    usual = EvaluateSettings()
    words = [word for name in benchmarks.names if benchmarks.names != (POCKET,) for word in ("--benchmark", name)]
    for option, value in (
        ("--data", benchmarks.data),
        ("--grammar", protocol.grammar),
        ("--rubric", protocol.rubric),
        ("--reasoning", protocol.reasoning),
        ("--truncate", protocol.truncate),
        ("--order", settings.order if settings.order != usual.order else None),
        ("--ties", settings.ties if settings.ties != usual.ties else None),
        ("--limit", settings.limit),
    ):
        words += [] if value is None else [option, str(value)]
    return words + (["--head"] if settings.head else [])


def _line(*words: str) -> str:
    return shlex.join(["edge-judge", *words])
