"""LLMBar's reader, on hand-made rows and on the five published files where they are at hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from published import DATA, FOLDER, needs

from edge_judge import benchmarks
from edge_judge.benchmarks import llmbar
from edge_judge.benchmarks.rows import File
from edge_judge.errors import DataError

COUNTS = {
    "llmbar-natural": (42, 58),
    "llmbar-neighbor": (75, 59),
    "llmbar-gptinst": (45, 47),
    "llmbar-gptout": (22, 25),
    "llmbar-manual": (22, 24),
}
PUBLISHED = [pytest.param(source, marks=needs(source.path), id=source.name) for source in llmbar.SOURCES]


def test_rows_become_pairs_that_are_their_own_clusters() -> None:
    pairs = list(llmbar.read(File.open(DATA / "llmbar.json"), "llmbar-natural"))
    assert [pair.id for pair in pairs] == ["llmbar-natural/001", "llmbar-natural/002"]
    assert [pair.labels for pair in pairs] == [("a",), ("b",)]
    assert (pairs[1].question, pairs[1].a, pairs[1].b) == (
        "Name two tools.",
        "A hammer.",
        "A hammer and a saw.",
    )
    assert pairs[0].cluster == pairs[0].id
    assert {pair.category for pair in pairs} == {"natural"}


def test_there_are_no_ties() -> None:
    content = b'[{"input": "Name a fruit.", "output_1": "Plum.", "output_2": "Fig.", "label": 0}]'
    with pytest.raises(DataError, match="'label' is 0, expected one of 1, 2"):
        list(llmbar.read(File(Path("x.json"), content), "llmbar-natural"))


@pytest.mark.parametrize("source", PUBLISHED)
def test_the_published_files_give_the_published_counts(source: benchmarks.Source) -> None:
    benchmark = benchmarks.load(source.name, FOLDER)
    first, second = COUNTS[source.name]
    assert Counter(pair.labels for pair in benchmark.pairs) == {("a",): first, ("b",): second}
    assert len({pair.cluster for pair in benchmark.pairs}) == first + second == source.rows
    assert not benchmark.ties
