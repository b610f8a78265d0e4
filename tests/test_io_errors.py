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
from quantize import digest

RUN = Path(__file__).parent.parent / "results" / __version__ / "pocket" / "pocket" / "q2_k" / "pairwise"
FAULTS = {
    errno.EIO: "check the disk or the connection",
    errno.ESTALE: "check the disk or the connection",
    errno.EROFS: "check that the path exists",
    errno.EACCES: "check that the path exists",
    errno.ENOSPC: "free some disk space",
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
    assert done.exit_code == 1 and done.stdout == "" and list(tmp_path.iterdir()) == []
    assert os.strerror(fault) in error and hint.startswith("hint: ")
    if call == "fsync":
        assert "out.ejpack: " in error and hint.startswith(f"hint: {FAULTS[fault]}")


@pytest.mark.parametrize("bug", [OSError(errno.EBADF, "Bad file descriptor"), io.UnsupportedOperation("not readable")])
def test_a_bug_of_ours_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: OSError) -> None:
    monkeypatch.setattr(os, "fsync", failing(bug))
    raised = exported(tmp_path / "out.ejpack").exception
    assert isinstance(raised, OSError) and raised.errno == bug.errno


def test_a_files_name_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    done = exported(tmp_path / ("\x1b[31m" + "x" * 300) / "out.ejpack")
    assert done.exit_code == 1 and "\x1b" not in done.stderr and "\\x1b[31m" in done.stderr


def test_where_the_disk_works_again_the_same_command_ends_right(tmp_path: Path) -> None:
    done = exported(tmp_path / "out.ejpack")
    assert done.exit_code == 0
    assert (tmp_path / "out.ejpack").read_bytes().startswith(b"EJPACK")


def test_a_file_that_fails_while_it_is_hashed_is_named() -> None:
    broken = Path("/proc/self/mem")  # it opens, and its first bytes cannot be read
    if not broken.exists():
        pytest.skip("no file on this system fails when it is read")
    with pytest.raises(OSError, match="Input/output error: '/proc/self/mem'"):
        digest.sha256(broken)
