"""Machines that share a folder judge one run together, without a scheduler."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from chaos import RUN, outcome
from test_cluster import alone, judged, pairs, pocket, without_machine  # noqa: F401

from edge_judge.engine import shared_folder
from edge_judge.engine.shared_folder import BlockFiles, SharedFolderEngine
from edge_judge.records import Benchmark, Judge, Verdict

ROOT = Path(__file__).parent.parent
Verdicts = dict[tuple[str, str], Verdict]


def shared(judge: Judge, part: Benchmark, folder: Path, name: str, grammar: str = "pairwise") -> Verdicts:
    with closing(SharedFolderEngine(judge, folder, name, threads=1)) as engine:
        return judged(engine, part, grammar)


def test_two_machines_at_once_both_end_with_the_whole_run_in_the_bits_of_one_process(
    pocket: Judge,  # noqa: F811
    pairs: Benchmark,  # noqa: F811
    tmp_path: Path,
) -> None:
    results: dict[str, Verdicts] = {}

    def run(name: str) -> None:
        results[name] = shared(pocket, pairs, tmp_path, name)

    both = [threading.Thread(target=run, args=(name,)) for name in ("m1", "m2")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert results["m1"] == results["m2"]
    assert without_machine(results["m1"]) == alone(pocket, pairs)
    assert {verdict.machine for verdict in results["m1"].values()} == {"m1", "m2"}
    assert {path.suffix for path in tmp_path.iterdir()} == {".json"}


@pytest.mark.parametrize("grammar", ["pairwise-cot", "pointwise", "none"])
def test_written_answers_and_ratings_come_back_from_files_as_they_went(
    pocket: Judge,  # noqa: F811
    pairs: Benchmark,  # noqa: F811
    tmp_path: Path,
    grammar: str,
) -> None:
    some = replace(pairs, pairs=pairs.pairs[:8])
    first = shared(pocket, some, tmp_path, "m1", grammar)
    again = shared(pocket, some, tmp_path, "m2", grammar)
    assert first == again and {verdict.machine for verdict in again.values()} == {"m1"}
    assert without_machine(first) == alone(pocket, some, grammar)


def test_a_damaged_file_of_answers_is_made_again(pocket: Judge, pairs: Benchmark, tmp_path: Path) -> None:  # noqa: F811
    some = replace(pairs, pairs=pairs.pairs[:4])
    first = shared(pocket, some, tmp_path, "m1")
    (file,) = tmp_path.glob("*.json")
    content = json.loads(file.read_text(encoding="utf-8"))
    content["answers"][0]["mass"] = 7.0
    for damage in (json.dumps(content), "{", "[]", json.dumps({"machine": "m1", "answers": []})):
        file.write_text(damage, encoding="utf-8")
        again = shared(pocket, some, tmp_path, "m2")
        assert without_machine(again) == without_machine(first)
        assert {verdict.machine for verdict in again.values()} == {"m2"}


def test_a_lease_keeps_others_away_until_it_is_old(tmp_path: Path) -> None:
    first, second = BlockFiles(tmp_path, "m1"), BlockFiles(tmp_path, "m2")
    with first.leased("block") as mine:
        assert mine
        with second.leased("block") as theirs:
            assert not theirs
        old = time.time() - 2 * shared_folder.AGE
        os.utime(tmp_path / "block.lease", (old, old))
        with second.leased("block") as theirs:
            assert theirs
            with first.leased("block") as again:
                assert not again
    assert list(tmp_path.iterdir()) == []


def test_the_first_answers_to_a_block_stay(tmp_path: Path) -> None:
    files = BlockFiles(tmp_path, "m1")
    assert files._publish("first", tmp_path / "block.json") and not files._publish("second", tmp_path / "block.json")
    assert (tmp_path / "block.json").read_text(encoding="utf-8") == "first"


def test_machines_killed_at_their_work_leave_a_folder_that_the_others_finish(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()

    def start(name: str) -> subprocess.Popen[bytes]:
        arguments = ["eval", "--limit", "200", "--shared-folder", "shared", "--results", name, "--threads", "1"]
        command = [sys.executable, "-c", "from edge_judge.engine import shared_folder; shared_folder.AGE = 2.0\n"
                   f"from edge_judge.cli import main; main({arguments!r})"]  # fmt: skip
        environment_ = {**environment, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, cwd=tmp_path, env=environment_, stderr=subprocess.DEVNULL)

    running = {name: start(name) for name in ("r1", "r2")}
    for _ in range(3):
        while not list((tmp_path / "shared").glob("*.lease")) and running["r1"].poll() is None:
            time.sleep(0.01)
        running["r1"].send_signal(signal.SIGKILL)
        running["r1"].wait()
        running["r1"] = start("r1")
    assert [process.wait(timeout=300) for process in running.values()] == [0, 0]
    first, second = outcome(tmp_path / "r1"), outcome(tmp_path / "r2")
    assert first == second and len(set(first[1])) == len(first[1]) == 400
    assert (tmp_path / "r1" / RUN / "score.json").exists()
