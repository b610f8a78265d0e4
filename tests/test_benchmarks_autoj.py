"""Auto-J's reader, on hand-made rows and on the published file where it is at hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from published import DATA, FOLDER, needs

from edge_judge import benchmarks
from edge_judge.benchmarks import autoj
from edge_judge.benchmarks.rows import File
from edge_judge.errors import DataError


def test_rows_become_pairs_with_their_prompt_as_cluster() -> None:
    pairs = list(autoj.read(File.open(DATA / "autoj.jsonl")))
    assert [pair.id for pair in pairs] == ["auto-j/0001", "auto-j/0002", "auto-j/0003"]
    assert [pair.labels for pair in pairs] == [("a",), ("b",), ("tie",)]
    assert pairs[0].question == "Plan a rainy day in Oslo."
    assert pairs[0].b == " It rains."
    assert pairs[0].cluster == pairs[1].cluster != pairs[2].cluster
    assert [pair.category for pair in pairs] == ["planning", "planning", "rhyming"]


def test_an_unknown_label_is_refused_with_its_line() -> None:
    row = {"label": 3, "prompt": "Hi.", "response 1": "a", "response 2": "b"}
    with pytest.raises(DataError, match=r"x\.jsonl:1: column 'label' is 3, expected one of 0, 1, 2"):
        list(autoj.read(File(Path("x.jsonl"), json.dumps(row).encode())))


@needs(autoj.SOURCE.path)
def test_the_published_file_gives_the_published_counts() -> None:
    benchmark = benchmarks.load("auto-j", FOLDER)
    assert len(benchmark.pairs) == 1392
    assert Counter(pair.labels for pair in benchmark.pairs) == {("a",): 520, ("b",): 499, ("tie",): 373}
    assert len({pair.id for pair in benchmark.pairs}) == 1392
    assert len({pair.cluster for pair in benchmark.pairs}) == 1182
    assert benchmark.ties
    assert benchmark.sha256 == autoj.SOURCE.sha256
