"""A user's own file of pairs, the registry of names, and what is said when either is wrong."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_judge import benchmarks
from edge_judge.benchmarks import custom
from edge_judge.benchmarks.rows import File
from edge_judge.errors import DataError, UsageError
from edge_judge.records import Pair

GOOD = '{"question": "Name a fruit.", "a": "Plum.", "b": "Stone.", "label": "a"}\n'


def write(folder: Path, content: str | bytes, name: str = "mine.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ---- reading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [GOOD.replace('"a"}', '"C"}'), "hello\n", "{}\n", GOOD.replace('"Plum."', "1"), ""])
def test_whatever_is_wrong_with_a_file_there_is_a_hint(tmp_path: Path, content: str) -> None:
    for path in (write(tmp_path, content), write(tmp_path, content, "mine.txt"), tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError) as caught:
            benchmarks.load(path)
        assert caught.value.hint


def test_jsonl_with_only_the_required_columns_gets_ids_from_file_and_row(tmp_path: Path) -> None:
    path = write(tmp_path, '{"question": "Hi.", "a": "Hello.", "b": ""}\n\n{"question": "Bye.", "a": "", "b": ""}\n')
    benchmark = benchmarks.load(path)
    assert benchmark.name == "mine"
    assert benchmark.pairs == (Pair("mine/0001", "Hi.", "Hello.", ""), Pair("mine/0002", "Bye.", "", ""))
    assert benchmark.sha256 == File.open(path).sha256
    assert benchmark.source == str(path)


def test_optional_columns_are_read_and_empty_ones_are_not_given(tmp_path: Path) -> None:
    rows = [
        {
            "id": 7,
            "question": "Q",
            "a": "1",
            "b": "2",
            "label": "tie",
            "reference": "1",
            "group": "g",
            "category": "c",
            "more": 0,
        },
        {"id": None, "question": "Q", "a": "1", "b": "2", "label": "", "reference": None, "group": ""},
    ]
    full, bare = benchmarks.load(write(tmp_path, "\n".join(map(json.dumps, rows)))).pairs
    assert full == Pair("7", "Q", "1", "2", ("tie",), "g", "1", category="c")
    assert bare == Pair("mine/0002", "Q", "1", "2")


def test_csv_as_a_spreadsheet_saves_it(tmp_path: Path) -> None:
    content = '\ufeffquestion,a,b,label\r\n"Two lines,\r\none ""word""",x,y,b\r\n\r\nNext,,z,\r\n'
    first, second = benchmarks.load(write(tmp_path, content, "mine.csv")).pairs
    assert first == Pair("mine/0001", 'Two lines,\r\none "word"', "x", "y", ("b",))
    assert second == Pair("mine/0002", "Next", "", "z")


def test_parquet_is_read_like_jsonl(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="reading parquet is optional: pip install pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "mine.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([json.loads(GOOD), json.loads(GOOD) | {"label": None}]), path)
    assert [pair.labels for pair in benchmarks.load(path).pairs] == [("a",), ()]
    with pytest.raises(DataError, match="not a parquet file"):
        benchmarks.load(write(tmp_path, "PAR1", "broken.parquet"))


def test_parquet_has_the_column_rules_of_the_other_formats(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="reading parquet is optional: pip install pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "mine.parquet"
    good = {"question": "Q", "a": "x", "b": "y"}

    def load(*rows: dict[str, object]) -> tuple[Pair, ...]:
        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
        return benchmarks.load(path).pairs

    full: dict[str, object] = {**good, "id": 7, "label": "tie", "reference": "", "group": 3, "more": 0.5}
    assert load(full) == (Pair("7", "Q", "x", "y", ("tie",), "3"),)
    for row, message in (
        ({**good, "Label": "a"}, r"mine\.parquet, row 1: column 'Label', expected 'label'"),
        ({"question": "Q", "a": "x"}, "row 1: no column 'b'"),
        ({**good, "a": None}, "row 1: column 'a' is null, expected text"),
        ({**good, "label": 1}, "row 1: column 'label' is 1, expected one of a, b, tie"),
        ({**good, "question": " "}, "row 1: column 'question' is empty"),
    ):
        with pytest.raises(DataError, match=message):
            load(row)
    with pytest.raises(DataError, match="no pairs in it"):
        parquet.write_table(pyarrow.table({"question": [], "a": [], "b": []}), path)
        benchmarks.load(path)


def test_a_line_separator_inside_a_json_string_does_not_end_the_line(tmp_path: Path) -> None:
    path = write(tmp_path, '{"question": "one\u2028two", "a": "\x85", "b": "."}\n')
    assert benchmarks.load(path).pairs[0].question == "one\u2028two"


@pytest.mark.parametrize(("labels", "ties"), [(["a", "b"], False), (["a", "tie"], True), (["", ""], True)])
def test_a_tie_is_legal_where_labels_tie_or_where_there_are_none(tmp_path: Path, labels: list[str], ties: bool) -> None:
    rows = [json.loads(GOOD) | {"label": label} for label in labels]
    assert benchmarks.load(write(tmp_path, "\n".join(map(json.dumps, rows)))).ties is ties


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("my pairs.jsonl", "my-pairs"),
        ("pocket.jsonl", "pocket-custom"),
        ("...jsonl", "custom"),
        ("été.csv", "été"),
    ],
)
def test_a_file_gives_a_name_that_is_a_folder_and_no_published_benchmark(file: str, name: str) -> None:
    assert custom.name_of(Path(file), frozenset(benchmarks.names())) == name


# ---- round trip -----------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
questions = texts.filter(str.strip)
pairs = st.builds(
    Pair,
    id=texts.filter(bool),
    question=questions,
    a=texts,
    b=texts,
    labels=st.sampled_from([(), ("a",), ("b",), ("tie",)]),
    group=texts,
    category=texts,
    reference=st.none() | texts.filter(bool),
)
benchmark_pairs = st.lists(pairs, min_size=1, max_size=5, unique_by=lambda pair: pair.id)
COLUMNS = (*custom.REQUIRED, *custom.OPTIONAL)


def as_row(pair: Pair) -> dict[str, str]:
    label = pair.labels[0] if pair.labels else ""
    values = (pair.question, pair.a, pair.b, pair.id, label, pair.reference or "", pair.group, pair.category)
    return dict(zip(COLUMNS, values, strict=True))


@given(benchmark_pairs)
def test_jsonl_written_from_pairs_reads_back_as_them(made: list[Pair]) -> None:
    text = "\n".join(json.dumps(as_row(pair), ensure_ascii=False) for pair in made)
    assert list(custom.read(File(Path("x.jsonl"), text.encode()), "x")) == made


@given(benchmark_pairs)
def test_csv_written_from_pairs_reads_back_as_them(made: list[Pair]) -> None:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(map(as_row, made))
    assert list(custom.read(File(Path("x.csv"), out.getvalue().encode()), "x")) == made


@given(st.binary(max_size=200), st.sampled_from([".jsonl", ".csv"]))
def test_whatever_bytes_a_file_holds_the_error_is_a_data_error(content: bytes, suffix: str) -> None:
    with contextlib.suppress(DataError):
        list(custom.read(File(Path(f"x{suffix}"), content), "x"))


# ---- what is refused ------------------------------------------------------------------------------------

BAD_LINES = {
    '{"question": "Q", "a": ': "mine.jsonl:2: not JSON",
    "[1, 2]": "mine.jsonl:2: expected a JSON object, got a list",
    '{"question": "Q", "a": "x"}': "mine.jsonl:2: no column 'b'",
    '{"question": "Q", "a": "x", "b": null}': "mine.jsonl:2: column 'b' is null, expected text",
    '{"question": "Q", "a": 4, "b": "y"}': "mine.jsonl:2: column 'a' is 4, expected text",
    '{"question": " ", "a": "x", "b": "y"}': "mine.jsonl:2: column 'question' is empty",
    '{"question": "Q", "a": "x", "b": "y", "label": "A"}': "'label' is \"A\", expected one of a, b, tie",
    '{"question": "Q", "a": "x", "b": "y", "label": 1}': ":2: column 'label' is 1",
    '{"question": "Q", "a": "x", "b": "y", "Label": "a"}': ":2: column 'Label', expected 'label'",
    '{"question": "Q", "a": "x", "b": "y", "id": true}': "mine.jsonl:2: column 'id' is true",
    '{"question": "Q", "a": "x", "b": "\\ud800"}': ":2: column 'b' holds half a surrogate",
    '{"question": "Q", "a": "x", "b": "y", "id": "mine/0001"}': ":2: id 'mine/0001' occurs .*:1",
    "[" * 100_000: "mine.jsonl:2: not JSON",
}  # fmt: skip


@pytest.mark.parametrize(("line", "message"), BAD_LINES.items(), ids=range(len(BAD_LINES)))
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        benchmarks.load(write(tmp_path, GOOD + line + "\n"))


BAD_TABLES = {
    "question,a\nQ,x\n": "mine.csv:2: no column 'b'",
    "question,a,b\nQ,x\n": "mine.csv:2: 2 values, expected 3",
    'question,a,b\n"two\nlines",x,y\nQ,x,y,z\n': "mine.csv:4: 4 values, expected 3",
    "question,a,a\nQ,x,y\n": "mine.csv:1: column 'a' occurs twice",
    'question,a,b\nQ,x,"y\n': "mine.csv:2: not CSV",
    "question,a,b,label\nQ,x,y,c\n": "mine.csv:2: column 'label' is \"c\"",
}


@pytest.mark.parametrize(("table", "message"), BAD_TABLES.items(), ids=range(len(BAD_TABLES)))
def test_a_bad_table_is_refused_with_its_line(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        benchmarks.load(write(tmp_path, table, "mine.csv"))


def test_several_broken_rows_are_told_by_the_first_and_a_count_of_the_others(tmp_path: Path) -> None:
    bad = '{"question": "", "a": "x", "b": "y"}\n'
    with pytest.raises(DataError, match=r"mine\.jsonl:2: .*; 2 more rows are broken$"):
        benchmarks.load(write(tmp_path, GOOD + bad + GOOD + bad * 2))
    with pytest.raises(DataError, match=r"mine\.jsonl:1: .*; at least 2 more rows are broken$"):
        benchmarks.load(write(tmp_path, bad * 2 + "not JSON\n" + bad))


@pytest.mark.parametrize(
    ("name", "content"), [("x.jsonl", ""), ("x.jsonl", "\n \n"), ("x.csv", ""), ("x.csv", "question,a,b\n")]
)
def test_a_file_without_pairs_is_refused(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(DataError, match="no pairs in it"):
        benchmarks.load(write(tmp_path, content, name))


def test_text_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.encode() + "{'question': 'Café'}".encode("latin-1"))
    with pytest.raises(DataError, match=r"mine\.jsonl:2: not UTF-8") as caught:
        benchmarks.load(path)
    assert caught.value.hint == "save the file as UTF-8"


def test_a_file_that_is_missing_or_a_folder_or_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        benchmarks.load(tmp_path / "none.csv")
    with pytest.raises(DataError, match="a folder, expected a file"):
        benchmarks.load(tmp_path)
    with pytest.raises(DataError, match=r"unknown format, expected a file that ends in \.jsonl, \.csv, \.parquet"):
        benchmarks.load(write(tmp_path, GOOD, "mine.txt"))


# ---- names ----------------------------------------------------------------------------------------------


def test_the_registry_has_the_eight_published_benchmarks_and_the_embedded_one() -> None:
    assert benchmarks.names() == [
        "pocket", "auto-j", "pandalm",
        "llmbar-natural", "llmbar-neighbor", "llmbar-gptinst", "llmbar-gptout", "llmbar-manual",
        "mt-bench",
    ]  # fmt: skip


def test_an_unknown_name_is_answered_with_the_nearest_ones() -> None:
    with pytest.raises(UsageError, match="unknown benchmark 'llmbar-neighbour'") as caught:
        benchmarks.load("llmbar-neighbour")
    assert caught.value.hint is not None
    assert "llmbar-neighbor" in caught.value.hint


def test_a_file_named_like_a_benchmark_needs_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, GOOD, "pocket")
    assert len(benchmarks.load("pocket").pairs) == 600
    with pytest.raises(DataError, match="unknown format"):
        benchmarks.load("./pocket")


# ---- published files ------------------------------------------------------------------------------------


def test_a_missing_file_says_where_it_was_looked_for_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"benchmark auto-j is missing: no file .*testdata_pairwise\.jsonl") as caught:
        benchmarks.load("auto-j", tmp_path)
    assert caught.value.hint == "edge-judge data pull auto-j"
    assert benchmarks.verify(benchmarks.find("auto-j"), tmp_path).state == "missing"
    with pytest.raises(DataError, match="no such data folder"):
        benchmarks.load("auto-j", tmp_path / "none")


def test_a_changed_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "pandalm").mkdir()
    write(tmp_path / "pandalm", "not even JSON", "testset-v1.json")
    with pytest.raises(DataError, match=r"not the published file.*expected cc154f9067c7") as caught:
        benchmarks.load("pandalm", tmp_path)
    assert caught.value.hint == "edge-judge data pull pandalm"
    check = benchmarks.verify(benchmarks.find("pandalm"), tmp_path)
    assert (check.state, check.path) == ("changed", tmp_path / "pandalm" / "testset-v1.json")


def test_the_data_folder_is_the_one_named_else_the_environments_else_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_JUDGE_DATA", str(tmp_path / "env"))
    assert benchmarks.data_folder(tmp_path) == tmp_path
    assert benchmarks.data_folder() == tmp_path / "env"
    monkeypatch.delenv("EDGE_JUDGE_DATA")
    assert benchmarks.data_folder().parts[-2:] == ("edge-judge", "data")


def test_every_source_is_pinned_to_a_revision_and_all_but_mt_bench_to_a_hash() -> None:
    published = [source for source in benchmarks.REGISTRY.values() if source.host != "package"]
    assert all(len(source.revision) == 40 and source.revision in source.url for source in published)
    assert [source.name for source in published if source.sha256 is None] == ["mt-bench"]
