"""A small judge first, the pairs it is unsure of to a large one.

Knows: the two runs. Does not know: how thresholds are tried.
"""

from __future__ import annotations

from pathlib import Path

from edge_judge.analysis import cascade as analysis
from edge_judge.analysis.cascade import Cascade, Unit
from edge_judge.workflows.recorded import read_same_benchmark


def cascade(
    small: Path | str, large: Path | str, keep: float = 0.99, cost: Unit = "time", data: Path | str | None = None
) -> Cascade:
    """What each threshold would have gained and cost; nothing is judged anew.

    small, large: the folders of two runs on one benchmark; keep: the share of the large judge's accuracy that is to
    remain; cost: `time` as measured, or `bytes` of the weights; data: the folder of the benchmarks' files.
    """
    return analysis.cascade(*read_same_benchmark((small, large), data), keep=keep, unit=cost)
