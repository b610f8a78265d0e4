"""Toy reports and a large one, for the tests of the page."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import judgements

from edge_judge.analysis.compare import compare
from edge_judge.analysis.ladders import decide_ladders
from edge_judge.analysis.leaderboard import build
from edge_judge.analysis.paired_losses import Part
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Benchmark, Run
from edge_judge.report.page.data import Entry, Report


def entries(judged: Benchmark, runs: Sequence[Run], *, compared: bool = True) -> list[Entry]:
    """The runs as they stand on the page; the first is the baseline of all."""
    recorded = [RecordedRun(run, judged) for run in runs]
    return [
        Entry(run, compare(run, recorded[0]) if compared else None, 0 if compared else None) for run in recorded
    ]


def report(judged: Benchmark, *runs: Run, margin: float = 2.0, compared: bool = True) -> Report:
    found = entries(judged, runs, compared=compared)
    table = build([entry.run for entry in found], [])
    parts = [Part(entry.run, found[entry.baseline].run) for entry in found if entry.baseline is not None]
    return Report(tuple(found), table, margin, runs[0].identity.scheme, tuple(decide_ladders(parts, margin)))


def large() -> tuple[Benchmark, tuple[Run, Run]]:
    """Two runs with 14,000 verdicts on 3500 pairs of long texts."""
    chance, words = random.Random(4), [f"word{number}" for number in range(900)]

    def text(length: int) -> str:
        return " ".join(chance.choices(words, k=length))

    judged = judgements.random_benchmark(4, 3500)
    pairs = tuple(replace(pair, question=text(40), a=text(200), b=text(200)) for pair in judged.pairs)
    judged = replace(judged, pairs=pairs)
    base, other = (judgements.random_verdicts(seed, judged, missing=share) for seed, share in ((5, 0.0), (6, 0.01)))
    return judged, (judgements.run(base, "f16"), judgements.run(other))
