"""Judging language-model answers with quantized models on a laptop.

The names in `__all__` are the library: a function for everything a command does, the options it takes and the results
it gives. Each is loaded when it is first used, so importing the package costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_NAMES = {
    "errors": "EdgeJudgeError MemoryLimitError",
    "records": "Benchmark BuildProgress Figure Judge Limits Noise Pair Progress ProgressListener Score Verdict "
    "WorkEstimate",
    "metrics.published": "PublishedComparison",
    "analysis.attribution": "Attribution",
    "analysis.cascade": "Cascade",
    "analysis.compare": "Comparison",
    "analysis.decision": "Decision",
    "analysis.jury": "Jury",
    "analysis.leaderboard": "Leaderboard",
    "report.scores": "ScoreRow",
    "report.selective": "Confident",
    "runs.frame": "runs_frame",
    "runs.packs": "Pack",
    "workflows.attribute": "attribute AttributionChain AttributionSettings",
    "workflows.build": "quantize QuantizedModel QuantizeSettings",
    "workflows.cascade": "cascade",
    "workflows.choose": "choose ChooseSettings ChosenScheme",
    "workflows.compare": "compare compare_published",
    "workflows.data": "check_file list_benchmarks pull_benchmarks verify_benchmarks KnownBenchmark",
    "workflows.demo": "demo",
    "workflows.evaluate": "evaluate EvaluateSettings",
    "workflows.judge_pair": "judge JudgedPair",
    "workflows.jury": "jury",
    "workflows.lock": "check_lock lock_sources LockState ModelSource",
    "workflows.models": "models KnownModel",
    "workflows.options": "BenchmarkOptions JudgeOptions LadderOptions ProtocolOptions RunsOptions",
    "workflows.packs": "export_pack import_pack read_pack ExportedPack ImportSettings",
    "workflows.random_weights": "RandomWeights",
    "workflows.report": "report ReportSettings WrittenReport",
    "workflows.selective": "confidence",
    "workflows.speed": "speed BenchmarkTime MeasuredSpeed",
    "workflows.table": "table",
}
_HOMES = {name: f"edge_judge.{module}" for module, names in _NAMES.items() for name in names.split()}
__all__ = ["__version__", *sorted(_HOMES)]

if TYPE_CHECKING:  # the same names for type checkers and editors; a test holds them equal
    from edge_judge.analysis.attribution import Attribution as Attribution
    from edge_judge.analysis.cascade import Cascade as Cascade
    from edge_judge.analysis.compare import Comparison as Comparison
    from edge_judge.analysis.decision import Decision as Decision
    from edge_judge.analysis.jury import Jury as Jury
    from edge_judge.analysis.leaderboard import Leaderboard as Leaderboard
    from edge_judge.errors import EdgeJudgeError as EdgeJudgeError
    from edge_judge.errors import MemoryLimitError as MemoryLimitError
    from edge_judge.metrics.published import PublishedComparison as PublishedComparison
    from edge_judge.records import Benchmark as Benchmark
    from edge_judge.records import BuildProgress as BuildProgress
    from edge_judge.records import Figure as Figure
    from edge_judge.records import Judge as Judge
    from edge_judge.records import Limits as Limits
    from edge_judge.records import Noise as Noise
    from edge_judge.records import Pair as Pair
    from edge_judge.records import Progress as Progress
    from edge_judge.records import ProgressListener as ProgressListener
    from edge_judge.records import Score as Score
    from edge_judge.records import Verdict as Verdict
    from edge_judge.records import WorkEstimate as WorkEstimate
    from edge_judge.report.scores import ScoreRow as ScoreRow
    from edge_judge.report.selective import Confident as Confident
    from edge_judge.runs.frame import runs_frame as runs_frame
    from edge_judge.runs.packs import Pack as Pack
    from edge_judge.workflows.attribute import AttributionChain as AttributionChain
    from edge_judge.workflows.attribute import AttributionSettings as AttributionSettings
    from edge_judge.workflows.attribute import attribute as attribute
    from edge_judge.workflows.build import QuantizedModel as QuantizedModel
    from edge_judge.workflows.build import QuantizeSettings as QuantizeSettings
    from edge_judge.workflows.build import quantize as quantize
    from edge_judge.workflows.cascade import cascade as cascade
    from edge_judge.workflows.choose import ChooseSettings as ChooseSettings
    from edge_judge.workflows.choose import ChosenScheme as ChosenScheme
    from edge_judge.workflows.choose import choose as choose
    from edge_judge.workflows.compare import compare as compare
    from edge_judge.workflows.compare import compare_published as compare_published
    from edge_judge.workflows.data import KnownBenchmark as KnownBenchmark
    from edge_judge.workflows.data import check_file as check_file
    from edge_judge.workflows.data import list_benchmarks as list_benchmarks
    from edge_judge.workflows.data import pull_benchmarks as pull_benchmarks
    from edge_judge.workflows.data import verify_benchmarks as verify_benchmarks
    from edge_judge.workflows.demo import demo as demo
    from edge_judge.workflows.evaluate import EvaluateSettings as EvaluateSettings
    from edge_judge.workflows.evaluate import evaluate as evaluate
    from edge_judge.workflows.judge_pair import JudgedPair as JudgedPair
    from edge_judge.workflows.judge_pair import judge as judge
    from edge_judge.workflows.jury import jury as jury
    from edge_judge.workflows.lock import LockState as LockState
    from edge_judge.workflows.lock import ModelSource as ModelSource
    from edge_judge.workflows.lock import check_lock as check_lock
    from edge_judge.workflows.lock import lock_sources as lock_sources
    from edge_judge.workflows.models import KnownModel as KnownModel
    from edge_judge.workflows.models import models as models
    from edge_judge.workflows.options import BenchmarkOptions as BenchmarkOptions
    from edge_judge.workflows.options import JudgeOptions as JudgeOptions
    from edge_judge.workflows.options import LadderOptions as LadderOptions
    from edge_judge.workflows.options import ProtocolOptions as ProtocolOptions
    from edge_judge.workflows.options import RunsOptions as RunsOptions
    from edge_judge.workflows.packs import ExportedPack as ExportedPack
    from edge_judge.workflows.packs import ImportSettings as ImportSettings
    from edge_judge.workflows.packs import export_pack as export_pack
    from edge_judge.workflows.packs import import_pack as import_pack
    from edge_judge.workflows.packs import read_pack as read_pack
    from edge_judge.workflows.random_weights import RandomWeights as RandomWeights
    from edge_judge.workflows.report import ReportSettings as ReportSettings
    from edge_judge.workflows.report import WrittenReport as WrittenReport
    from edge_judge.workflows.report import report as report
    from edge_judge.workflows.selective import confidence as confidence
    from edge_judge.workflows.speed import BenchmarkTime as BenchmarkTime
    from edge_judge.workflows.speed import MeasuredSpeed as MeasuredSpeed
    from edge_judge.workflows.speed import speed as speed
    from edge_judge.workflows.table import table as table


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Library(ModuleType):
    """`report` is a function of the library and also a wing, which the import system would put in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Library
