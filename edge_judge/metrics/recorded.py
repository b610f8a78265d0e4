"""A recorded run together with the benchmark that it judged: loaded once, aligned once, scored once.

Knows: a run, its benchmark, and what follows from the two of them.
Does not know: where either lies, or that there are other runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from edge_judge.metrics.scoring import score
from edge_judge.records import Benchmark, Identity, Run, Score


@dataclass(frozen=True)
class RecordedRun:
    """benchmark: the whole of it, of which the run may have judged a part."""

    run: Run
    benchmark: Benchmark

    @property
    def identity(self) -> Identity:
        return self.run.identity

    @cached_property
    def judged(self) -> Benchmark:
        """The benchmark cut to the pairs that have a verdict."""
        ids = {verdict.id for verdict in self.run.verdicts}
        return replace(self.benchmark, pairs=tuple(pair for pair in self.benchmark.pairs if pair.id in ids))

    @cached_property
    def score(self) -> Score:
        """The run's figures over the pairs that it judged."""
        return score(self.judged, self.run.verdicts, self.identity)
