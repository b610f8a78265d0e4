"""Judges by benchmarks, ours beside the published figures.

Knows: which runs are in the table, and where their baselines lie. Does not know: what a cell holds.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import groupby

from edge_judge.analysis import leaderboard
from edge_judge.analysis.leaderboard import API, BASELINE, Leaderboard, Profile
from edge_judge.records import ProgressListener
from edge_judge.workflows.options import RESULTS, RunsOptions
from edge_judge.workflows.published import read_published
from edge_judge.workflows.recorded import RunReader, find_runs, read_siblings

SCHEME = "q4_k_m"  # what is proposed where a judge was never run


def table(
    runs: RunsOptions = RunsOptions(),
    profile: Profile = "paper",
    listener: ProgressListener = ProgressListener(),
) -> Leaderboard:
    """The table of these runs, which may be none: then it is the published one.

    profile: `paper`, made as the published figures, or `strict`.
    """
    reader = RunReader(runs.data)
    recorded = find_runs(runs, reader, listener)
    if not recorded:
        listener.note(f"{runs.results}: no runs in this folder, only published figures; edge-judge eval makes a run")
    baselines = {}
    if runs.paths:  # else the f16 runs that can be scored are among these
        baselines = read_siblings(
            recorded, BASELINE, reader, lambda path, error: listener.note(f"no difference from {path}: {error}")
        )
    content = leaderboard.build(list(recorded.values()), read_published(), profile, list(baselines.values()))
    for remark in content.remarks:
        listener.note(remark)
    return content


def to_fill(content: Leaderboard, runs: RunsOptions = RunsOptions()) -> list[str]:
    """The commands that judge what published judges were not run on, a line for all judges that lack the same
    benchmarks. None where runs were named: others may be there.
    """
    if runs.paths:
        return []
    lacking: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    for judge, judged in _judged(content):
        if missing := tuple(name for name in content.published if name not in judged):
            lacking.setdefault((not judged, missing), []).append(judge)
    return [
        f"to fill in what was not run: {_command(missing, judges, content, runs)}"
        for (_, missing), judges in lacking.items()
    ]


def _judged(content: Leaderboard) -> Iterator[tuple[str, set[str]]]:
    """The options that name each judge of the published table that can be run here, and what it was run on."""
    for model, group in groupby(content.rows, key=lambda row: row.model):
        rows = list(group)
        if not any(row.published and row.published.precision != API for row in rows):
            continue
        ours = [row for row in rows if not row.published]
        if not ours:
            yield f"--model {model}", set()
        for row in ours:
            name = shlex.join(["--model", row.model, "--scheme", str(row.scheme), "--grammar", str(row.grammar)])
            yield name, {cell.benchmark for cell in row.cells if cell.figure is not None}


def _command(missing: tuple[str, ...], judges: list[str], content: Leaderboard, runs: RunsOptions) -> str:
    names = ("all",) if missing == content.published else missing
    options = [part for name in names for part in ("--benchmark", name)]
    if "--scheme" not in judges[0]:  # of what was never run
        options = ["--scheme", SCHEME, *options]
    if runs.data is not None:
        options += ["--data", str(runs.data)]
    if runs.results != RESULTS:
        options += ["--results", str(runs.results)]
    first, *others = judges
    also = f"; the same with {', '.join(others)}" if others else ""
    return f"edge-judge eval {first} {shlex.join(options)}{also}"
