"""The embedded benchmark: what the generator makes, disjoint from training, and checked before it is read."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from pathlib import Path

import pytest

from edge_judge import benchmarks, pocket
from edge_judge.errors import DataError
from edge_judge.pocket import make_pairs, tasks

TRAINING_PAIRS = 20_000


def test_the_file_is_what_the_generator_makes() -> None:
    assert make_pairs.outdated() == [], "run python -m edge_judge.pocket.make_pairs"


def test_there_are_600_pairs_of_every_family_with_ids_that_name_it() -> None:
    benchmark = benchmarks.load("pocket")
    assert len(benchmark.pairs) == len({pair.id for pair in benchmark.pairs}) == 600
    families = Counter(pair.id.removeprefix("pocket/").rpartition("-")[0] for pair in benchmark.pairs)
    assert set(families) == set(tasks.FAMILIES)
    assert Counter(pair.category for pair in benchmark.pairs) == families
    assert {label for pair in benchmark.pairs for label in pair.labels} == {"a", "b", "tie"}
    assert all(pair.cluster == pair.question for pair in benchmark.pairs)


def test_no_question_is_of_the_splits_for_training_and_tuning() -> None:
    assert {tasks.split_of(pair.question) for pair in benchmarks.load("pocket").pairs} == {"bench"}


def test_training_pairs_share_no_question_and_answer_with_it() -> None:
    bench = {(pair.question, answer) for pair in benchmarks.load("pocket").pairs for answer in (pair.a, pair.b)}
    for made in itertools.islice(tasks.pairs(0, "train"), TRAINING_PAIRS):
        assert (made.question, made.a.text) not in bench
        assert (made.question, made.b.text) not in bench


def test_a_changed_copy_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "pairs.jsonl"
    copy.write_bytes(pocket.PAIRS.read_bytes().replace(b'"label": "a"', b'"label": "b"', 1))
    monkeypatch.setattr(pocket, "PAIRS", copy)
    assert benchmarks.verify(benchmarks.find("pocket")).state == "changed"
    with pytest.raises(DataError, match="not the published file") as caught:
        benchmarks.load("pocket")
    assert caught.value.hint == "it comes with edge-judge: install edge-judge again"


def test_checking_writes_nothing_and_writing_brings_both_files_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_pairs, "PAIRS", tmp_path / "pairs.jsonl")
    monkeypatch.setattr(make_pairs, "PIN", tmp_path / "pairs_pin.py")
    monkeypatch.setattr(sys, "argv", ["make_pairs", "--check"])
    with pytest.raises(SystemExit, match=r"pairs\.jsonl, pairs_pin\.py"):
        make_pairs.main()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(sys, "argv", ["make_pairs"])
    make_pairs.main()
    assert make_pairs.outdated() == []
    assert (tmp_path / "pairs.jsonl").read_bytes() == pocket.PAIRS.read_bytes()
