"""What a killed process left under a temporary name is removed by the next one; what a living one writes is not."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_judge import files
from edge_judge.workflows.scratch import scratch
from quantize import atomic, build_folder

HALF = ".page.html.0a1b2c3d.part"


def by_quantize(path: Path) -> None:
    atomic.replace_text(path, "new")


def by_edge_judge(path: Path) -> None:
    files.write_whole(path, b"new")


@pytest.mark.parametrize("write", [by_quantize, by_edge_judge])
def test_the_next_writer_of_a_file_removes_what_a_killed_one_left_and_nothing_else(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    others = [".page.html.mine.part", ".page.html", "page.html.0a1b2c3d.part", ".other.html.0a1b2c3d.part"]
    for name in (HALF, *others):
        (tmp_path / name).write_text("half", encoding="utf-8")
    write(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "page.html"])


@pytest.mark.parametrize("write", [by_quantize, by_edge_judge])
def test_a_file_that_another_is_writing_stays_and_gets_its_name(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "page.html"
    with atomic.written_atomically(path) as temporary:
        temporary.write_text("slow", encoding="utf-8")
        write(path)
        assert temporary.exists() and path.read_text(encoding="utf-8") == "new"
    assert path.read_text(encoding="utf-8") == "slow"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.skipif(os.name != "posix", reason="fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_writer_that_was_killed_holds_its_file_no_more(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    child = os.fork()
    if not child:
        with atomic.written_atomically(path):
            os._exit(9)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 1
    by_edge_judge(path)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_the_next_build_of_a_file_removes_the_folder_of_a_killed_one_and_not_that_of_another(tmp_path: Path) -> None:
    out = tmp_path / "judge.gguf"
    for name, guard in ((".judge.gguf.0a1b2c3d.building", True), (".judge.gguf.0a1b2c3e.building", False)):
        (tmp_path / name).mkdir()
        if guard:
            for file in ("guard", "unfinished.gguf"):
                (tmp_path / name / file).write_text("half", encoding="utf-8")
    with build_folder.opened(out, resumable=False) as folder:
        folder.unfinished.write_text("half", encoding="utf-8")
        with build_folder.opened(out, resumable=False) as other:
            assert folder.unfinished.exists() and other.path != folder.path
            assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="a killed process is not made on Windows")
def test_the_next_command_removes_the_folder_of_a_killed_one_and_no_other(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from edge_judge.workflows.scratch import scratch\n"
        "with scratch(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'weights').write_text('half'); print(folder.name, flush=True); time.sleep(600)\n"
    )
    mine, empty, other = tmp_path / "edge-judge-mine", tmp_path / "edge-judge-00000000", tmp_path / "linked"
    for folder in (mine, empty, other):
        folder.mkdir()
    (other / "guard").write_text("")
    (tmp_path / "edge-judge-11111111").symlink_to(other)
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as killed:
        assert killed.stdout is not None
        held = tmp_path / killed.stdout.readline().strip()
        try:
            with scratch(tmp_path) as folder:
                assert held.is_dir() and folder.is_dir() and folder != held and not empty.exists()
        finally:
            killed.send_signal(signal.SIGKILL)
    assert held.is_dir() and not folder.exists()
    with scratch(tmp_path):
        assert not held.exists()
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, other.name, "edge-judge-11111111"}
    assert (other / "guard").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there filelock locks otherwise")
def test_a_lock_that_cannot_be_let_go_of_is_no_error_once_its_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def failing(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with scratch(tmp_path):
        monkeypatch.setattr(fcntl, "flock", failing)
    assert list(tmp_path.iterdir()) == []
