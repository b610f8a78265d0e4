"""The schemes of a model that are in question, and what they are compared with.

Knows: built files, the schemes of the embedded judge, recorded baselines. Does not know: how it is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from edge_judge.errors import DataError, ModelError, RunError, UsageError
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import Benchmark, Identity, Judge, Run
from edge_judge.report.formatting import size
from edge_judge.runs import folder as run_folder
from edge_judge.workflows.fitting_scheme import needed_bytes, widest_fitting
from edge_judge.workflows.judges import find_judge
from edge_judge.workflows.memory_advice import SCHEMES
from edge_judge.workflows.model_files import SHIPPED, built_schemes, find_built, recorded_scheme
from edge_judge.workflows.models import machine_memory
from edge_judge.workflows.options import POCKET, JudgeOptions, LadderOptions, ProtocolOptions
from edge_judge.workflows.own_files import named_scheme
from edge_judge.workflows.protocol import check_references, protocol_for
from quantize import lock

TRIED = ("q4_k_m", "q2_k")  # what is advised beside a baseline, the first that it is not


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark, and how it is judged. asked: its pairs without those that are left out."""

    benchmark: Benchmark
    protocol: Protocol
    asked: Benchmark

    def of(self, run: Run) -> Run:
        """A run without verdicts on pairs that are left out."""
        if len(self.asked.pairs) == len(self.benchmark.pairs):
            return run
        asked = {pair.id for pair in self.asked.pairs}
        return replace(run, verdicts=tuple(verdict for verdict in run.verdicts if verdict.id in asked))


def ladder_judges(options: LadderOptions) -> list[Judge]:
    """The schemes in question, the largest file first. Raises ModelError where there is none but the baseline."""
    if options.ggufs:
        return _judges_of_files(options)
    model = options.model or POCKET
    baseline = options.baseline if _run_folder(options) else recorded_scheme(model, options.baseline)
    if options.schemes:
        names = [recorded_scheme(model, name) for name in options.schemes]
    elif model in SHIPPED:  # with the package, so any scheme can be built at once
        names = list(SCHEMES)
    else:
        names = built_schemes(model)
    wanted = [scheme for scheme in dict.fromkeys(names) if scheme != baseline]
    _check_built(model, options, wanted)
    judges = [_judge(model, options, scheme) for scheme in wanted]
    return sorted(judges, key=lambda judge: judge.bytes, reverse=True)


def _check_built(model: str, options: LadderOptions, wanted: Sequence[str]) -> None:
    """Raises ModelError where a scheme in question is not built, and says what all is missing."""
    if options.schemes and not wanted:
        raise ModelError(f"no scheme of {model} but {options.baseline}, the baseline, is named", "name another scheme")
    if model in SHIPPED:
        return
    if not built_schemes(model):
        lock.read().model(model)  # raises with the nearest names where there is no such model
    missing = [scheme for scheme in wanted if find_built(model, scheme) is None]
    if wanted and not missing:
        return
    tried = next(scheme for scheme in TRIED if scheme != options.baseline)
    builds = " and ".join(f"edge-judge quantize {model} {scheme}" for scheme in missing or [tried])
    others = f"no scheme of {model} but its baseline is built on this machine"
    named = f"{model} {' and '.join(missing)}: not built on this machine" if missing else others
    raise ModelError(named, f"build with {builds}{_baseline_hint(model, options)}")


def _baseline_hint(model: str, options: LadderOptions) -> str:
    """How the baseline comes here too, where it is not."""
    if _run_folder(options):
        return ""
    scheme = recorded_scheme(model, options.baseline)
    if model in SHIPPED or find_built(model, scheme):
        return ""
    return f"; the baseline: {baseline_advice(model, scheme)}"


def baseline_advice(model: str, scheme: str) -> str:
    """The command that builds a baseline; where this machine has not the memory for it, what can be done instead."""
    needed = needed_bytes(model, scheme)
    if needed is None or needed <= machine_memory():
        return f"edge-judge quantize {model} {scheme}"
    advice = f"{scheme} takes {size(needed)} of memory, and this machine has {size(machine_memory())}: "
    other = widest_fitting(model)
    if other is not None and other != scheme:
        advice += f"--baseline {other} (edge-judge quantize {model} {other}), or "
    return f"{advice}edge-judge pack import of a run of {scheme} from another machine"


def _judge(model: str, options: LadderOptions, scheme: str) -> Judge:
    return find_judge(JudgeOptions(model, scheme, chat_template=options.chat_template))


def _judges_of_files(options: LadderOptions) -> list[Judge]:
    """The judges in the files that are named, the largest first, without the baseline."""
    judges = _files(options)
    if options.schemes:
        raise UsageError("--scheme does not go with --gguf", "name the files of the schemes in question")
    chosen = [judge for judge in judges if judge is not _baseline_file(options, judges)]
    if not chosen:
        raise UsageError(
            f"{judges[0].gguf} is the baseline itself ({judges[0].scheme})", "--gguf once more names a file to compare"
        )
    return sorted(chosen, key=lambda judge: judge.bytes, reverse=True)


def _files(options: LadderOptions) -> list[Judge]:
    """A judge for each file. Raises UsageError where they are not schemes of one model, each once."""
    judges = [
        find_judge(JudgeOptions(options.model, gguf=gguf, chat_template=options.chat_template))
        for gguf in options.ggufs
    ]
    if len(models := dict.fromkeys(judge.model for judge in judges)) > 1:
        raise UsageError(f"the files are of several models: {', '.join(models)}", "--model NAME says that they are one")
    for scheme, files in groupby(sorted(judges, key=lambda judge: judge.scheme), lambda judge: judge.scheme):
        if len(named := [str(judge.gguf) for judge in files]) > 1:
            raise UsageError(f"{' and '.join(named)} are both {scheme}", "leave one out")
    return judges


def _baseline_file(options: LadderOptions, judges: Sequence[Judge]) -> Judge | None:
    if _run_folder(options):
        return None
    return next((judge for judge in judges if judge.scheme == named_scheme(options.baseline)), None)


def _model(options: LadderOptions) -> str:
    """What the model is called."""
    return _files(options)[0].model if options.ggufs else options.model or POCKET


def baseline_judge(options: LadderOptions) -> Judge | None:
    """The baseline's judge where its file is here, or can be built at once; None for a recorded run."""
    if _run_folder(options):
        return None
    if options.ggufs and (judge := _baseline_file(options, _files(options))) is not None:
        return judge
    model = _model(options)
    scheme = recorded_scheme(model, options.baseline)
    if (model in SHIPPED and not options.ggufs) or find_built(model, scheme):
        return _judge(model, options, scheme)
    return None


def judging_tasks(
    judge: Judge, benchmarks: Sequence[Benchmark], asked: Sequence[Benchmark], options: ProtocolOptions
) -> list[Task]:
    """How each benchmark is judged. asked: as in `Task`. Raises DataError where there is none."""
    tasks = [
        Task(whole, protocol_for(judge, options, ties=whole.ties), part)
        for whole, part in zip(benchmarks, asked, strict=True)
    ]
    for task in tasks:
        check_references(task.protocol, task.asked)
    if not tasks:
        raise DataError("no benchmark to decide on", "choose one of `edge-judge data list` with --benchmark")
    return tasks


def recorded_baseline(options: LadderOptions, tasks: Sequence[Task], results: Path) -> list[Run]:
    """The baseline's runs as they were recorded, or imported from packs. Raises RunError where one is missing.

    A baseline that is a run's folder may be of another model, as one at an endpoint: its runs on further benchmarks lie
    beside it.
    """
    recorded = _run_folder(options)
    if recorded is not None:
        return [_beside(recorded, task) for task in tasks]
    model = _model(options)
    scheme = recorded_scheme(model, options.baseline)
    runs = []
    for task in tasks:
        path = run_folder.folder(results, Identity(task.benchmark.name, model, scheme, task.protocol.grammar.name))
        if not run_folder.is_complete(path):
            raise RunError(
                f"{path}: no {scheme} run to compare with, and {model} {scheme} is not built on this machine",
                f"edge-judge pack import brings one from a machine that has it; or {baseline_advice(model, scheme)}",
            )
        runs.append(run_folder.read_run(path))
    return runs


def _run_folder(options: LadderOptions) -> Path | None:
    """The run's folder that the baseline names; None where it names a scheme."""
    path = Path(options.baseline)
    return path if (path / "run.json").exists() else None


def _beside(path: Path, task: Task) -> Run:
    """The run of the judge in a folder on a benchmark, which is the one there or one beside it."""
    named = run_folder.read_run(path)
    identity = replace(named.identity, benchmark=task.benchmark.name, grammar=task.protocol.grammar.name)
    if identity == named.identity:
        return named
    place = run_folder.folder(path.resolve().parents[3], identity)
    if not run_folder.is_complete(place):
        raise RunError(
            f"{place}: no run to compare with",
            f"the baseline needs a run of {identity.model} on each benchmark; edge-judge eval makes one",
        )
    return run_folder.read_run(place)
