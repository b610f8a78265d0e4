"""Every verdict of recorded runs as one pandas data frame, for whoever computes something of their own.

A row is a verdict. Its first columns are the run's: `benchmark`, `model`, `scheme` and `grammar`, each a category; the
others are those of `metrics/verdict_frame.py`. Rows are in the order of the runs and, within one, of verdicts.jsonl.

Knows: runs' folders. Does not know: benchmarks, so neither the questions nor the human labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import pandas as pd

from edge_judge.metrics.verdict_frame import verdict_frame
from edge_judge.records import Identity, Run
from edge_judge.runs.folder import find_runs, read_run


def runs_frame(results: Path | str | Iterable[Path | str] = "results") -> pd.DataFrame:
    """The verdicts of all complete runs below a results folder, or of the runs in several folders. For example:

        runs_frame("results").groupby(["scheme", "order"], observed=True)["verdict"].value_counts(normalize=True)

    Raises RunError for a folder of several that holds no complete run.
    """
    paths = find_runs(Path(results)) if isinstance(results, str | Path) else [Path(path) for path in results]
    runs = [read_run(path) for path in paths]
    verdicts = verdict_frame([verdict for run in runs for verdict in run.verdicts])
    return pd.concat([_identities(runs), verdicts], axis=1)


def _identities(runs: Sequence[Run]) -> pd.DataFrame:
    """The run of each verdict."""
    rows = [astuple(run.identity) for run in runs for _ in run.verdicts]
    return pd.DataFrame(rows, columns=[field.name for field in fields(Identity)], dtype=object).astype("category")
