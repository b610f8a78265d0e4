"""MT-Bench's reader, on hand-made rows of the published schema, as JSON and as parquet."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from published import DATA, FOLDER, needs

from edge_judge import benchmarks
from edge_judge.benchmarks import mtbench
from edge_judge.benchmarks.rows import File
from edge_judge.errors import DataError
from edge_judge.records import Pair

ROWS: list[dict[str, Any]] = json.loads((DATA / "mtbench.json").read_text("utf-8"))
TINY = replace(mtbench.SOURCE, rows=len(ROWS))
MIRROR = {"model_a": "model_b", "model_b": "model_a", "tie": "tie"}


def read(*rows: dict[str, Any]) -> list[Pair]:
    return list(mtbench.read(File(Path("x.json"), json.dumps(rows).encode())))


def turned(row: dict[str, Any]) -> dict[str, Any]:
    """The same vote by someone who saw the answers the other way round."""
    swapped = {f"{column}_a": row[f"{column}_b"] for column in ("model", "conversation")}
    swapped |= {f"{column}_b": row[f"{column}_a"] for column in ("model", "conversation")}
    return row | swapped | {"winner": MIRROR[row["winner"]]}


def test_votes_on_two_answers_are_the_labels_of_one_pair_whichever_they_saw_first() -> None:
    pairs = read(*ROWS)
    assert [(pair.id, pair.labels, pair.given) for pair in pairs] == [
        ("mt-bench/1.1/x-vs-y", ("a", "tie", "a"), ("ab", "ab", "ba")),
        ("mt-bench/1.2/x-vs-y", ("tie",), ()),
        ("mt-bench/2.1/x-vs-z", ("b",), ()),
    ]


def test_the_first_vote_decides_which_answer_is_a() -> None:
    (pair,) = read(ROWS[3], ROWS[0], ROWS[2])
    assert (pair.id, pair.a, pair.b) == ("mt-bench/1.1/y-vs-x", "What?", "Hello.")
    assert (pair.labels, pair.given) == (("b", "b", "tie"), ("ab", "ba", "ba"))


def test_a_turned_vote_says_the_same_of_the_pair() -> None:
    for row in ROWS:  # of one turn and of two
        (straight,), (both,) = read(row, row), read(row, turned(row))
        assert both == replace(straight, given=("ab", "ba"))


def test_where_every_vote_saw_the_pairs_own_order_none_is_listed() -> None:
    assert [pair.given for pair in read(*map(turned, ROWS[:3]))] == [(), ()]


def test_a_turned_pair_names_its_authors_in_its_own_order() -> None:
    assert [pair.authors for pair in read(*ROWS)] == [("x", "y"), ("x", "y"), ("x", "z")]
    (turned_pair,) = read(ROWS[3], ROWS[0])
    assert turned_pair.authors == ("y", "x")


@pytest.mark.parametrize(
    ("question", "category"),
    [(80, ""), (81, "writing"), (90, "writing"), (91, "roleplay"), (131, "extraction"), (160, "humanities"), (161, "")],
)
def test_the_number_of_a_question_names_its_category(question: int, category: str) -> None:
    (pair,) = read(ROWS[0] | {"question_id": question})
    assert pair.category == category


def test_pairs_of_one_question_are_one_cluster() -> None:
    assert [pair.cluster for pair in read(*ROWS)] == ["mt-bench/1"] * 2 + ["mt-bench/2"]


def test_a_vote_on_the_first_turn_shows_the_first_turn_only() -> None:
    pair = read(*ROWS)[0]
    assert (pair.question, pair.a, pair.b) == ("Hi.", "Hello.", "What?")


def test_a_vote_on_the_second_turn_shows_the_whole_conversation() -> None:
    pair = read(*ROWS)[1]
    assert pair.question.index("Hi.") < pair.question.index("Bye.")
    assert pair.a == "[First turn]\nHello.\n\n[Second turn]\nSo long."
    assert pair.b == "[First turn]\nWhat?\n\n[Second turn]\nNo."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"winner": "tie (inconsistent)"}, "'winner' is .*, expected one of model_a, model_b, tie"),
        ({"turn": 3}, "'turn' is 3, expected 1 or 2"),
        ({"turn": True}, "'turn' is true, expected a whole number"),
        ({"turn": 2}, "'conversation_a' is not 2 turn"),
        ({"conversation_a": "Hi."}, "'conversation_a' is \"Hi.\", expected a list of messages"),
        ({"conversation_b": [{"role": "user", "content": "Hi."}]}, "'conversation_b' is not 1 turn"),
        (
            {"conversation_b": [{"role": "user"}, {"role": "assistant"}]},
            "conversation_b: no column 'content'",
        ),
    ],
)
def test_rows_of_another_shape_are_refused_with_their_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"x.json, item 2.*{message}"):
        read(ROWS[0], ROWS[4] | changes)


def test_votes_that_disagree_on_what_was_answered_are_refused() -> None:
    other = ROWS[0] | {"conversation_b": ROWS[0]["conversation_a"]}
    for vote in (other, turned(other)):
        with pytest.raises(DataError, match=r"item 2: answers differ from .* vote on mt-bench/1\.1/x-vs-y"):
            read(ROWS[0], vote)


def test_the_json_file_is_found_and_its_votes_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "mt-bench"
    folder.mkdir()
    (folder / "human_judgments.json").write_text(json.dumps(ROWS), "utf-8")
    assert benchmarks.verify(TINY, tmp_path).state == "unpinned"
    assert len(benchmarks.load_source(TINY, tmp_path).pairs) == 3
    with pytest.raises(DataError, match="5 labels, expected the 3355 of mt-bench"):
        benchmarks.load("mt-bench", tmp_path)


def test_the_parquet_file_beside_it_gives_the_same_pairs(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="reading parquet is optional: pip install pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / TINY.also[0]
    path.parent.mkdir()
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    assert list(benchmarks.load_source(TINY, tmp_path).pairs) == read(*ROWS)


def test_parquet_without_pyarrow_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="needs pyarrow") as caught:
        list(mtbench.read(File(Path("x.parquet"), b"PAR1")))
    assert caught.value.hint is not None
    assert "pip install pyarrow" in caught.value.hint


@needs(mtbench.SOURCE.path)
def test_the_published_file_gives_3355_votes() -> None:
    benchmark = benchmarks.load("mt-bench", FOLDER)
    assert sum(len(pair.labels) for pair in benchmark.pairs) == 3355
    named = [pair.id.rpartition("/") for pair in benchmark.pairs]
    assert len({(turn, frozenset(models.split("-vs-"))) for turn, _, models in named}) == len(named)
