"""A table in Markdown, LaTeX and CSV: whatever its cells hold, it keeps its columns."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from latex_checker import tables

from edge_judge.report.formatting import Sentence, notes, table
from edge_judge.report.forms import Sheet, csv_text, written

CELL = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
ROWS = st.lists(st.tuples(CELL, CELL, CELL), max_size=4)
HARD = [("[a] & *b*", "50 % of $x_1^2$", '~\\{}#|<>"'), ("*", "[", "−0.7 [−1.2, +0.3]"), ("", "a\nb", "  c")]


@given(ROWS)
@example(HARD)
def test_latex_keeps_its_columns_whatever_a_cell_holds(rows: list[tuple[str, ...]]) -> None:
    lines = table("a & b_c", ["one\n[95 % interval]", "two", "divi-\nded"], rows)
    text = written([lines, Sentence("100 %\nof it"), notes("50 % & more")], [], form="latex")
    (found,) = tables(text)
    assert len(found) == 1 + len(rows)
    assert found[0] == [r"one [95 \% interval]", "two", "divided"]


def test_latex_has_real_minus_signs_and_escapes() -> None:
    (rows,) = tables(written([table("", ["a", "b", "c"], HARD)], [], form="latex"))
    assert rows[1][0] == r"{[}a] \& *b*" and rows[1][1] == r"50 \% of \$x\_1\textasciicircum{}2\$"
    assert rows[2] == ["{*}", "{[}", "$-$0.7 [$-$1.2, +0.3]"]
    assert rows[3][1] == r"\shortstack[r]{a \\ b}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_pdflatex_sets_it(tmp_path: Path) -> None:
    body = written([table("a & b", ["a", "b", "c"], HARD)], [], form="latex")
    head = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\begin{document}"
    (tmp_path / "page.tex").write_text(head + body + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0


@given(ROWS)
@example(HARD)
def test_markdown_keeps_its_columns_whatever_a_cell_holds(rows: list[tuple[str, ...]]) -> None:
    text = written([table("title", ["a", "b", "c"], rows)], [], form="markdown")
    lines = [line for line in text.split("\n") if line.startswith("|")]
    assert len(lines) == 2 + len(rows)
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {4}


@given(st.lists(st.tuples(CELL, st.one_of(st.none(), st.integers(), st.floats(allow_nan=False)), st.booleans())))
def test_csv_is_read_back_as_it_was(rows: list[tuple[object, ...]]) -> None:
    text = csv_text([Sheet("one", ("name", "number", "flag"), tuple(rows))])
    found = list(csv.DictReader(StringIO(text, newline="")))
    assert [line["flag"] for line in found] == [str(flag).lower() for _, _, flag in rows]
    assert [None if line["number"] == "" else float(line["number"]) for line in found] == [
        None if number is None else float(number) for _, number, _ in rows
    ]
    for line, (name, _, _) in zip(found, rows, strict=True):
        plain = str(name).replace("\r", "\n")
        assert line["name"] in (plain, f"'{plain}")


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("-x", "'-x"), ("+cmd", "'+cmd"), ("\t=1", "'\t=1"),
     ("-1.5", "-1.5"), (-1.5, "-1.5"), ("a=b", "a=b"), (None, ""), (True, "true")],
)  # fmt: skip
def test_a_spreadsheet_computes_no_cell_and_numbers_stay_numbers(value: object, cell: str) -> None:
    (line,) = csv.DictReader(StringIO(csv_text([Sheet("one", ("a", "b"), ((value, 0),))])))
    assert line["a"] == cell


def test_several_sheets_are_one_table_that_pandas_reads() -> None:
    sheets = [Sheet("runs", ("name", "share"), (("f16", 0.5),)), Sheet("pairs", ("name", "other"), (("a", "b"),))]
    frame = pd.read_csv(StringIO(csv_text(sheets)))
    assert list(frame.columns) == ["table", "name", "share", "other"]
    assert frame.set_index("table").loc["pairs", "other"] == "b" and frame["share"].isna().tolist() == [False, True]
