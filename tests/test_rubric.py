"""Rubrics: criteria read from files, the one that ships, and what is refused."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_judge.benchmarks import rubric
from edge_judge.benchmarks.rows import File
from edge_judge.errors import DataError


def write(folder: Path, content: str | bytes, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ---- reading --------------------------------------------------------------------------------------------


def test_without_a_file_three_plain_criteria_are_the_rubric() -> None:
    shipped = rubric.load(None)
    assert shipped.criteria == ("It does what the instruction asks.", "It is correct.", "It is complete.")
    assert (shipped.name, shipped.source) == ("rubric", "edge_judge/protocols/prompts/rubric.csv")
    assert shipped.sha256 == File.open(rubric.SHIPPED).sha256


def test_criteria_are_stripped_and_keep_their_order_and_other_columns_are_ignored(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufeffweight,criterion\r\n2, It is short. \r\n\r\n1,"It is kind, and says so."\r\n')
    found = rubric.load(path)
    assert found.criteria == ("It is short.", "It is kind, and says so.")
    assert (found.name, found.source, found.sha256) == ("mine", str(path), File.open(path).sha256)


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="reading parquet is optional: pip install pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "mine.parquet"
    parquet.write_table(pyarrow.table({"criterion": ["It is short.", "It is kind."], "weight": [1, 2]}), path)
    assert rubric.load(path).criteria == ("It is short.", "It is kind.")
    parquet.write_table(pyarrow.table({"criterion": ["It is short.", None]}), path)
    with pytest.raises(DataError, match=r"mine\.parquet, row 2: column 'criterion' is null, expected text"):
        rubric.load(path)


# ---- round trip -----------------------------------------------------------------------------------------

sentences = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.strip)
lines = sentences.filter(lambda text: len(text.splitlines()) == 1)
rubrics = st.lists(lines, min_size=1, max_size=6, unique=True)


@given(rubrics)
def test_jsonl_written_from_criteria_reads_back_as_them(criteria: list[str]) -> None:
    text = "\n".join(json.dumps({"criterion": one}, ensure_ascii=False) for one in criteria)
    assert rubric.read(File(Path("x.jsonl"), text.encode())).criteria == tuple(criteria)


@given(rubrics)
def test_csv_written_from_criteria_reads_back_as_them(criteria: list[str]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["criterion"], *([one] for one in criteria)])
    assert rubric.read(File(Path("x.csv"), out.getvalue().encode())).criteria == tuple(criteria)


@given(st.binary(max_size=200), st.sampled_from([".jsonl", ".csv"]), st.booleans())
def test_whatever_bytes_a_file_holds_the_error_is_a_data_error(content: bytes, suffix: str, headed: bool) -> None:
    with contextlib.suppress(DataError):
        rubric.read(File(Path(f"x{suffix}"), b"criterion\n" + content if headed else content))


# ---- what is refused ------------------------------------------------------------------------------------

BAD_TABLES = {
    'criterion\nIt is short.\n" "\n': (r"mine\.csv:3: column 'criterion' is blank, expected a sentence", "delete"),
    "criterion\nShort.\nKind.\n Short.\n": (r"mine\.csv:4: this criterion occurs twice, first at .*:2", "leave one"),
    'criterion\n"Short\nand kind."\n': (r"mine\.csv:2: column 'criterion' has several lines, expected", "criterion a"),
    'criterion\n"Short\u2028and kind."\n': (r"mine\.csv:2: .* several lines", "one criterion"),
    "Criterion\nShort.\n": (r"mine\.csv:2: column 'Criterion', expected 'criterion'", "rename it to 'criterion'"),
    "rule\nShort.\n": (r"mine\.csv:2: no column 'criterion'", "columns found: rule"),
    "criterion\nShort, and kind.\n": (r"mine\.csv:2: 2 values, expected 1", "double quotes"),
    "criterion\n": (r"mine\.csv: no criteria in it", '{"criterion": "It is correct."}'),
    "": (r"mine\.csv: no criteria in it", '{"criterion": "It is correct."}'),
}


@pytest.mark.parametrize(("table", "said"), BAD_TABLES.items(), ids=range(len(BAD_TABLES)))
def test_a_bad_table_is_refused_with_its_line_and_a_hint(tmp_path: Path, table: str, said: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=said[0]) as caught:
        rubric.load(write(tmp_path, table))
    assert said[1] in str(caught.value.hint)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"criterion": 4}', r":2: column 'criterion' is 4, expected text"),
        ('{"criterion": null}', r":2: column 'criterion' is null"),
        ('{"criterion": "\\ud800"}', r":2: column 'criterion' holds half a surrogate"),
        ('{" criterion ": "Kind."}', r":2: column ' criterion ', expected 'criterion'"),
        ('"Kind."', r":2: expected a JSON object"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rubric.load(write(tmp_path, f'{{"criterion": "Short."}}\n{line}\n', "mine.jsonl"))


def test_a_file_that_is_missing_or_a_folder_or_of_another_format_is_refused_with_a_hint(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.csv", r"none\.csv: no such file"),
        (tmp_path, "a folder, expected a file"),
        (write(tmp_path, "criterion\nShort.\n", "mine.txt"), r"mine\.txt: unknown format, expected a file that ends"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            rubric.load(path)
        assert caught.value.hint is not None
