"""The published figures: the file as it is, and how one is laid beside ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from judgements import WHO, benchmark, scored, verdicts

from edge_judge.errors import DataError
from edge_judge.metrics.published import (
    Published,
    PublishedComparison,
    against_published,
    find_published,
    read_published,
)
from edge_judge.records import Figure, Identity
from edge_judge.report.scores import ScoreRow
from edge_judge.workflows.compare import exceeding_published

FILE = Path(__file__).parent.parent / "results" / "published.csv"
ROWS = {  # of the published files
    "auto-j": 1392,
    "pandalm": 999,
    "llmbar-natural": 100,
    "llmbar-neighbor": 134,
    "llmbar-gptinst": 92,
    "llmbar-gptout": 47,
    "llmbar-manual": 46,
    "mt-bench": 3355,
}
HEADER = "model,precision,source,toy,note\n"


def test_every_figure_of_the_users_table_is_a_whole_count() -> None:
    checked = 0
    for row in read_published(FILE):
        for name, percent in row.figures.items():
            if row.source == "user":
                k = round(percent / 100 * ROWS[name])
                assert abs(100 * k / ROWS[name] - percent) <= 0.005 + 1e-9, (row.model, name)
                checked += 1
    assert checked == 7 * 8


def test_the_table_has_nine_judges_and_a_ceiling() -> None:
    rows = read_published(FILE)
    assert len([row for row in rows if row.source == "user"]) == 9
    assert [row.model for row in rows if not row.figures] == ["nanbeige2-8b", "pandalm-7b"]
    ceiling = find_published(rows, "gpt-4-0613", "llmbar-natural")
    assert ceiling is not None and ceiling.figures["llmbar-natural"] == 93.5


def test_a_row_is_found_by_model_and_benchmark_the_users_first() -> None:
    rows = read_published(FILE)
    mine, theirs = (row for row in rows if row.model == "autoj-13b")
    assert (mine.source, mine.figures["auto-j"]) == ("user", 59.99)
    assert (theirs.source, theirs.figures["auto-j"]) == ("paper", 54.6)
    assert find_published(rows, "autoj-13b", "auto-j") == mine
    skipped = find_published(rows, "pandalm-7b", "pandalm")  # the user's row is empty
    assert skipped is not None and skipped.source == "paper"
    assert find_published(rows, "pocket", "auto-j") is None


@pytest.mark.parametrize(
    ("published", "outside", "difference"), [(50.0, False, 25.0), (99.0, True, -24.0), (None, None, None)]
)
def test_a_published_figure_lies_inside_or_outside_our_interval(
    published: float | None, outside: bool | None, difference: float | None
) -> None:
    ours = scored(benchmark("a", "b", "tie", "a"), verdicts(("a", "b"), ("b", "b"), (None, "a"), ("b", "b")), WHO)
    row = Published("pocket", "full", "user", {} if published is None else {"toy": published}, "")
    found = against_published(ours, row)
    assert (found.figure, found.ours.k, found.ours.n) == ("accuracy", 3, 4)  # the paper profile
    assert found.outside is outside
    assert found.difference == (None if difference is None else pytest.approx(difference))


def test_our_undefined_figure_leaves_the_comparison_undefined() -> None:
    ours = scored(benchmark(()), verdicts(("a", "b")), WHO)
    found = against_published(ours, Published("pocket", "full", "user", {"toy": 50.0}, ""))
    assert (found.published, found.difference, found.outside) == (50.0, None, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model,precision,toy,note\n", "line 1: no column 'source'"),
        (
            HEADER + "pocket,full,user,12.5,\npocket,full,user,many,\n",
            "line 3: toy is 'many', expected a percent",
        ),
        (HEADER + "pocket,full,user,120,\n", "line 2: toy is '120'"),
        (HEADER + "pocket,full,user,nan,\n", "line 2: toy is 'nan'"),
        (HEADER + "pocket,full\n", "line 2: the number of values differs from the header"),
        (HEADER + "pocket,full,user,1,,more\n", "line 2: the number of values differs from the header"),
        ("", "line 1: no column 'model'"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "published.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=r"published\.csv: ") as caught:
        read_published(file)
    assert told in str(caught.value)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_published(tmp_path / "published.csv")


def test_a_run_is_behind_its_published_figure_by_the_point_or_by_the_bound() -> None:
    row = find_published(read_published(FILE), "gpt-4-0613", "llmbar-natural")
    assert row is not None
    ours = Figure(0.9, 0.8, 0.95)
    beside = PublishedComparison(row, "llmbar-natural", "accuracy", ours, 93.5, -3.5, False)
    identity = Identity("llmbar-natural", "gpt-4-0613", "f16", "pairwise")
    scored_ = [ScoreRow(scored(benchmark("a"), verdicts(("a", "a")), identity), None, beside)]
    for points, by_point, by_bound in ((3.4, 1, 1), (3.6, 0, 1), (13.4, 0, 1), (13.6, 0, 0)):
        assert len(exceeding_published(scored_, points)) == by_point
        assert len(exceeding_published(scored_, points, "bound")) == by_bound
