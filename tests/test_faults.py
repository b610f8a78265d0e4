"""A few of the faults that `make faults` tries: a disk that fails or fills in the middle of a command."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import reliability_record
from fault_commands import COMMANDS, TEMPORARY
from fault_process import Fault, NoShimError
from faults import KINDS, Kept, Place, Row, complaints, disturb, numbers, opened, undisturbed

from edge_judge.cli.file_errors import described, visible
from edge_judge.errors import naming
from edge_judge.runs import folder as run_folder

SHORT = ("eval", "quantize, a folder", "pack import", "report", "data pull")
TRIED = {"error": 2, "full": 1, "short": 1}  # so many calls of each kind


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    try:
        with opened() as here:
            yield here
    except NoShimError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", SHORT)
def test_a_call_that_fails_ends_as_one_clear_error_and_the_next_run_ends_right(place: Place, name: str) -> None:
    command = next(command for command in COMMANDS if command.name == name)
    whole = undisturbed(place, command)
    rows = []
    for kind in (kind for kind in KINDS if kind.name in TRIED):
        row = Row(name, kind.name, len(whole.calls))
        for at in numbers(whole.calls, kind, TRIED[kind.name]):
            disturb(place, command, whole, Fault(kind.kinds, at, kind.error, kind.lasting), row)
        rows.append(row)
    assert all(row.tried for row in rows) and sum(row.told for row in rows)
    assert [row.findings for row in rows] == [[] for _ in rows]


def test_a_folder_for_temporary_files_that_turns_read_only_is_named(place: Place) -> None:
    command = next(command for command in COMMANDS if command.name == "quantize, a folder")
    whole, kind = undisturbed(place, command), next(kind for kind in KINDS if kind.name == "read-only")
    calls = [call.split(" ", 3) for call in whole.calls if call.split(" ", 3)[1] in kind.kinds]
    at = next(at for at, call in enumerate(calls, 1) if call[2] == "open" and f"/{TEMPORARY}/edge-judge-" in call[3])
    row = Row(command.name, kind.name, len(whole.calls))
    disturb(place, command, whole, Fault(kind.kinds, at, kind.error, lasting=True), row)
    assert (row.told, row.findings) == (1, [])


def test_a_new_run_that_cannot_take_its_place_counts_where_it_is(place: Place) -> None:
    command = next(command for command in COMMANDS if command.name == "pack import --fresh")
    whole, row = undisturbed(place, command), Row(command.name, "error", 0)
    last = next(call for call in whole.calls if " w rename " in call and call.endswith("/pairwise/score.json"))
    fault = Fault(at=int(last.split(" ", 1)[0]), error=errno.EIO)
    disturb(place, command, whole, fault, row)
    assert (row.told, row.findings) == (1, [])
    place.reset()
    assert place.run(command, fault).code == 1
    assert run_folder.read_run(place.here / Path(command.kept[0]).parent).verdicts


def test_the_call_that_is_to_fail_does(place: Place) -> None:
    """So that the test above can fail."""
    command = next(command for command in COMMANDS if command.name == "pack import")
    whole = undisturbed(place, command)
    place.reset()
    ended = place.run(command, Fault(at=1, error=errno.EIO))
    assert ended.calls[0] == whole.calls[0] and ended.calls[0].endswith("/run.ejpack")
    assert ended.code == 1 and "run.ejpack: Input/output error" in ended.stderr
    assert not complaints(ended, ["run.ejpack"])
    assert complaints(ended, ["another file"])


# ---- what is told of an error ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("temporary", "told"),
    [
        ("results/a/.run.json.4711", "results/a/run.json"),
        ("models/.q2.gguf.0a1b2c3d.part", "models/q2.gguf"),
        ("models/.q2.gguf.building/.journal.json.0a1b2c3d.part", "models/q2.gguf"),
        ("models/.q2.gguf.x_y7zab1.building/new.gguf", "models/q2.gguf"),
        ("results/a/.lock", "results/a"),
        ("results/a/.put-xyz/.score.json.12", "results/a"),
        ("models/.models.lock.guard", "models"),
        ("/home/me/.cache/edge-judge/a.json", "/home/me/.cache/edge-judge/a.json"),
        ("../.hidden.json", "../.hidden.json"),
    ],
)
def test_a_temporary_name_is_told_as_the_one_that_a_user_knows(temporary: str, told: str) -> None:
    assert visible(temporary) == told


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.ENXIO])
@pytest.mark.parametrize("file", [None, "results/run.json"])
def test_an_error_of_the_disk_is_told_with_its_file_and_what_to_do(code: int, file: str | None) -> None:
    told = described(OSError(code, os.strerror(code), file), "go on")
    assert told is not None
    message, hint = told
    assert os.strerror(code) in message and hint and (file or "cannot") in message


def test_a_bug_of_ours_is_not_told_as_an_error_of_the_disk() -> None:
    assert described(OSError(errno.EBADF, "Bad file descriptor"), None) is None


@pytest.mark.parametrize("file", [None, "run/.lock", "run/.put-x/run.json"])
def test_an_error_that_names_no_file_gets_the_name_of_what_was_written(file: str | None) -> None:
    with pytest.raises(OSError, match="run") as caught, naming(Path("run")):
        raise OSError(errno.EIO, "Input/output error", file)
    assert caught.value.filename == "run" and caught.value.errno == errno.EIO


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "broken", "elsewhere/a.json"), ConnectionResetError(errno.ECONNRESET, "gone")]
)
def test_an_error_about_another_file_or_a_connection_keeps_its_own_words(error: OSError) -> None:
    with pytest.raises(OSError) as caught, naming(Path("run")):
        raise error
    assert caught.value is error


def test_the_time_of_a_line_that_is_run_again_counts_once(tmp_path: Path) -> None:
    file, again = tmp_path / "faults.json", Row("eval", "error", 5)
    before = [Row("eval", "error", 5, seconds=100.0), Row("report", "error", 5, seconds=30.0)]
    reliability_record.write(file, "faults", before, seconds=130.0)
    Kept(file, True, 0).add(again)
    record = reliability_record.read(file)
    assert record is not None and record.seconds == pytest.approx(30.0 + again.seconds)
