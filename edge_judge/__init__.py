"""Judging language-model answers with quantized models on a laptop.

The names in `__all__` are the library: a function for everything a command does, the options it takes and the results
it gives. Each is loaded when it is first used, so importing the package costs nothing.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edge_judge.version import __version__

__all__ = [
    "__version__", "AddedModel", "Attribution", "AttributionChain", "AttributionSettings", "Benchmark",
    "BenchmarkOptions", "BenchmarkTime", "BuildProgress", "Cascade", "ChooseSettings", "ChosenScheme", "ClusterOptions",
    "ComparedRuns", "Comparison", "Confident", "Decision", "Diagnosis", "EdgeJudgeError", "EvaluateSettings",
    "ExportedPack", "Figure", "ImatrixSettings", "ImportSettings", "Judge", "JudgeOptions", "JudgedPair", "Jury",
    "KnownBenchmark", "KnownModel", "LabelOptions", "LadderDecision", "LadderOptions", "Leaderboard", "Limits",
    "LockState", "MadeImatrix", "MeasuredSpeed", "MemoryLimitError", "ModelSource", "Noise", "OutputsOptions", "Pack",
    "Pair", "Placement", "Progress", "ProgressListener", "ProtocolOptions", "PublishedComparison", "QuantizeSettings",
    "QuantizedModel", "RandomWeights", "RankSettings", "RankedSystems", "Rankings", "Recipe", "ReportSettings",
    "RunsOptions", "Score", "ScoreRow", "Slices", "TrainSettings", "TrainedJudge", "Verdict", "WorkEstimate",
    "WorkerSettings", "WrittenReport", "add_model", "attribute", "cascade", "check_file", "check_lock", "choose",
    "compare", "compare_published", "confidence", "demo", "doctor", "evaluate", "export_pack", "imatrix", "import_pack",
    "judge", "jury", "list_benchmarks", "lock_sources", "models", "pull_benchmarks", "quantize", "rank", "read_pack",
    "remove_model", "report", "runs_frame", "slices", "speed", "table", "train", "verify_benchmarks", "worker",
]  # fmt: skip

if TYPE_CHECKING:  # where each name is defined: for type checkers, editors, and `_modules`
    from edge_judge.analysis.attribution import Attribution
    from edge_judge.analysis.cascade import Cascade
    from edge_judge.analysis.compare import Comparison
    from edge_judge.analysis.decision import Decision
    from edge_judge.analysis.jury import Jury
    from edge_judge.analysis.ladders import LadderDecision
    from edge_judge.analysis.leaderboard import Leaderboard
    from edge_judge.analysis.ranking.standings import RankedSystems
    from edge_judge.analysis.slices import Slices
    from edge_judge.errors import EdgeJudgeError, MemoryLimitError
    from edge_judge.metrics.published import PublishedComparison
    from edge_judge.records import (
        Benchmark,
        BuildProgress,
        Diagnosis,
        Figure,
        Judge,
        Limits,
        Noise,
        Pair,
        Placement,
        Progress,
        ProgressListener,
        Score,
        Verdict,
        WorkEstimate,
    )
    from edge_judge.report.scores import ScoreRow
    from edge_judge.report.selective import Confident
    from edge_judge.runs.frame import runs_frame
    from edge_judge.runs.packs import Pack
    from edge_judge.training.recipe import Recipe
    from edge_judge.workflows.attribute import AttributionChain, attribute
    from edge_judge.workflows.build import QuantizedModel, quantize
    from edge_judge.workflows.cascade import cascade
    from edge_judge.workflows.choose import ChosenScheme, choose
    from edge_judge.workflows.cluster import worker
    from edge_judge.workflows.compare import ComparedRuns, compare, compare_published
    from edge_judge.workflows.data import (
        KnownBenchmark,
        check_file,
        list_benchmarks,
        pull_benchmarks,
        verify_benchmarks,
    )
    from edge_judge.workflows.demo import demo
    from edge_judge.workflows.doctor import doctor
    from edge_judge.workflows.evaluate import evaluate
    from edge_judge.workflows.imatrix import MadeImatrix, imatrix
    from edge_judge.workflows.judge_pair import JudgedPair, judge
    from edge_judge.workflows.jury import jury
    from edge_judge.workflows.lock import LockState, ModelSource, check_lock, lock_sources
    from edge_judge.workflows.models import KnownModel, models
    from edge_judge.workflows.options import (
        AttributionSettings,
        BenchmarkOptions,
        ChooseSettings,
        ClusterOptions,
        EvaluateSettings,
        ImatrixSettings,
        ImportSettings,
        JudgeOptions,
        LabelOptions,
        LadderOptions,
        OutputsOptions,
        ProtocolOptions,
        QuantizeSettings,
        RandomWeights,
        RankSettings,
        ReportSettings,
        RunsOptions,
        TrainSettings,
        WorkerSettings,
    )
    from edge_judge.workflows.packs import ExportedPack, export_pack, import_pack, read_pack
    from edge_judge.workflows.rank import Rankings, rank
    from edge_judge.workflows.registry import AddedModel, add_model, remove_model
    from edge_judge.workflows.report import WrittenReport, report
    from edge_judge.workflows.selective import confidence
    from edge_judge.workflows.slices import slices
    from edge_judge.workflows.speed import BenchmarkTime, MeasuredSpeed, speed
    from edge_judge.workflows.table import table
    from edge_judge.workflows.train import TrainedJudge, train


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_modules()[name]), name)
    return value


@cache
def _modules() -> dict[str, str]:
    """The module of each public name, read from the imports above, which are not executed."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    imports = (node for block in tree.body if isinstance(block, ast.If) for node in block.body)
    return {name.name: str(node.module) for node in imports if isinstance(node, ast.ImportFrom) for name in node.names}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Library(ModuleType):
    """`report` is a function of the library and also a wing, which the import system would put in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Library
