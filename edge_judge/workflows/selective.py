"""How often a judge is wrong when only the pairs it is surest of are answered.

Knows: which runs have probabilities. Does not know: how curves are computed or shown.
"""

from __future__ import annotations

from edge_judge.analysis import selective
from edge_judge.errors import RunError
from edge_judge.records import ProgressListener
from edge_judge.report.selective import Confident
from edge_judge.workflows.options import RunsOptions
from edge_judge.workflows.recorded import RunReader, find_runs


def confidence(
    runs: RunsOptions = RunsOptions(),
    abstain: float | None = None,
    listener: ProgressListener = ProgressListener(),
) -> list[Confident]:
    """Each run's curve of risk over coverage, by benchmark, and within one as the runs were named.

    abstain: a share in (0, 1]; the confidence from which surely fewer answers are wrong is then chosen too. A run that
    nobody named and that has no probabilities is left out with a note. Raises RunError where none is left.
    """
    curves: list[Confident] = []
    for path, run in find_runs(runs, RunReader(runs.data), listener).items():
        try:
            threshold = None if abstain is None else selective.abstain(run, abstain)
            curve = selective.risk_coverage(run), selective.coverage_points(run)
            curves.append(Confident(run.identity, *curve, threshold))
        except RunError as error:
            if runs.paths:
                raise
            listener.note(f"{path} left out: {error}")
    if not curves:
        raise RunError(
            f"{runs.results}: no complete run with probabilities in this folder", "edge-judge eval makes one"
        )
    return sorted(curves, key=lambda curve: curve.identity.benchmark)  # which is stable
