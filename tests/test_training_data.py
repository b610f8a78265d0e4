"""Files of labelled pairs: what is read from each format, what is wrong in one, and which pairs a benchmark has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_data import autoj_row, autoj_rows, write_lines

from edge_judge.benchmarks import training_data
from edge_judge.benchmarks.autoj_training import MARKERS
from edge_judge.benchmarks.overlap import OverlapFinder, sequences_of
from edge_judge.benchmarks.rows import File
from edge_judge.errors import DataError, UsageError
from edge_judge.records import Benchmark, Pair, TrainingPair


def loaded(path: Path, rows: list[dict[str, Any]], format: str | None = None) -> list[TrainingPair]:
    return training_data.load(File.open(write_lines(path, rows)), format)


# ---- formats ----------------------------------------------------------------------------------------------


def test_a_file_of_ones_own_gives_pairs_labels_and_reasons(tmp_path: Path) -> None:
    (first, second) = loaded(
        tmp_path / "mine.jsonl",
        [
            {"question": "q", "a": "x", "b": "y", "label": "b", "reasons": "{b} is right.", "reference": "y"},
            {"question": "r", "a": "x", "b": "y", "label": "tie", "reasons": ""},
        ],
    )
    assert (first.label, first.reasons, first.pair.reference) == ("b", "{b} is right.", "y")
    assert (second.label, second.reasons, second.pair.id) == ("tie", None, "mine/0002")


def test_csv_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("question,a,b,label\nName a fruit.,plum,stone,a\n")
    assert [pair.label for pair in training_data.load(File.open(path))] == ["a"]


def test_a_row_without_a_label_is_refused_with_its_line(tmp_path: Path) -> None:
    rows = [{"question": "q", "a": "x", "b": "y", "label": "a"}, {"question": "q", "a": "x", "b": "z"}]
    with pytest.raises(DataError, match=r"mine\.jsonl:2: no label, expected a, b or tie"):
        loaded(tmp_path / "mine.jsonl", rows)


def test_autojs_message_is_cut_into_query_and_answers_and_its_target_into_reasons_and_decision(tmp_path: Path) -> None:
    target = "1. Response 1 greets; response 2 does not.\n2. So, the final decision is Response 1. It is polite."
    (pair,) = loaded(tmp_path / "autoj.jsonl", [autoj_row("***Greet\nme.***", " Hello. ", "No.\n***", 0, target)])
    assert (pair.pair.question, pair.pair.a, pair.pair.b) == ("***Greet\nme.***", "Hello.", "No.\n***")
    assert (pair.label, pair.reasons) == ("a", "1. {a} greets; {b} does not.")
    assert (pair.pair.category, pair.pair.cluster) == ("made_up", "***Greet\nme.***")


@pytest.mark.parametrize(
    ("label", "decision", "kept"),
    [
        (0, "So, the final decision is Response 1", True),
        (1, "so the final decision is response 2", True),
        (2, "Therefore the final decision is Tie.", True),
        (2, "So, the final decision is neither Response 1 nor Response 2", True),
        (1, "So, the final decision is Response 1", False),
        (0, "The final decision is Tie? No. So, the final decision is Response 1", True),
    ],
)
def test_reasons_count_only_where_autojs_last_decision_is_the_label(
    tmp_path: Path, label: int, decision: str, kept: bool
) -> None:
    (pair,) = loaded(tmp_path / "autoj.jsonl", [autoj_row("q", "x", "y", label, f"Because.\n{decision}")])
    assert pair.label == ("a", "b", "tie")[label]
    assert (pair.reasons is not None) == kept
    assert pair.reasons is None or pair.reasons.startswith("Because.")


def test_a_whole_file_in_autojs_format_is_recognized_and_read(tmp_path: Path) -> None:
    rows = autoj_rows(40)
    pairs = loaded(tmp_path / "pairwise.jsonl", rows)
    assert [("a", "b", "tie").index(pair.label) for pair in pairs] == [row["gt_label"] for row in rows]
    assert all(pair.reasons and "Response" not in pair.reasons and "{a} is" in pair.reasons for pair in pairs)


def _cut(row: dict[str, Any], marker: str) -> None:
    row["usrmsg"] = row["usrmsg"].replace(marker, "")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda row: row.update(gt_label=3), "column 'gt_label' is 3, expected one of 0, 1, 2"),
        (lambda row: row.update(gt_label=True), "column 'gt_label' is true"),
        (lambda row: row.pop("usrmsg"), "no column 'usrmsg'"),
        (lambda row: row.update(usrmsg="[Query]: q"), r"'\[BEGIN DATA\]' occurs 0 times"),
        (lambda row: row.update(usrmsg=row["usrmsg"] * 2), r"'\[BEGIN DATA\]' occurs 2 times"),
        (lambda row: row.update(usrmsg=" ".join(MARKERS[::-1])), "another order"),
        (lambda row: row.update(usrmsg=" ".join(MARKERS)), "the query in column 'usrmsg' is empty"),
        (lambda row: row.update(target_output="It ends befo"), "has no 'final decision is"),
        *((lambda row, marker=marker: _cut(row, marker), "occurs 0 times") for marker in MARKERS),
    ],
)
def test_a_broken_row_in_autojs_format_is_one_error_with_its_line(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None], words: str
) -> None:
    rows = autoj_rows(3)
    spoil(rows[1])
    with pytest.raises(DataError, match=rf"autoj\.jsonl:2: .*{words}"):
        loaded(tmp_path / "autoj.jsonl", rows, "auto-j")


def test_a_file_that_is_cut_off_is_one_error_with_its_line(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "autoj.jsonl", autoj_rows(3))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"autoj\.jsonl:3: not JSON"):
        training_data.load(File.open(path))


PANDALM = {
    "inputs": {"instruction": "Greet me.", "input": "In French.", "response1": "Bonjour", "response2": "Hello"},
    "outputs": {
        "evaluation_result": "1",
        "evaluation_reason": "Response 1 is French, Response 2 is not.",
        "reference_response": "Bonjour !",
    },
}


@pytest.mark.parametrize("lines", [False, True])
def test_pandalms_training_file_is_read_as_a_list_or_line_by_line(tmp_path: Path, lines: bool) -> None:
    path = tmp_path / ("train.jsonl" if lines else "train.json")
    path.write_text(json.dumps(PANDALM) if lines else json.dumps([PANDALM]), encoding="utf-8")
    (pair,) = training_data.load(File.open(path))
    assert (pair.pair.question, pair.pair.a, pair.pair.b) == ("Greet me.\n\nIn French.", "Bonjour", "Hello")
    assert (pair.label, pair.reasons) == ("a", "{a} is French, {b} is not.")
    assert pair.pair.reference == "Bonjour !"


def test_an_unknown_result_in_pandalms_file_is_an_error_that_names_the_item(tmp_path: Path) -> None:
    wrong = {**PANDALM, "outputs": {**PANDALM["outputs"], "evaluation_result": "3"}}
    (tmp_path / "train.json").write_text(json.dumps([PANDALM, wrong]), encoding="utf-8")
    with pytest.raises(DataError, match=r"item 2, outputs: column 'evaluation_result' is .3"):
        training_data.load(File.open(tmp_path / "train.json"))


def test_an_unknown_format_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("\n")
    with pytest.raises(UsageError, match="unknown format 'autoj'"):
        training_data.load(File.open(path), "autoj")
    with pytest.raises(DataError, match="no pairs in it"):
        training_data.load(File.open(path))


# ---- overlap ----------------------------------------------------------------------------------------------

LONG = "the quick brown fox jumps over the lazy dog and then sleeps for a very long time in the warm sun until night"


def finder(*pairs: Pair) -> OverlapFinder:
    return OverlapFinder([Benchmark("known", pairs, "", True, "")])


def test_a_pair_with_a_question_of_a_benchmark_overlaps_whatever_its_case_and_spaces() -> None:
    known = finder(Pair("1", "Name a fruit.", "plum", "stone"))
    assert known.benchmark_of(Pair("2", " name  A\nfruit.", "apple", "nail")) == "known"
    assert known.benchmark_of(Pair("3", "Name a tool.", "plum", "stone")) is None


def test_the_sign_in_a_question_makes_another_question() -> None:
    assert finder(Pair("1", "What is 3+4", "7", "8")).benchmark_of(Pair("2", "What is 3-4", "-1", "1")) is None


def test_a_pair_with_a_few_other_words_is_a_near_duplicate_in_either_order() -> None:
    known = finder(Pair("1", f"Repeat: {LONG}", LONG, "no"))
    nearly = Pair("2", f"Please repeat: {LONG}", "no", LONG)
    assert known.benchmark_of(nearly) == "known"
    assert known.benchmark_of(Pair("3", f"Translate: {' '.join(LONG.split()[::-1])}", LONG[:40], "no")) is None


TEXTS = st.text(alphabet="ab ", max_size=30)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=6), st.tuples(TEXTS, TEXTS, TEXTS))
def test_near_duplicates_are_those_whose_jaccard_index_computed_plainly_is_high(
    held: list[tuple[str, str, str]], asked: tuple[str, str, str]
) -> None:
    pairs = [Pair(str(number), f"k{number} {q}", a, b) for number, (q, a, b) in enumerate(held)]
    pair = Pair("x", f"unknown {asked[0]}", asked[1], asked[2])
    ours = sequences_of(pair)
    high = any(len(ours & sequences_of(other)) / len(ours | sequences_of(other)) >= 0.8 for other in pairs)
    assert (finder(*pairs).benchmark_of(pair) is not None) == high
