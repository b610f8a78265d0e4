"""Toy reports and a large one, what is in a page's file, and text that would rather run, for the tests of pages."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import judgements

from edge_judge.analysis.compare import compare
from edge_judge.analysis.ladders import decide_ladders
from edge_judge.analysis.leaderboard import build
from edge_judge.analysis.paired_losses import Part
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.records import Benchmark, Run
from edge_judge.report.page.data import Entry, Report

HOSTILE = "</script><script>alert(1)</script><!--<script> \u2028\u2029 & \ud800 {{SCRIPT}} \x00"


class Parts(HTMLParser):
    """The script elements of a page and its policy, as a browser's parser finds them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.policy = ""
        self._open = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self._open = tag == "script"
        if self._open:
            self.scripts.append((found, ""))
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(found["content"])

    def handle_data(self, data: str) -> None:
        if self._open:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)

    def handle_endtag(self, tag: str) -> None:
        self._open = False

    def json(self, name: str) -> Any:
        [text] = [text for attributes, text in self.scripts if attributes.get("id") == name]
        return json.loads(text)


def entries(judged: Benchmark, runs: Sequence[Run], *, compared: bool = True) -> list[Entry]:
    """The runs as they stand on the page; the first is the baseline of all."""
    recorded = [RecordedRun(run, judged) for run in runs]
    return [Entry(run, compare(run, recorded[0]) if compared else None, 0 if compared else None) for run in recorded]


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
