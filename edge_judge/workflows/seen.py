"""Pairs that a judge's file was made with, which say nothing about how well it judges.

Importances were measured on them, or an adapter was trained on them; the file names them by their fingerprints. A run
on such pairs is refused, or leaves them out, or is made and says how many they were.
Knows: what a file names, and what a run is to do about it. Does not know: how a run is judged or compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_judge.benchmarks.fingerprint import fingerprint
from edge_judge.errors import DataError, RunError
from edge_judge.quantities import counted
from edge_judge.records import Benchmark, Judge, ProgressListener, Verdict
from edge_judge.runs import folder as run_folder
from edge_judge.workflows.options import Seen
from quantize import pairs_seen

if TYPE_CHECKING:  # with pandas, which judging does not need
    from edge_judge.metrics.recorded import RecordedRun

NOTE = "seen"  # in run.json, beside the settings: it decides no verdict
OTHERS = "--unseen judges only the others, --allow-seen judges them all and marks the run"


@dataclass(frozen=True, slots=True)
class SeenPairs:
    """pairs: ids of those of a benchmark that a judge's file was made with."""

    judge: Judge
    benchmark: Benchmark
    pairs: frozenset[str]

    def __str__(self) -> str:
        name, of_all = f"{self.judge.model} {self.judge.scheme}", len(self.benchmark.pairs)
        return f"{self.benchmark.name}: {name} was made with {len(self.pairs):,} of its {counted(of_all, 'pair')}"


def seen_by(judge: Judge, benchmark: Benchmark) -> SeenPairs:
    """The pairs of a benchmark that a judge's file was made with; none are known of a file that is not here."""
    files = (judge.gguf, judge.adapter.path if judge.adapter is not None else None)
    named = frozenset[str]().union(*(pairs_seen.of_file(path) for path in files if path is not None))
    ids = frozenset(pair.id for pair in benchmark.pairs if named and fingerprint(pair) in named)
    return SeenPairs(judge, benchmark, ids)


def to_judge(benchmark: Benchmark, seen: Sequence[SeenPairs], do: Seen, listener: ProgressListener) -> Benchmark:
    """What is judged of a benchmark, by what was seen of it and what is to be done about that.

    Raises DataError where seen pairs are refused, or no other is left.
    """
    concerned = [one for one in seen if one.pairs]
    if concerned and do == "refuse":
        raise DataError(str(concerned[0]), OTHERS)
    if do != "leave out":
        for one in concerned:
            listener.note(f"not a fair test: {one}")
        return benchmark
    left_out = frozenset[str]().union(*(one.pairs for one in concerned))
    if not left_out:
        return benchmark
    others = tuple(pair for pair in benchmark.pairs if pair.id not in left_out)
    if not others:
        raise DataError(str(concerned[0]), f"no other pair of {benchmark.name} is left: take another benchmark")
    listener.note(f"{benchmark.name}: {counted(len(left_out), 'pair')} left out that a judge's file was made with")
    return replace(benchmark, pairs=others)


def note_seen(folder: run_folder.RunFolder, seen: SeenPairs, verdicts: Collection[Verdict]) -> int:
    """Note with a run how many of its pairs the judge's file was made with. Returns how many."""
    judged = len({verdict.id for verdict in verdicts} & seen.pairs)
    if judged or run_folder.noted(folder.path, NOTE):
        folder.add(NOTE, {"pairs": judged})
    return judged


def fair(runs: Mapping[Path, RecordedRun], do: Seen, listener: ProgressListener) -> dict[Path, RecordedRun]:
    """Recorded runs without those on pairs that the judge's file was made with, or with a note on each of them.

    Raises RunError where they are refused, naming the first, and where no other is left.
    """
    counts = {path: (run_folder.noted(path, NOTE) or {}).get("pairs", 0) for path in runs}
    for path, pairs in counts.items():
        if pairs and do == "refuse":
            raise RunError(
                f"{path}: the judge's file was made with {pairs:,} of the pairs of this run",
                "edge-judge eval --fresh --unseen judges only the others; --unseen leaves out the run, "
                "--allow-seen compares it all the same",
            )
        if pairs:
            what = "left out" if do == "leave out" else "seen, not a fair test"
            listener.note(f"{path}: {what}: the judge's file was made with {pairs:,} of its pairs")
    kept = {path: run for path, run in runs.items() if do == "allow" or not counts[path]}
    if not kept:
        raise RunError("no run is left whose pairs the judge's file was not made with", "edge-judge eval makes one")
    return kept
