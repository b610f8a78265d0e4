"""Judges by benchmarks, ours beside the published figures.

Knows: which runs are in the table, and where their baselines lie. Does not know: what a cell holds.
"""

from __future__ import annotations

from edge_judge.analysis import leaderboard
from edge_judge.analysis.leaderboard import BASELINE, Leaderboard, Profile
from edge_judge.records import ProgressListener
from edge_judge.workflows.options import RunsOptions
from edge_judge.workflows.published import read_published
from edge_judge.workflows.recorded import RunReader, find_runs, read_siblings


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
