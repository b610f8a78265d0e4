"""edge-judge table: what is printed, and what does not go together."""

from __future__ import annotations

import csv
import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
from conftest import Edge, fails

from edge_judge.analysis import leaderboard
from edge_judge.analysis.leaderboard import Cell, Leaderboard, LeaderboardRow
from edge_judge.metrics.published import Published
from edge_judge.workflows.options import RunsOptions
from edge_judge.workflows.published import read_published
from edge_judge.workflows.table import to_fill

HAND = "question,a,b,label\nName a fruit.,apple,hammer,a\nName a tool.,pear,saw,b\nName a sea.,Baltic,Po,a\n"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Runs of a judge on a file of one's own: f16 right three times, q4_k_m twice, each in the order given."""
    (tmp_path / "mine.csv").write_text(HAND)
    from edge_judge import benchmarks

    sha256 = benchmarks.load(tmp_path / "mine.csv").sha256
    for scheme, said in (("f16", "aba"), ("q4_k_m", "abb")):
        folder = tmp_path / "results" / "mine" / "pocket" / scheme / "pairwise"
        folder.mkdir(parents=True)
        settings = {"gguf_sha256": scheme, "benchmark_source": str(tmp_path / "mine.csv"), "benchmark_sha256": sha256}
        identity = {"benchmark": "mine", "model": "pocket", "scheme": scheme, "grammar": "pairwise"}
        content = {**identity, "settings": settings, "gguf_bytes": 100 if scheme == "f16" else 30}
        (folder / "run.json").write_text(json.dumps(content))
        pairs = [pair.id for pair in benchmarks.load(tmp_path / "mine.csv").pairs]
        lines = [{"id": pair, "order": "ab", "verdict": verdict} for pair, verdict in zip(pairs, said, strict=True)]
        (folder / "verdicts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (folder / "score.json").write_text("{}")
    return tmp_path / "results" / "mine" / "pocket"


FILL = "to fill in what was not run"


def of_table(figures: dict[str, float], *rows: LeaderboardRow) -> Leaderboard:
    """A published judge and one that nobody can run, then these rows."""
    judges = (("a-7b", "full"), ("gpt", "api"))
    published = [Published(model, precision, "me", figures, "") for model, precision in judges]
    shown = [LeaderboardRow(row.model, None, None, None, row, ()) for row in published]
    return Leaderboard("paper", tuple(figures), (shown[0], *rows, shown[1]))


def judged(*benchmarks: str) -> LeaderboardRow:
    cells = tuple(Cell(name, figure="accuracy") for name in benchmarks)
    return LeaderboardRow("a-7b", "q8_0", "pairwise", 1, None, cells)


def test_what_was_not_run_is_told_as_the_command_that_fills_it_in() -> None:
    both = {"toy": 50.0, "other": 60.0}
    assert to_fill(of_table(both)) == [f"{FILL}: edge-judge eval --model a-7b --scheme q4_k_m --benchmark all"]
    named = RunsOptions(results=Path("my runs"), data=Path("data"))
    assert to_fill(of_table(both, judged("toy")), named) == [
        f"{FILL}: edge-judge eval --model a-7b --scheme q8_0 --grammar pairwise --benchmark other "
        "--data data --results 'my runs'"
    ]
    assert to_fill(of_table(both, judged("toy", "other"))) == []
    assert to_fill(of_table(both), RunsOptions(paths=(Path("results/toy/a-7b/q8_0/pairwise"),))) == []


def test_judges_that_lack_the_same_are_one_line() -> None:
    (line,) = to_fill(leaderboard.build([], read_published()))
    command, others = line.split("; the same with ")
    assert command == f"{FILL}: edge-judge eval --model qwen1.5-7b --scheme q4_k_m --benchmark all"
    assert "--model llama-3-8b, " in others and "gpt-4" not in line


@pytest.mark.parametrize("width", ["80", "120"])
def test_without_any_run_the_published_table_is_printed(edge: Edge, width: str) -> None:
    done = edge("table", COLUMNS=width)
    assert done.returncode == 0 and "edge-judge eval makes a run" in done.stderr
    assert "48.99" in done.stdout and "gpt-4-0613" in done.stdout and "profile paper" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= int(width)


def test_judges_with_a_run_come_first_with_the_difference_from_f16(edge: Edge, runs: Path) -> None:
    done = edge("table", COLUMNS="120")
    assert done.returncode == 0 and [line.split(":")[0] for line in done.stderr.splitlines()] == [FILL]
    lines = done.stdout.split("\n\n")[0].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("─")) + 1
    assert [line.split()[-1] for line in lines[first : first + 4]] == ["-", "!100.00", "!66.67", "−33.33"]


def test_every_form_tells_the_same(edge: Edge, runs: Path) -> None:
    rows = json.loads(edge("table", "--json").stdout)
    [mine] = [row for row in rows if row["scheme"] == "q4_k_m"]
    found = mine["cells"][-1]
    assert (found["benchmark"], found["ours"]["k"], found["ours"]["n"]) == ("mine", 2, 3)
    lines = list(csv.DictReader(StringIO(edge("table", "--csv").stdout)))
    [line] = [line for line in lines if line["scheme"] == "q4_k_m" and line["benchmark"] == "mine"]
    assert float(line["share"]) == found["ours"]["value"]
    assert float(line["from_f16_points"]) == found["from_f16"]["value"] == pytest.approx(-100 / 3)
    assert "66.67" in edge("table", "--markdown").stdout


def test_under_strict_the_rows_name_the_profile(edge: Edge, runs: Path) -> None:
    rows = json.loads(edge("table", "--profile", "strict", "--json").stdout)
    assert {row["profile"] for row in rows} == {"strict"}
    assert all(cell["from_published"] is None for row in rows for cell in row["cells"])
    [mine] = [row for row in rows if row["scheme"] == "q4_k_m"]
    assert mine["cells"][-1]["from_f16"]["low"] is not None


def test_a_run_named_alone_is_still_compared_with_the_f16_run_beside_it(edge: Edge, runs: Path) -> None:
    rows = json.loads(edge("table", runs / "q4_k_m" / "pairwise", "--json").stdout)
    assert [row["scheme"] for row in rows if row["scheme"]] == ["q4_k_m"]
    assert rows[-1]["cells"][-1]["from_f16"]["value"] == pytest.approx(-100 / 3)


def spoil(run: Path) -> None:
    """Let it have judged another file than the one that is there."""
    path = run / "run.json"
    path.write_text(path.read_text("utf-8").replace('"benchmark_sha256": "', '"benchmark_sha256": "0'))


@pytest.mark.parametrize("command", ["table", "compare"])
def test_a_run_whose_benchmark_has_changed_does_not_hide_the_others(edge: Edge, runs: Path, command: str) -> None:
    changed = runs / "q4_k_m" / "pairwise"
    spoil(changed)
    done = edge(command)
    assert done.returncode == 0 and "f16" in done.stdout and "q4_k_m" not in done.stdout
    assert "mine left out" in done.stderr
    fails(edge(command, changed), 1, "differs from the one that was judged", "--fresh")


def test_an_f16_run_that_cannot_be_scored_leaves_the_difference_out(edge: Edge, runs: Path) -> None:
    spoil(runs / "f16" / "pairwise")
    for named in ([], [runs / "q4_k_m" / "pairwise"]):
        done = edge("table", *named, "--json")
        assert done.returncode == 0 and "differs from the one that was judged" in done.stderr
        found = json.loads(done.stdout)[-1]["cells"][-1]
        assert found["ours"]["k"] == 2 and found["from_f16"]["value"] is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["compare", "--csv", "--latex"], ["--csv and --latex"]),
        (["compare", "--profile", "strict"], ["--profile"]),
        (["compare", "--layout", "table"], ["--layout"]),
        (["table", "--csv", "--json"], ["--json and --csv"]),
        (["table", "--csv", "--markdown"], ["--csv and --markdown"]),
        (["table", "--max-drop", "2"], ["--max-drop"]),
        (["table", "--baseline", "f16"], ["--baseline"]),
        (["tabel"], ["tabel", "table"]),
    ],
)
def test_what_does_not_go_together_is_refused_with_a_hint(edge: Edge, said: list[str], words: list[str]) -> None:
    fails(edge(*said), 2, *words, "hint: ")


def test_two_runs_for_one_cell_are_refused(edge: Edge, runs: Path, tmp_path: Path) -> None:
    path, other = runs / "f16" / "pairwise", tmp_path / "other"
    shutil.copytree(path, other)
    fails(edge("table", path, other), 2, "2 runs of pocket f16 on mine")
    assert edge("table", path, path).returncode == 0  # one run, named twice


def test_runs_without_a_published_figure_are_told_of_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_judge.metrics import published
    from edge_judge.records import ProgressListener
    from edge_judge.workflows.compare import beside_published
    from edge_judge.workflows.recorded import RunReader

    class Noting(ProgressListener):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    reader, listener = RunReader(), Noting()
    f16, q4 = (reader.read(runs / scheme / "pairwise") for scheme in ("f16", "q4_k_m"))
    known = iter([None, None, published.Published("pocket", "full", "user", {"mine": 50.0}, "")])
    monkeypatch.setattr(published, "find_published", lambda *_: next(known))
    rows = beside_published([q4, q4, f16], listener)
    assert listener.notes == ["no published figure for pocket on mine"]
    assert [row.published and row.published.published for row in rows] == [50.0]


def test_where_no_run_has_a_published_figure_that_is_all_that_is_said(edge: Edge, runs: Path) -> None:
    done = edge("compare", "--baseline", "published")
    fails(done, 1, "none of these runs has a published figure", "hint: ")
    assert "no published figure for" not in done.stderr
