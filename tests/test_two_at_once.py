"""Two commands at once on one thing: one works, the other waits or says who has it, and what is left is whole."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Edge, fails
from halting import halted
from kill_jobs import LEARNING, TRAIN, labelled
from systems import answered, write_outputs

from edge_judge.errors import RunError
from edge_judge.records import Identity, Run, Verdict
from edge_judge.runs import folder as run_folder
from edge_judge.runs import holder, replacing
from edge_judge.runs.alone import alone
from quantize import build_folder
from quantize.errors import PackError

TESTS = Path(__file__).parent
EDGE = [sys.executable, "-m", "edge_judge"]
HELD = re.compile(r"process (\d+) \(edge-judge .*, since \d\d:\d\d\) is (?:writing this run|training in this folder)")
UNNAMED = "another edge-judge process is "
F16 = TESTS.parent / "results" / "0.1.0" / "pocket" / "pocket" / "f16" / "pairwise"
WRITERS = {
    "eval": ("eval", "--scheme", "q8_0", "--limit", "100"),
    "choose": ("choose", "--scheme", "q2_k", "--baseline", "q8_0", "--max-pairs", "48"),
    "rank": ("rank", "outputs/sixty.jsonl", "outputs/ninety.jsonl", "--scheme", "q8_0"),
    "pack import": ("pack", "import", "run.ejpack"),
}
TIMED = ("curve.jsonl", "curve.html", "training.json")
ENDED = (0, 4)  # `choose` on so few pairs has decided nothing


def given(name: str, folder: Path, edge: Edge) -> tuple[str, ...]:
    """A command, with what it needs in the folder."""
    if name == "rank":
        write_outputs(folder / "outputs", answered(40))
    if name == "pack import":
        assert edge("pack", "export", F16, "--output", "run.ejpack").returncode == 0
    return WRITERS[name]


def content(results: Path) -> dict[str, object]:
    """The files of a folder of results, of the verdicts also what they say."""
    return {
        str(path.relative_to(results)): verdicts(path) if path.name == "verdicts.jsonl" else None
        for path in results.rglob("*")
        if path.is_file()
    }


def verdicts(path: Path) -> Counter[tuple[str, str, str]]:
    lines = map(json.loads, path.read_bytes().splitlines())
    return Counter((line["id"], line["order"], line["verdict"]) for line in lines)


def both(environment: dict[str, str], folder: Path, *command: str) -> list[tuple[int, int, str]]:
    """The process, the exit code and what was said, of a command that is started twice."""
    running = [
        subprocess.Popen(
            [*EDGE, *command], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=500)[1].decode() for process in running]
    return [(process.pid, process.returncode, text) for process, text in zip(running, said, strict=True)]


def one_works(ends: list[tuple[int, int, str]]) -> None:
    """Of two commands at least one ended well, and one that did not said that the other works.

    Who it is can be read a moment after it has begun.
    """
    for pid, code, text in ends:
        assert "Traceback" not in text
        if code not in ENDED:
            told = HELD.search(text)
            assert code == 1 and (told is not None or UNNAMED in text), text
            assert told is None or int(told[1]) in {one for one, _, _ in ends} - {pid}, text
    assert {code for _, code, _ in ends} & set(ENDED)


@pytest.mark.parametrize("name", WRITERS)
def test_of_two_commands_on_one_run_one_works_and_the_other_says_who(
    name: str, edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    command = given(name, tmp_path, edge)
    assert edge(*command, "--results", "whole").returncode in ENDED
    one_works(both(environment, tmp_path, *command))
    assert content(tmp_path / "results") == content(tmp_path / "whole")


@pytest.mark.parametrize("name", WRITERS)
def test_while_one_works_the_other_says_who_and_a_killed_one_holds_nothing(
    name: str, edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    command = given(name, tmp_path, edge)
    assert edge(*command, "--results", "whole").returncode in ENDED
    with halted(environment, tmp_path, "test_cli_eval", 7, *command) as process:
        fails(edge(*command), 1, f"process {process.pid} (", "is writing this run", "hint: wait for it")
    assert edge(*command).returncode in ENDED
    assert content(tmp_path / "results") == content(tmp_path / "whole")


@pytest.fixture
def trained(edge: Edge, tmp_path: Path) -> dict[str, bytes]:
    """The adapter of an undisturbed training, by file; what it was trained with is in the folder."""
    for needed in LEARNING:
        pytest.importorskip(needed, reason="training needs it: pip install '.[train]'")
    labelled(tmp_path)
    assert edge(*TRAIN, "--out", "whole").returncode == 0
    return adapter(tmp_path / "whole")


def adapter(folder: Path) -> dict[str, bytes]:
    """The files of a training without those that hold times; of those only the names."""
    return {path.name: b"" if path.name in TIMED else path.read_bytes() for path in folder.iterdir()}


def test_of_two_trainings_in_one_folder_one_works_and_the_other_says_who(
    trained: dict[str, bytes], environment: dict[str, str], tmp_path: Path
) -> None:
    one_works(both(environment, tmp_path, *TRAIN))
    assert adapter(tmp_path / "tuned") == trained


def test_while_one_trains_the_other_says_who_and_a_killed_one_holds_nothing(
    trained: dict[str, bytes], edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    with halted(environment, tmp_path, "test_cli_train", 2, *TRAIN) as process:
        fails(edge(*TRAIN), 1, f"process {process.pid} (", "is training in this folder", "hint: wait for it")
    assert edge(*TRAIN).returncode == 0
    assert adapter(tmp_path / "tuned") == trained


@pytest.mark.skipif(sys.platform == "win32", reason="there a lock that is held cannot be removed")
def test_a_lock_that_another_process_removed_just_now_is_not_held(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who removes a lock on leaving may do so between another's opening and locking it: then two would be alone."""
    import fcntl

    lock = fcntl.flock

    def late(file: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        (tmp_path / ".lock").unlink()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with suppress(RunError), alone(tmp_path, "writing this run", "wait for it"):
        assert (tmp_path / ".lock").exists()


@pytest.mark.parametrize("written", ["q2_k", "q8_0"])  # a new run, and one that is there and is begun anew
def test_readers_beside_a_writer_see_what_was_complete_before(
    written: str, edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    for scheme in ("f16", "q8_0"):
        assert edge("eval", "--scheme", scheme, "--limit", 3).returncode == 0
    readers = (("compare", "--json"), ("table", "--json"), ("report",))
    before = [edge(*command).stdout for command in readers]
    page = (tmp_path / "report.html").read_bytes()
    command = ("eval", "--scheme", written, "--limit", "9", "--order", "given", "--fresh")
    with halted(environment, tmp_path, "test_cli_eval", 7, *command):
        for reader, said in zip(readers, before, strict=True):
            done = edge(*reader)
            assert (done.returncode, done.stdout) == (0, said), done.stderr
        assert (tmp_path / "report.html").read_bytes() == page


def test_who_reads_a_run_that_is_being_replaced_reads_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    program = f"import sys; sys.path.insert(0, {str(TESTS)!r}); import test_two_at_once as t; t.exchange(sys.argv[1])"
    [one, other] = whole_runs()
    path, reads = put(tmp_path, one), Counter[int]()
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) as writer:
        while writer.poll() is None:
            read = run_folder.read_run(path)
            assert read in (one, other)
            assert run_folder.noted(path, "imported") is not None
            reads[len(read.verdicts)] += 1
    assert writer.returncode == 0 and len(reads) == 2


@pytest.mark.parametrize("name", ["run.json", "verdicts.jsonl"])
def test_a_file_that_moves_between_being_found_and_being_read_is_found_again(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [one, other] = whole_runs()
    path, elsewhere = put(tmp_path / "results", one), put(tmp_path / "elsewhere", other)
    elsewhere.rename(path / replacing.NEW)
    find = replacing.find_file

    def found(folder: Path, wanted: str, last: str) -> Path:
        file = find(folder, wanted, last)
        if wanted == name and file.parent.name == replacing.NEW:  # the writer is just there
            file.replace(folder / wanted)
        return file

    monkeypatch.setattr(replacing, "find_file", found)
    assert run_folder.noted(path, "imported") == {}
    assert run_folder.read_run(path) == other


def test_a_writer_that_was_killed_once_all_was_renamed_leaves_no_folder_after_the_next(tmp_path: Path) -> None:
    run = whole_runs()[0]
    path = put(tmp_path, run)
    (path / replacing.NEW).mkdir()
    run_folder.put_run(tmp_path, run, {}, ("imported", {}), fresh=False)
    assert not (path / replacing.NEW).exists()


@pytest.mark.parametrize("look", range(4))
def test_a_run_whose_last_file_is_renamed_between_two_looks_is_complete(
    look: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, looks, exists = put(tmp_path, whole_runs()[0]), 0, Path.exists
    (path / replacing.NEW).mkdir()
    for file in [*filter(Path.is_file, path.iterdir())]:
        file.rename(path / replacing.NEW / file.name)

    def exists_at_last(file: Path) -> bool:
        nonlocal looks
        if looks == look:
            (path / replacing.NEW / "score.json").rename(path / "score.json")
        looks += 1
        return exists(file)

    monkeypatch.setattr(Path, "exists", exists_at_last)
    assert run_folder.is_complete(path)


def exchange(results: str) -> None:
    """Replace a run by another one and that by the first, many times."""
    for run in (*whole_runs(), *whole_runs()) * 50:
        put(Path(results), run)


def whole_runs() -> list[Run]:
    """Two runs that belong into one folder. What is of one run fits in no place of the other."""
    who = Identity("toys", "pocket", "f16", "pairwise")
    found = []
    for count in (3, 300):
        reached = tuple(Verdict(str(number), "ab", "a", None, "x" * count) for number in range(count))
        found.append(Run(who, {"seed": count}, None, reached, count))
    return found


def put(results: Path, run: Run) -> Path:
    return run_folder.put_run(results, run, {}, ("imported", {}), fresh=True)


def test_what_a_killed_process_left_is_not_believed_and_is_cleared(tmp_path: Path) -> None:
    assert holder.holder(tmp_path) == "another edge-judge process"
    for text in ("", "{", "[]", '{"pid": "x"}', '{"pid": 1, "command": "c", "since": "yesterday"}', "[" * 10_000):
        (tmp_path / holder.NAME).write_text(text, "utf-8")
        assert holder.holder(tmp_path) == "another edge-judge process"
    holder.write_holder(tmp_path)
    assert holder.holder(tmp_path).startswith(f"process {os.getpid()} (")
    holder.forget_holder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_command_in_the_note_has_no_login_and_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/edge-judge", "eval", "--engine", "http://me:pass4711@host/v1", "x" * 500])
    holder.write_holder(tmp_path)
    assert "pass4711" not in (tmp_path / holder.NAME).read_text("utf-8")
    assert "edge-judge eval --engine http://host/v1" in holder.holder(tmp_path) and len(holder.holder(tmp_path)) < 200


def test_the_second_build_of_one_file_says_who_builds_it(tmp_path: Path) -> None:
    out = tmp_path / "model.gguf"
    with (
        build_folder.opened(out, resumable=True),
        pytest.raises(PackError, match=rf"model.gguf is being built by process {os.getpid()}, since"),
        build_folder.opened(out, resumable=True),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
