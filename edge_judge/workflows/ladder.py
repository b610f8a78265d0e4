"""The schemes of a model that are in question, and what they are compared with.

Knows: built files, the schemes of the embedded judge, recorded baselines. Does not know: how it is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge_judge.errors import DataError, ModelError, RunError
from edge_judge.protocols.protocol import Protocol
from edge_judge.records import ORDERS, Benchmark, Identity, Judge, Run
from edge_judge.runs import folder as run_folder
from edge_judge.workflows.judges import find_judge
from edge_judge.workflows.memory_advice import SCHEMES
from edge_judge.workflows.model_files import SHIPPED, built_schemes, find_built
from edge_judge.workflows.options import JudgeOptions, LadderOptions, ProtocolOptions
from edge_judge.workflows.protocol import check_references, protocol_for
from quantize import schemes


def ladder_judges(options: LadderOptions) -> list[Judge]:
    """The schemes in question, the largest file first. Raises ModelError where there is none but the baseline."""
    model, baseline = options.model, schemes.canonical(options.baseline)
    if options.schemes:
        wanted = [schemes.canonical(name) for name in options.schemes]
    elif model in SHIPPED:  # with the package, so any scheme can be built at once
        wanted = list(SCHEMES)
    else:
        wanted = built_schemes(model)
    asked = JudgeOptions(model, threads=options.threads, chat_template=options.chat_template)
    judges = [find_judge(replace(asked, scheme=scheme)) for scheme in dict.fromkeys(wanted) if scheme != baseline]
    if not judges:
        raise ModelError(
            f"no scheme of {model} but {baseline} is built on this machine",
            f"edge-judge quantize {model} q4_k_m builds one" if not options.schemes else "name one beside the baseline",
        )
    return sorted(judges, key=lambda judge: judge.bytes, reverse=True)


def baseline_judge(options: LadderOptions) -> Judge | None:
    """The baseline's judge where its file is here, or can be built at once."""
    scheme = schemes.canonical(options.baseline)
    if options.model in SHIPPED or find_built(options.model, scheme):
        return find_judge(JudgeOptions(options.model, scheme, chat_template=options.chat_template))
    return None


def protocols_for(
    judge: Judge, benchmarks: Sequence[Benchmark], options: ProtocolOptions
) -> list[tuple[Benchmark, Protocol]]:
    """How each benchmark is judged. Raises DataError where there is none."""
    protocols = []
    for benchmark in benchmarks:
        protocol = protocol_for(judge, options, orders=ORDERS, ties=benchmark.ties)
        check_references(protocol, benchmark)
        protocols.append((benchmark, protocol))
    if not protocols:
        raise DataError("no benchmark is here to decide on", "--benchmark names one, edge-judge data list tells")
    return protocols


def recorded_baseline(
    options: LadderOptions, protocols: Sequence[tuple[Benchmark, Protocol]], results: Path
) -> list[Run]:
    """The baseline's runs as they were recorded, or imported from packs. Raises RunError where one is missing."""
    model, scheme = options.model, schemes.canonical(options.baseline)
    runs = []
    for benchmark, protocol in protocols:
        path = run_folder.folder(results, Identity(benchmark.name, model, scheme, protocol.grammar.name))
        if not run_folder.is_complete(path):
            raise RunError(
                f"{path}: no {scheme} run there to compare with, and {model} {scheme} is not built on this machine",
                f"edge-judge pack import brings one from a machine that has it; edge-judge quantize {model} {scheme} "
                f"builds it",
            )
        runs.append(run_folder.read_run(path))
    return runs
