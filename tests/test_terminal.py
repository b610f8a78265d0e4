"""What a person sees in a terminal: bars below notes, tables at 80 columns, and nothing with --quiet."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from terminal_screen import Shown, shown

from edge_judge.cli import terminal
from edge_judge.records import Progress, WorkEstimate

EDGE = [sys.executable, "-m", "edge_judge"]
BAR = re.compile("[━╸╺]")
LISTENING = """
import sys
from edge_judge.cli.terminal import BlockListener
from edge_judge.records import Progress
listener = BlockListener()
with listener.task("first"):
    listener.progress(Progress(1, 4, 10, 40, 1.0))
    listener.note("a note [in brackets]")
    with listener.task("second"):
        listener.progress(Progress(3, 9, 30, 90, 1.0))
        listener.note("a note on the second")
    listener.note("another note")
print("the result")
"""


@pytest.fixture
def tty(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name != "NO_COLOR"}


def test_notes_stand_above_the_bars_and_the_bars_are_gone_at_the_end(tty: dict[str, str]) -> None:
    seen = shown([sys.executable, "-c", LISTENING], tty)
    assert (seen.code, seen.text) == (0, "a note [in brackets]\na note on the second\nanother note\nthe result\n")
    frames = [frame.splitlines() for frame in seen.frames]
    both = [[line for line in lines if BAR.search(line)] for lines in frames]
    nested = [bars for bars in both if len(bars) == 2]
    assert nested and all("first" in bars[0] and "second" in bars[1] for bars in nested)
    assert any("3/9 verdicts" in bars[1] for bars in nested)
    assert all("note" not in line for bars in both for line in bars)


def test_nested_work_reports_to_the_innermost_bar_without_a_terminal_too(capsys: pytest.CaptureFixture[str]) -> None:
    listener = terminal.TerminalListener()
    with listener.task("outer"):
        with listener.task("inner"):
            listener.progress(Progress(0, 1, 1, 2, 1.0, 500.0))
        listener.progress(Progress(0, 1, 1, 2, 1.0, 300.0))
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["inner", "outer"]


def test_work_in_blocks_tells_what_its_first_block_takes_and_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listener, bars = terminal.BlockListener(), _NoBars()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(terminal, "_Bars", lambda: bars)
    for task in ("q8_0", "q4_k_m"):
        with listener.task(task):
            for _ in range(50):
                listener.estimate(task, WorkEstimate(32, 10, 20, 0, 10**8))
    assert capsys.readouterr().err == ""
    assert [line.partition(",")[0] for line in bars.noted] == ["q8_0", "q4_k_m"]


class _NoBars:
    """Keeps what is noted above bars."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def begin(self, _: str) -> terminal._Forecast:
        return terminal._Forecast("")

    def note(self, text: str) -> None:
        self.noted.append(text)

    def close(self) -> None:
        return None


def test_models_at_80_columns_has_every_name_and_size_whole(tty: dict[str, str]) -> None:
    for scheme in ("q2_k", "q3_k_m", "q4_k_m", "q5_k_m", "q6_k", "q8_0"):
        assert shown([*EDGE, "quantize", "pocket", scheme], tty).code == 0
    seen = shown([*EDGE, "models"], tty).text
    assert "…" not in seen
    names = re.findall(r"^(\S+) +\d", seen, re.MULTILINE)
    assert names[0] == "qwen1.5-7b" and names[-1] == "pocket" and len(names) == 10
    built = seen.partition("pocket ")[2]
    assert all(scheme in built for scheme in ("q2_k", "q3_k_m", "q4_k_m", "q5_k_m", "q6_k", "q8_0"))


def judged(tty: dict[str, str], folder: Path, *options: str) -> Shown:
    return shown([*EDGE, "eval", "--limit", "12", *options], tty, folder=folder)


def test_eval_ends_with_four_figures_and_the_next_command(tty: dict[str, str], tmp_path: Path) -> None:
    first = judged(tty, tmp_path).text
    for heading in ("accuracy %", "errors %", "bias, points", "per minute"):
        assert heading in first
    assert first.endswith("all figures: --verbose\nnext: edge-judge eval --scheme q4_k_m --limit 12\n")
    assert "kappa" not in first
    assert judged(tty, tmp_path, "-s", "q4_k_m").text.endswith("next: edge-judge compare\n")
    assert "kappa" in judged(tty, tmp_path, "--verbose").text


def test_quiet_leaves_the_result_alone_and_errors(tty: dict[str, str], tmp_path: Path) -> None:
    quiet = judged(tty, tmp_path, "-q")
    assert quiet.text.startswith("pocket: 12 pairs, 24 verdicts") and quiet.text.endswith("--verbose\n")
    assert not any(BAR.search(frame) for frame in quiet.frames)
    refused = shown([*EDGE, "compare", "-q", "nowhere"], tty, folder=tmp_path)
    assert refused.code != 0 and refused.text.startswith("error: ")
