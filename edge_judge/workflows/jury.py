"""Several judges' verdicts combined, and how far they agree.

Knows: the runs. Does not know: how votes are combined.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_judge.analysis import jury as analysis
from edge_judge.analysis.jury import Jury
from edge_judge.errors import UsageError
from edge_judge.workflows.recorded import read_same_benchmark


def jury(paths: Sequence[Path | str], data: Path | str | None = None) -> Jury:
    """The verdicts of at least two runs on one benchmark, by majority and by mean probability.

    paths: the runs' folders; data: the folder of the benchmarks' files.
    """
    if len(paths) < 2:
        raise UsageError("a jury needs at least two runs, got one", "name the folders of several runs on one benchmark")
    return analysis.jury(read_same_benchmark(paths, data))
