"""A disk that fails, fills or turns read-only: one line with the system's reason; our own bugs keep their traceback."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_judge import __version__
from edge_judge.cli import main

RUN = Path(__file__).parent.parent / "results" / __version__ / "pocket" / "pocket" / "q2_k" / "pairwise"
FAULTS = {
    errno.EIO: ("cannot read or write", "check the disk or the connection"),
    errno.ESTALE: ("cannot read or write", "check the disk or the connection"),
    errno.ECONNRESET: ("cannot read or write", "check the disk or the connection"),
    errno.EROFS: ("cannot write", "make the folder writable"),
    errno.EACCES: ("cannot write", "make the folder writable"),
    errno.ENOSPC: ("cannot write", "make room"),
}


def exported(to: Path) -> Result:
    return CliRunner().invoke(main, ["pack", "export", str(RUN), "-o", str(to)])


def failing(error: OSError) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("fault", FAULTS, ids=errno.errorcode.get)
@pytest.mark.parametrize(("where", "call"), [(os, "fsync"), (Path, "read_bytes")])
def test_a_call_that_fails_on_an_open_file_ends_as_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, call: str, fault: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(where, call, failing(OSError(fault, os.strerror(fault))))
        done = exported(tmp_path / "out.ejpack")
    error, hint = done.stderr.splitlines()
    what, remedy = FAULTS[fault]
    assert done.exit_code == 1 and done.stdout == "" and list(tmp_path.iterdir()) == []
    assert os.strerror(fault) in error and hint.startswith("hint: ")
    if call == "fsync":  # what reads a file by name says which one
        assert error == f"error: {what}: {os.strerror(fault)}" and hint.startswith(f"hint: {remedy}")


@pytest.mark.parametrize("bug", [OSError(errno.EBADF, "Bad file descriptor"), io.UnsupportedOperation("not readable")])
def test_a_bug_of_ours_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: OSError) -> None:
    monkeypatch.setattr(os, "fsync", failing(bug))
    assert exported(tmp_path / "out.ejpack").exception is bug


def test_a_files_name_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    done = exported(tmp_path / ("\x1b[31m" + "x" * 300) / "out.ejpack")
    assert done.exit_code == 1 and "\x1b" not in done.stderr and "\\x1b[31m" in done.stderr


def test_where_the_disk_works_again_the_same_command_ends_right(tmp_path: Path) -> None:
    done = exported(tmp_path / "out.ejpack")
    assert done.exit_code == 0
    assert (tmp_path / "out.ejpack").read_bytes().startswith(b"EJPACK")
