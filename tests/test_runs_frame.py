"""Every verdict of recorded runs as one data frame, for a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_judge.errors import RunError
from edge_judge.records import LABELS
from edge_judge.runs import folder as run_folder
from edge_judge.runs.frame import runs_frame

RECORDED = Path(__file__).parent.parent / "results" / "0.1.0"
FEW = [RECORDED / "pocket/pocket/q2_k/pairwise", RECORDED / "pocket/pocket/f16/none"]
COLUMNS = [
    "benchmark", "model", "scheme", "grammar", "id", "order", "verdict", "p_a", "p_b", "p_tie", "mass", "truncated",
    "text",
]  # fmt: skip


def test_every_verdict_of_every_run_below_a_folder_is_a_row() -> None:
    frame = runs_frame(RECORDED)
    runs = [run_folder.read_run(path) for path in run_folder.find_runs(RECORDED)]
    assert list(frame) == COLUMNS
    assert len(frame) == sum(len(run.verdicts) for run in runs)
    by_run = frame.groupby(["scheme", "grammar"], observed=True).size()
    assert {(run.identity.scheme, run.identity.grammar): len(run.verdicts) for run in runs} == by_run.to_dict()


def test_each_row_is_its_verdict_as_it_was_recorded() -> None:
    frame = runs_frame(str(path) for path in FEW)
    verdicts = [(path, verdict) for path in FEW for verdict in run_folder.read_run(path).verdicts]
    assert frame["id"].tolist() == [verdict.id for _, verdict in verdicts]
    assert frame["order"].tolist() == [verdict.order for _, verdict in verdicts]
    assert frame["verdict"].astype(object).where(frame["verdict"].notna(), None).tolist() == [
        verdict.verdict for _, verdict in verdicts
    ]
    assert frame["text"].tolist() == [verdict.text for _, verdict in verdicts]
    assert frame["truncated"].tolist() == [verdict.truncated for _, verdict in verdicts]
    assert frame["scheme"].tolist() == [path.parent.name for path, _ in verdicts]
    assert frame["grammar"].tolist() == [path.name for path, _ in verdicts]
    for label in LABELS:
        expected = [(verdict.p or {}).get(label) for _, verdict in verdicts]
        assert frame[f"p_{label}"].astype(object).where(frame[f"p_{label}"].notna(), None).tolist() == expected


def test_figures_of_ones_own_are_a_groupby_away() -> None:
    frame = runs_frame(RECORDED)
    shares = frame["verdict"].isna().groupby([frame["scheme"], frame["grammar"]], observed=True).mean()
    recorded = run_folder.read_run(FEW[1]).verdicts
    assert shares["f16", "none"] == pytest.approx(sum(one.verdict is None for one in recorded) / len(recorded))
    assert shares["q2_k", "pairwise"] == 0


def test_without_a_run_there_are_columns_and_no_row(tmp_path: Path) -> None:
    assert list(runs_frame(tmp_path)) == COLUMNS and len(runs_frame(tmp_path)) == 0


def test_a_folder_that_is_named_and_holds_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run in this folder"):
        runs_frame([tmp_path])
