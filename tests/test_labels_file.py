"""The CSV that a person fills in: blinded, harmless in a spreadsheet, and read back whatever the spreadsheet did."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.analysis.ranking.games import Winner
from edge_judge.analysis.ranking.labels import TURNED, HumanVerdict
from edge_judge.analysis.ranking.pairs import AnswerPair
from edge_judge.benchmarks.labels_file import (
    CELL,
    COLUMNS,
    LENGTH,
    LETTERS,
    PairTexts,
    labels_csv,
    read_labels,
    too_long,
)
from edge_judge.benchmarks.rows import File
from edge_judge.errors import DataError

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def pair(number: int, question: str = "Greet me.", first: str = "Hello.", second: str = "No.") -> PairTexts:
    return PairTexts(AnswerPair(f"q{number}", "big-model", "small-model"), question, first, second)


PAIRS = [pair(number) for number in range(40)]


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def filled(pairs: list[PairTexts], verdicts: list[str], delimiter: str = ",", encoding: str = "utf-8-sig") -> File:
    """The file as a spreadsheet saves it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    for row, verdict in zip(cells(labels_csv(pairs)), verdicts, strict=True):
        writer.writerow({**row, "verdict": verdict})
    return File(Path("labels.csv"), text.getvalue().encode(encoding))


def preferring(one: PairTexts, winner: Winner) -> str:
    """What a person writes who finds the answer of `winner` better."""
    shown = TURNED[winner] if one.turned else winner
    return {"first": "A", "second": "B", "tie": "tie"}[shown]


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, st.sampled_from(["first", "second", "tie"])), min_size=1, max_size=5))
def test_what_a_person_says_of_any_texts_comes_back(rows: list[tuple[str, str, str, Winner]]) -> None:
    pairs = [pair(number, *row[:3]) for number, row in enumerate(rows)]
    shown = cells(labels_csv(pairs))
    assert [row["id"] for row in shown] == [one.id for one in pairs]
    verdicts = [preferring(one, row[3]) for one, row in zip(pairs, rows, strict=True)]
    found = read_labels(filled(pairs, verdicts), pairs)
    assert found == tuple(HumanVerdict(one.pair, row[3]) for one, row in zip(pairs, rows, strict=True))


@given(TEXTS, TEXTS, TEXTS)
def test_no_cell_begins_a_formula_and_texts_are_whole(question: str, first: str, second: str) -> None:
    one = pair(0, question, first, second)
    (row,) = cells(labels_csv([one]))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())
    texts = [question, *((second, first) if one.turned else (first, second))]
    for cell, text in zip([row["question"], row["A"], row["B"]], texts, strict=True):
        assert cell in (text, f"'{text}")


@pytest.mark.parametrize("text", ["=1+1", "+49", "-5", "@SUM(A1)", "\t=1", "\r=1"])
def test_what_a_spreadsheet_would_compute_is_shown_as_text(text: str) -> None:
    (row,) = cells(labels_csv([pair(0, "What?", text, text)]))
    assert row["A"] == row["B"] == f"'{text}" and row["question"] == "What?"


def test_line_breaks_are_kept_and_the_file_is_what_excel_expects() -> None:
    text = labels_csv([pair(0, "One\nTwo", "a\r\nb", 'say "hi", please')])
    assert text.startswith("\ufeffid,question,A,B,verdict\r\n") and text.endswith("\r\n")
    (row,) = cells(text)
    assert row["question"] == "One\nTwo" and {row["A"], row["B"]} == {"a\r\nb", 'say "hi", please'}


def test_nothing_in_the_file_tells_the_systems_and_each_is_as_often_first() -> None:
    text = labels_csv(PAIRS)
    assert "big-model" not in text and "small-model" not in text and "q1" not in text
    shown = [row["A"] for row in cells(text)]
    assert 10 <= shown.count("Hello.") <= 30
    assert labels_csv(PAIRS) == text


def test_an_id_is_letters_and_names_these_very_texts() -> None:
    """A number such as 12e34 would not survive a spreadsheet; a label on an answer that has changed is none."""
    ids = {one.id for one in PAIRS}
    assert len(ids) == len(PAIRS) and all(len(name) == LENGTH and set(name) <= set(LETTERS) for name in ids)
    changed = pair(0, first="Hello!")
    with pytest.raises(DataError, match=f"labels.csv:2: id '{PAIRS[0].id}' is no pair of these outputs"):
        read_labels(filled(PAIRS[:1], ["A"]), [changed])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_saved_with_other_separators_is_read(delimiter: str) -> None:
    found = read_labels(filled(PAIRS, [" a "] * 40, delimiter), PAIRS)
    assert {one.winner for one in found} == {"first", "second"} and len(found) == 40


def test_only_the_id_and_the_verdict_matter_and_rows_without_one_are_left_out() -> None:
    kept = PAIRS[3]
    text = f"verdict,notes,id\nTie,hard,{kept.id}\n,,\n,,{PAIRS[4].id}\n"
    assert read_labels(File(Path("x.csv"), text.encode()), PAIRS) == (HumanVerdict(kept.pair, "tie"),)


def test_a_word_that_is_no_verdict_is_told_with_its_line() -> None:
    with pytest.raises(DataError, match="""labels.csv:3: column 'verdict' is "first", expected A, B or tie"""):
        read_labels(filled(PAIRS[:2], ["A", "first"]), PAIRS)


def test_two_verdicts_on_a_pair_must_be_the_same() -> None:
    twice = [PAIRS[0], PAIRS[0]]
    assert len(read_labels(filled(twice, ["A", "A"]), PAIRS)) == 1
    with pytest.raises(DataError, match=f"labels.csv:3: pair '{PAIRS[0].id}' has another verdict than at labels.csv:2"):
        read_labels(filled(twice, ["A", "B"]), PAIRS)


def test_a_file_that_is_none_is_told() -> None:
    with pytest.raises(DataError, match="no column 'verdict'"):
        read_labels(File(Path("x.csv"), b"id,question\nabc,Why?\n"), PAIRS)
    with pytest.raises(DataError, match="not UTF-8"):
        read_labels(File(Path("x.csv"), "id,verdict,é\nx,A,é\n".encode("latin-1")), PAIRS)
    assert read_labels(File(Path("x.csv"), b""), PAIRS) == ()


def test_texts_that_excel_does_not_show_to_their_end_are_told() -> None:
    long = pair(1, first="x" * CELL)
    assert too_long([*PAIRS, long]) == (long,)
