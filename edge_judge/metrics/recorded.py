"""A recorded run together with the benchmark that it judged: loaded once, aligned once, scored once.

Knows: a run, its benchmark, and what follows from the two of them.
Does not know: where either lies, or that there are other runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from edge_judge.errors import RunError
from edge_judge.metrics.alignment import Alignment, align
from edge_judge.metrics.scoring import score
from edge_judge.metrics.trials import Frame, aligned_trials, aligned_verdicts
from edge_judge.records import Benchmark, Identity, Run, Score
from edge_judge.settings import run_name


@dataclass(frozen=True)
class RecordedRun:
    """benchmark: the whole of it, of which the run may have judged a part.

    Raises RunError where the run is one on another benchmark; what is aligned raises as `align` does.
    """

    run: Run
    benchmark: Benchmark

    def __post_init__(self) -> None:
        if self.identity.benchmark != self.benchmark.name:
            raise RunError(f"{run_name(self.identity)} is not a run on {self.benchmark.name}")

    @property
    def identity(self) -> Identity:
        return self.run.identity

    @cached_property
    def judged(self) -> Benchmark:
        """The benchmark cut to the pairs that have a verdict."""
        ids = {verdict.id for verdict in self.run.verdicts}
        return replace(self.benchmark, pairs=tuple(pair for pair in self.benchmark.pairs if pair.id in ids))

    @cached_property
    def aligned(self) -> Alignment:
        return align(self.benchmark, self.run.verdicts)

    @cached_property
    def verdicts(self) -> Frame:
        """A row for each verdict, see `trials.py`."""
        return aligned_verdicts(self.aligned)

    @cached_property
    def trials(self) -> Frame:
        """A row for each verdict and human vote on its pair, see `trials.py`."""
        return aligned_trials(self.aligned, self.verdicts)

    @cached_property
    def score(self) -> Score:
        """The run's figures over the pairs that it judged."""
        return score(self.aligned, self.identity)
