"""A column of the ladder is one place: heading and cell together, for the terminal, CSV, Markdown and the page."""

from __future__ import annotations

import csv

import pytest
from judgements import compared, random_benchmark, random_verdicts, run

from edge_judge.analysis.leaderboard import Leaderboard
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.report import ladder
from edge_judge.report.columns import Column
from edge_judge.report.page.data import Entry, Report, figures


def comparisons():
    given = random_benchmark(3, 30)
    runs = [run(random_verdicts(seed, given), scheme) for seed, scheme in enumerate(("f16", "q8_0"))]
    return given, [compared(given, one, runs[0]) for one in runs], runs


def test_a_new_column_is_in_the_terminal_csv_markdown_and_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    given, losses, runs = comparisons()
    column = Column("letters\nof scheme", lambda rung: f"{len(rung.run.identity.scheme)} letters",
                     {"scheme_letters": lambda rung: len(rung.run.identity.scheme)})  # fmt: skip
    monkeypatch.setattr(ladder, "COST", (*ladder.COST, column))
    for width in (80, 130):
        assert "3 letters" in ladder.ladder_table(losses, width=width)
        assert "4 letters" in ladder.ladder_table(losses, width=width)
    rows = list(csv.DictReader(ladder.ladder_table(losses, form="csv").splitlines()))
    assert [row["scheme_letters"] for row in rows] == ["3", "4"]
    markdown = ladder.ladder_table(losses, form="markdown")
    assert "letters of scheme" in markdown and "| 4 letters |" in markdown
    entries = tuple(Entry(RecordedRun(one, given), lost, 0) for one, lost in zip(runs, losses, strict=True))
    page = figures(Report(entries, Leaderboard("paper", (), ()), 2.0, "f16"))
    assert page["headings"]["ladder"][-1] == "letters of scheme"
    assert [one["ladder"][-1] for one in page["runs"]] == ["3 letters", "4 letters"]


def test_the_csv_of_a_ladder_has_the_figures_of_its_comparisons_and_nothing_where_there_are_none() -> None:
    _, losses, _ = comparisons()
    baseline, rung = csv.DictReader(ladder.ladder_table(losses, form="csv").splitlines())
    assert (baseline["scheme"], rung["scheme"], rung["baseline"]) == ("f16", "q8_0", "f16")
    assert float(rung["accuracy_share"]) == losses[1].run.accuracy.value
    assert float(rung["drop_points"]) == losses[1].drop.value
    assert int(rung["right_to_wrong"]) == losses[1].flips.right_to_wrong
    assert baseline["drop_points"] == baseline["p"] == baseline["kld_nats"] == ""
