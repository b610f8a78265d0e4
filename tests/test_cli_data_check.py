"""edge-judge data check: what was understood of a user's file, and what looks like a mistake in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Edge, fails

FRUIT = {"question": "Name a fruit.", "a": "Plum.", "b": "Stone."}
PAIRS = [
    {**FRUIT, "id": "one", "label": "a", "group": "fruit", "note": "x"},
    {**FRUIT, "label": "b", "group": "fruit"},
    {"question": "Say nothing at all.", "a": "", "b": "", "id": "three", "label": "", "Note": 1},
    {"question": "Greet me.", "a": "Good day to you.", "b": " ", "label": "a"},
]


def write(folder: Path, name: str, rows: list[dict[str, object]]) -> str:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def lines_of(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


# ---- a benchmark ----------------------------------------------------------------------------------------


def test_a_benchmark_is_counted_for_programs(edge: Edge, tmp_path: Path) -> None:
    done = edge("data", "check", write(tmp_path, "my pairs.jsonl", PAIRS), "--json")
    assert json.loads(done.stdout) == [
        {
            "file": "my pairs.jsonl",
            "kind": "benchmark",
            "name": "my-pairs",
            "format": "jsonl",
            "pairs": 4,
            "columns": {
                "question": 4,
                "a": 3,
                "b": 3,
                "id": 2,
                "label": 3,
                "reference": None,
                "group": 2,
                "category": None,
            },  # fmt: skip
            "ignored": ["note", "Note"],
            "labels": {"a": 2, "b": 1, "tie": 0},
            "ties": False,
            "clusters": 3,
            "longest_question": {"characters": 19, "id": "three"},
            "longest_answer": {"characters": 16, "id": "my-pairs/0004"},
            "identical_answers": {"count": 1, "first": "three"},
            "duplicates": {"count": 1, "first": "my-pairs/0002"},
            "empty_answers": {"count": 3, "first": "three"},
        }
    ]


def test_a_benchmark_is_told_as_a_table_and_what_looks_like_a_mistake_as_notes(edge: Edge, tmp_path: Path) -> None:
    done = edge("data", "check", write(tmp_path, "mine.jsonl", PAIRS), COLUMNS="80")
    told = lines_of(done.stdout)
    for line in (
        ["Benchmark", "mine"],
        ["pairs", "4"],
        ["clusters", "3"],
        ["ties", "allowed", "no"],
        ["longest", "question,", "characters", "19", "three"],
        ["identical", "answers", "1", "three"],
        ["reference", "-"],
        ["label", "3"],
        ["ignored:", "note,", "Note"],
    ):
        assert line in told
    assert (done.returncode, done.stderr.splitlines()) == (
        0,
        [
            "mine.jsonl: pairs without a label: 1 of 4",
            "mine.jsonl: pairs with identical answers: 1, first three",
            "mine.jsonl: pairs that repeat an earlier one: 1, first mine/0002",
            "mine.jsonl: empty answers: 3, first three",
        ],
    )


def test_a_benchmark_with_nothing_odd_in_it_is_told_without_notes(edge: Edge, tmp_path: Path) -> None:
    done = edge("data", "check", write(tmp_path, "mine.jsonl", [{**FRUIT, "label": "tie"}]))
    assert ["ties", "allowed", "yes"] in lines_of(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_benchmark_without_labels_is_no_error_but_noted(edge: Edge, tmp_path: Path) -> None:
    done = edge("data", "check", write(tmp_path, "mine.jsonl", [FRUIT]))
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith("mine.jsonl: no labels")


def test_a_file_named_like_a_published_benchmark_is_told_by_the_name_it_gets(edge: Edge, tmp_path: Path) -> None:
    assert "Benchmark pocket-custom\n" in edge("data", "check", write(tmp_path, "pocket.jsonl", [FRUIT])).stdout


def test_parquet_is_told_like_jsonl(edge: Edge, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="reading parquet is optional: pip install pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{**FRUIT, "label": "a", "id": 1}, {**FRUIT, "label": None, "id": 2}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "mine.parquet")
    (told,) = json.loads(edge("data", "check", "mine.parquet", "--json").stdout)
    assert (told["format"], told["columns"]["id"], told["columns"]["label"]) == ("parquet", 2, 1)
    assert told["duplicates"] == {"count": 1, "first": "2"}


@pytest.mark.parametrize("columns", ["80", "40"])
def test_long_names_and_control_characters_leave_the_table_whole(edge: Edge, tmp_path: Path, columns: str) -> None:
    odd: dict[str, object] = {**FRUIT, "id": "日本語" * 40, "\x1b[2J\ud800\n": 1, "label": "a"}
    done = edge("data", "check", write(tmp_path, f"{'long' * 50}.jsonl", [odd]), COLUMNS=columns)
    assert done.returncode == 0
    assert "longest question" in done.stdout and "…" in done.stdout
    assert r"ignored: \x1b[2J\ud800\n" in done.stdout and "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= int(columns)


# ---- a rubric -------------------------------------------------------------------------------------------


def test_a_rubric_is_told_by_its_criteria(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("criterion,weight\nIt is short.,1\nIt is kind.,2\n")
    done = edge("data", "check", "mine.csv")
    assert [line.strip() for line in done.stdout.splitlines()][-2:] == ["1. It is short.", "2. It is kind."]
    (told,) = json.loads(edge("data", "check", "mine.csv", "--json").stdout)
    assert (told["kind"], told["criteria"]) == ("rubric", ["It is short.", "It is kind."])


def test_a_benchmark_may_have_a_column_named_criterion(edge: Edge, tmp_path: Path) -> None:
    done = edge("data", "check", write(tmp_path, "mine.jsonl", [{**FRUIT, "criterion": "kind", "label": "a"}]))
    assert "ignored: criterion" in done.stdout


def test_several_files_are_told_in_their_order(edge: Edge, tmp_path: Path) -> None:
    (tmp_path / "rules.csv").write_text("criterion\nIt is short.\n")
    done = edge("data", "check", "rules.csv", write(tmp_path, "mine.jsonl", [FRUIT]))
    assert done.stdout.index("Rubric rules") < done.stdout.index("Benchmark mine")


# ---- what is refused ------------------------------------------------------------------------------------

REFUSED = {
    "question,a,b,label\nQ,x,y,A\nQ,x,y,a\nQ,x,y,B\n": ["mine.csv:2", "one of a, b, tie; 1 more row is broken"],
    "question,a,b,Label\nQ,x,y,a\nQ,x,y,a\n": ["mine.csv:2", "expected 'label'; 1 more", "rename it"],
    "question,a,b\nQ,x,y\n,x,y\nQ,x\n": ["mine.csv:3", "is empty", "at least 1 more row is broken"],
    "question,a\nQ,x\n": ["mine.csv:2", "no column 'b'", "columns found: question, a"],
    "prompt,chosen\nQ,x\n": ["mine.csv:2", "neither a benchmark nor a rubric", "prompt, chosen"],
    "Criterion\nKind.\n": ["mine.csv:2", "expected 'criterion'"],
    "criterion\nKind.\nKind.\n": ["mine.csv:3", "occurs twice"],
    "question,a,b\n": ["mine.csv: no rows in it", "a rubric has criterion"],
    "": ["mine.csv: no rows in it"],
}


@pytest.mark.parametrize(("content", "words"), REFUSED.items(), ids=range(len(REFUSED)))
def test_a_broken_file_is_one_error_and_one_hint(edge: Edge, tmp_path: Path, content: str, words: list[str]) -> None:
    (tmp_path / "mine.csv").write_text(content)
    done = edge("data", "check", "mine.csv")
    fails(done, 1, *words)
    assert done.stderr.count("hint: ") == 1 and done.stderr.count("\n") == 2


def test_one_broken_file_among_several_is_told_alone(edge: Edge, tmp_path: Path) -> None:
    done = edge("data", "check", write(tmp_path, "mine.jsonl", [FRUIT]), "none.csv")
    fails(done, 1, "none.csv: no such file", "hint:")


def test_a_published_benchmark_is_sent_to_verify(edge: Edge) -> None:
    fails(edge("data", "check", "pandalm"), 1, "edge-judge data verify pandalm")


def test_without_a_file_the_usage_is_wrong(edge: Edge) -> None:
    fails(edge("data", "check"), 2, "FILE")
