"""Time in which nobody worked is left out of rates, and the time left follows a machine that slows down."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import SAME
from hypothesis import given
from hypothesis import strategies as st
from systems import answered, write_outputs

from edge_judge import worktime
from edge_judge.judging import judge
from edge_judge.judging.judge import ProgressReporter
from edge_judge.records import Progress, ProgressListener
from edge_judge.worktime import Gaps, Pace, WorkClock

STOPS = """
import os, signal, sys
from edge_judge import worktime
worktime._clock = worktime.WorkClock(late=1.0)
worktime._clock.keep_looking(0.05)
from edge_judge.cli import main
from edge_judge.runs.folder import RunFolder
append, kept = RunFolder.append, []
def stop_after_the_fifth(run, verdict):
    append(run, verdict)
    kept.append(verdict)
    if len(kept) == 5:
        os.kill(os.getpid(), signal.SIGSTOP)
RunFolder.append = stop_after_the_fifth
main(sys.argv[1:], prog_name="edge-judge")
"""


@dataclass
class Clocks:
    """A machine's clocks, moved by hand."""

    monotonic: float = 100.0
    calendar: float = 5000.0
    computed: float = 3.0

    def clock(self) -> WorkClock:
        return WorkClock(lambda: self.monotonic, lambda: self.calendar, lambda: self.computed)

    def pass_(self, seconds: float, *, computing: float = 1.0, asleep: float = 0.0) -> None:
        """computing: processors in use; asleep: seconds that only the calendar has."""
        self.monotonic += seconds
        self.calendar += seconds + asleep
        self.computed += computing * seconds


def test_a_stopped_process_and_a_sleeping_machine_are_left_out_and_counted() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    clocks.pass_(1)
    assert clock.seconds() == pytest.approx(1)
    clocks.pass_(600, computing=0)  # SIGSTOP: every clock goes on but the processor's
    assert clock.seconds() == pytest.approx(1)
    clocks.pass_(0.5, computing=0, asleep=3600)  # a lid: on Linux and macOS the monotonic clock stands still
    clocks.pass_(1)
    assert clock.seconds() == pytest.approx(1)
    clocks.pass_(1)
    assert clock.seconds() == pytest.approx(2)
    assert clock.gaps() == Gaps(2, pytest.approx(600 + 3601.5))
    assert clock.gaps().since(Gaps(1, 600.0)) == Gaps(1, pytest.approx(3601.5))


def test_waiting_for_a_server_and_a_long_computation_are_work() -> None:
    clocks = Clocks()
    clock = clocks.clock()
    for _ in range(300):  # a server answers after five minutes; the thread looks on
        clocks.pass_(1, computing=0)
        clock.seconds()
    clocks.pass_(60)  # a call that lets no other thread run
    assert (clock.seconds(), clock.gaps()) == (pytest.approx(360), Gaps())


@SAME
@given(st.lists(st.tuples(st.floats(0.01, 9), st.booleans()), max_size=30))
def test_work_and_gaps_together_are_all_the_time_that_passed(steps: list[tuple[float, bool]]) -> None:
    clocks = Clocks()
    clock, work = clocks.clock(), 0.0
    for seconds, asleep in steps:
        if asleep:
            clocks.pass_(10 + seconds, computing=0)
            assert clock.seconds() == pytest.approx(work)
        else:
            clocks.pass_(seconds)
            work += seconds
            assert clock.seconds() == pytest.approx(work)
    assert clock.seconds() + clock.gaps().seconds == pytest.approx(clocks.monotonic - 100)
    assert clock.gaps().times == sum(asleep for _, asleep in steps)


def test_a_budget_ends_before_a_step_too_many_and_does_not_count_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks()
    clock = clocks.clock()
    monkeypatch.setattr(worktime, "clock", lambda: clock)
    budget, unlimited = worktime.Budget(100), worktime.Budget(None)
    for _ in range(3):
        assert not budget.spent
        with budget.step():
            clocks.pass_(20)
        clocks.pass_(0.1, computing=0, asleep=7200)
    assert not budget.spent  # 60 of 100 seconds, and the next step takes 20
    clocks.pass_(5)
    clocks.pass_(9)
    clocks.pass_(7)
    assert budget.spent and not unlimited.spent  # 81: the next step would end at 101


class Told(ProgressListener):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.reports: list[Progress] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, progress: Progress) -> None:
        self.reports.append(progress)


def test_the_time_left_and_the_rate_know_nothing_of_a_closed_lid(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks, told = Clocks(), Told()
    clock = clocks.clock()
    monkeypatch.setattr(judge.worktime, "clock", lambda: clock)
    reporter = ProgressReporter(told, "pocket", 10, 0)
    reporter._planned = 100
    for step in range(5):
        if step == 2:
            clocks.pass_(0.1, computing=0, asleep=720)
        else:
            clocks.pass_(4)
        reporter.evaluated(10)
    assert told.notes == ["pocket: stopped or asleep for 12 min, left out of all rates"]
    assert told.reports[-1].seconds == pytest.approx(16)
    assert told.reports[-1].left == pytest.approx(16, rel=0.05)


def test_the_time_left_follows_a_machine_that_becomes_three_times_as_slow() -> None:
    pace, now, done, left = Pace(0.0), 0.0, 0, None
    while done < 1200:  # an hour at the first speed
        now, done = now + 3, done + 1
        left = pace.left(now, done / 4800)
    assert left == pytest.approx(3 * 3600, rel=0.01)
    slow = now
    while now - slow < 900:
        now, done = now + 9, done + 1
        left = pace.left(now, done / 4800)
    true = 9.0 * (4800 - done)
    assert left is not None and 0.85 * true < left < 1.02 * true
    assert now / done * (4800 - done) < 0.45 * true  # what the average of the whole run would say


def test_work_that_comes_in_bursts_has_no_wild_time_left() -> None:
    pace, seen = Pace(0.0), []
    for second in range(1, 6 * 640 + 1):  # 64 texts, all at the end of every 640 seconds
        left = pace.left(float(second), second // 640 * 64 / 6400)
        if second > 640 and left is not None:
            seen.append(left / (64_000 - second))
    assert 0.95 < min(seen) and max(seen) < 2.1


def test_before_anything_is_done_nothing_is_said() -> None:
    assert Pace(5.0).left(100.0, 0.0) is None


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP on this system")
@pytest.mark.parametrize(
    "command",
    [
        ("eval", "--scheme", "q8_0", "--limit", "100"),
        ("choose", "--scheme", "q2_k", "--baseline", "q8_0", "--max-pairs", "24"),
        ("rank", "sixty.jsonl", "ninety.jsonl", "--scheme", "q8_0"),
    ],
    ids=lambda command: command[0],
)
def test_a_run_that_is_stopped_for_two_seconds_says_so_and_leaves_them_out(
    command: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    write_outputs(tmp_path, answered(40))
    whole = [sys.executable, "-c", STOPS, *command]
    began = time.monotonic()
    with subprocess.Popen(whole, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        time.sleep(2.2)
        os.kill(process.pid, signal.SIGCONT)
        _, told = process.communicate(timeout=300)
    seconds = time.monotonic() - began
    assert process.returncode in (0, 4), told  # 4: on so few pairs nothing is decided
    runs = [json.loads(path.read_text("utf-8")) for path in tmp_path.glob("results/**/run.json")]
    left_out = [run["left_out"] for run in runs if "left_out" in run]
    assert len(left_out) == 1 and left_out[0]["times"] >= 1 and left_out[0]["seconds"] >= 2
    assert sum(run["measured"]["wall_seconds"] for run in runs) + left_out[0]["seconds"] <= seconds
    assert re.search(r": stopped or asleep for \d+ s, left out of all rates", told)
