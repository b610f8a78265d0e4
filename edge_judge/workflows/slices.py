"""A judge in slices: by category, length and author, beside its baseline.

Knows: which runs go together, and where their baselines are. Does not know: what is computed of a slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge_judge import benchmarks
from edge_judge.analysis.slices import Part, Slices
from edge_judge.analysis.slices import slices as in_slices
from edge_judge.errors import RunError
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Identity, ProgressListener
from edge_judge.workflows.compare import find_baseline
from edge_judge.workflows.options import RunsOptions
from edge_judge.workflows.recorded import RunReader, require_runs

BASELINE = "f16"  # where none is named


def slices(
    runs: RunsOptions = RunsOptions(),
    baseline: str | None = None,
    listener: ProgressListener = ProgressListener(),
) -> list[Slices]:
    """Each run in slices, by benchmark, and within one as the runs were named.

    Runs of one judge on the sets of a suite (LLMBar) are one: each set is a category. baseline: as in `compare`; by
    default the f16 run beside each run, and a note says where there is none. Raises RunError for runs that cannot be
    compared.
    """
    reader = RunReader(runs.data)
    recorded = require_runs(runs, reader, listener)
    found = []
    for together in _together(recorded).values():
        parts = _parts(together, baseline, reader, listener)
        found.append(in_slices(parts, _suite(parts[0][0].identity)))
    return sorted(found, key=lambda one: one.identity.benchmark)  # which is stable


def _suite(identity: Identity) -> str:
    """What the benchmark is a set of, or its own name."""
    source = benchmarks.REGISTRY.get(identity.benchmark)
    return (source.suite if source else "") or identity.benchmark


def _together(recorded: Mapping[Path, RecordedRun]) -> dict[tuple[str, ...], dict[Path, RecordedRun]]:
    """The runs of one judge on the sets of one suite; a run that stands alone is by itself, and so is a second one."""
    groups: dict[tuple[str, ...], dict[Path, RecordedRun]] = {}
    for path, run in recorded.items():
        who = run.identity
        key: tuple[str, ...] = (_suite(who), who.model, who.scheme, who.grammar)
        if any(other.identity.benchmark == who.benchmark for other in groups.get(key, {}).values()):
            key = (*key, str(path))
        groups.setdefault(key, {})[path] = run
    return groups


def _parts(
    together: Mapping[Path, RecordedRun], named: str | None, reader: RunReader, listener: ProgressListener
) -> list[Part]:
    """Each run with its baseline; all without one where nobody named it and one is not there, or a run is it itself."""
    try:
        parts = [(run, find_baseline(path, run, named or BASELINE, reader)) for path, run in together.items()]
    except RunError as error:
        if named is not None:
            raise
        listener.note(f"no baseline: {error}")
        return [(run, None) for run in together.values()]
    if any(run.run.identity == other.run.identity for run, other in parts):
        return [(run, None) for run in together.values()]
    return list(parts)
