"""PandaLM's reader: the majority of three, answers that are truth values, and the published counts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from published import DATA, FOLDER, needs

from edge_judge import benchmarks
from edge_judge.benchmarks import pandalm
from edge_judge.benchmarks.rows import File, json_items
from edge_judge.errors import DataError
from edge_judge.metrics.scoring import attainable, human_agreement


def altered(**changes: object) -> File:
    """The first hand-made row with some values changed."""
    row = json.loads((DATA / "pandalm.json").read_text("utf-8"))[0]
    return File(Path("x.json"), json.dumps([row | changes]).encode())


def test_the_label_is_what_two_of_three_annotators_said() -> None:
    pairs = list(pandalm.read(File.open(DATA / "pandalm.json")))
    assert [pair.labels for pair in pairs] == [("a",), ("b",), ("tie",), ("a",), ("b",)]


def test_what_each_annotator_said_is_kept_beside_the_majority() -> None:
    (pair,) = pandalm.read(altered(annotator1=1, annotator2=0, annotator3=1))
    assert (pair.labels, pair.votes) == (("a",), ("a", "tie", "a"))


@pytest.mark.parametrize("votes", [(1, 2, 1), (2, 1, 1), (1, 1, 2)])
def test_the_majority_does_not_depend_on_which_annotator_disagrees(votes: tuple[int, int, int]) -> None:
    first, second, third = votes
    (pair,) = pandalm.read(altered(annotator1=first, annotator2=second, annotator3=third))
    assert pair.labels == ("a",)


def test_three_different_labels_have_no_majority() -> None:
    with pytest.raises(DataError, match=r"x\.json, item 1: the three annotators disagree"):
        list(pandalm.read(altered(annotator1=0, annotator2=1, annotator3=2)))


def test_a_truth_value_is_not_a_label() -> None:
    with pytest.raises(DataError, match="'annotator1' is true"):
        list(pandalm.read(altered(annotator1=True)))


def test_the_key_of_a_comparison_names_who_wrote_the_first_answer_and_who_the_second() -> None:
    pairs = list(pandalm.read(File.open(DATA / "pandalm.json")))
    assert [pair.authors for pair in pairs] == [("x", "y"), ("x", "z"), ("x", "y"), ("y", "z"), ("y", "z")]


@pytest.mark.parametrize("key", ["x", "x_", "_y", "x_y_z"])
def test_a_key_that_is_not_two_models_is_refused(key: str) -> None:
    with pytest.raises(DataError, match="'cmp_key' is .*, expected two models joined by an underscore"):
        list(pandalm.read(altered(cmp_key=key)))


def test_answers_that_are_truth_values_become_the_words_a_judge_saw() -> None:
    pairs = list(pandalm.read(File.open(DATA / "pandalm.json")))
    assert (pairs[3].a, pairs[3].b) == ("True", "True.")
    assert pairs[4].b == "False"


def test_instruction_and_input_are_joined_and_neither_needs_the_other() -> None:
    pairs = list(pandalm.read(File.open(DATA / "pandalm.json")))
    assert pairs[0].question == "Name the capital of the country.\n\nNorway"
    assert pairs[2].question == "Say hello."
    assert pairs[4].question == "Two is odd."
    assert pairs[0].cluster == pairs[1].cluster != pairs[2].cluster
    with pytest.raises(DataError, match="both empty"):
        list(pandalm.read(altered(instruction="", input=" ")))


@needs(pandalm.SOURCE.path)
def test_the_published_file_gives_the_published_counts() -> None:
    benchmark = benchmarks.load("pandalm", FOLDER)
    assert Counter(pair.labels for pair in benchmark.pairs) == {("tie",): 105, ("a",): 422, ("b",): 472}
    assert len({pair.id for pair in benchmark.pairs}) == 999
    assert len({pair.cluster for pair in benchmark.pairs}) == 170
    assert len({frozenset(pair.authors or ()) for pair in benchmark.pairs}) == 10
    assert benchmark.ties
    # what the best judge agrees with, counted by hand: 879 pairs with three of three votes, 120 with two of three
    assert (attainable(benchmark).k, attainable(benchmark).n) == (879 * 3 + 120 * 2, 999 * 3)
    # of 120 pairs the one that is outvoted disagrees with the two; each of the two sees a split, and does not count
    assert (human_agreement(benchmark).k, human_agreement(benchmark).n) == (879 * 3, 879 * 3 + 120)


@needs(pandalm.SOURCE.path)
def test_the_published_file_has_120_split_votes_and_six_truth_values() -> None:
    rows = list(json_items(File.open(FOLDER / pandalm.SOURCE.path)))
    votes = [{row.values[f"annotator{number}"] for number in (1, 2, 3)} for row in rows]
    assert Counter(map(len, votes)) == {1: 879, 2: 120}
    # where UnlimitedJudge's labels are a random annotator's, as the docstring of the reader says
    drawn = [row for row in rows if row.values["annotator1"] == row.values["annotator3"] != row.values["annotator2"]]
    assert len(drawn) == 49
    answers = [row.values[column] for row in rows for column in ("response1", "response2")]
    assert sum(isinstance(answer, bool) for answer in answers) == 6
    shown = [text for pair in pandalm.read(File.open(FOLDER / pandalm.SOURCE.path)) for text in (pair.a, pair.b)]
    assert [text for text, answer in zip(shown, answers, strict=True) if answer is True] == ["True"] * 6
