"""Windows, macOS, Arm and odd machines, as far as they can be had here: modules, encodings, names, folders."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import elsewhere
import pytest
from conftest import Edge, fails
from hypothesis import example, given
from hypothesis import strategies as st

from edge_judge.engine import memory
from edge_judge.engine.shared_folder import BlockFiles
from edge_judge.errors import RunError
from edge_judge.records import Identity
from edge_judge.runs.folder import RunFolder, folder, sibling
from edge_judge.runs.names import folder_name
from edge_judge.workflows.examining import machine
from quantize import atomic, build_folder

ROOT = Path(__file__).parent.parent
RECORDED = ROOT / "results" / "0.1.0" / "pocket" / "pocket"
F16, Q2_K = (str(RECORDED / scheme / "pairwise") for scheme in ("f16", "q2_k"))


# ---- what only POSIX has ----------------------------------------------------------------------------------


def test_judging_comparing_and_reporting_need_nothing_that_only_posix_has(edge: Edge, tmp_path: Path) -> None:
    taken = elsewhere.variables(tmp_path / "site")
    for command in (
        ("eval", "--scheme", "q8_0", "--limit", 6),
        ("eval", "--scheme", "q2_k", "--limit", 6),
        ("compare", "--baseline", "q8_0"),
        ("report",),
        ("doctor", "--json"),
    ):
        done = edge(*command, **taken)
        assert done.returncode == 0, done.stderr


def test_what_is_taken_away_is_really_gone_for_this_project(tmp_path: Path) -> None:
    """So that the test above can fail."""
    taken = elsewhere.variables(tmp_path / "site")
    probe = "import types; own = {'__name__': 'edge_judge.probe'}; exec('import os, signal; import resource', own)"
    done = subprocess.run([sys.executable, "-c", probe], env={**os.environ, **taken}, capture_output=True, text=True)
    assert done.returncode and "No module named 'resource'" in done.stderr
    probe = "own = {'__name__': 'quantize.probe'}; exec('import os; os.fork', own)"
    done = subprocess.run([sys.executable, "-c", probe], env={**os.environ, **taken}, capture_output=True, text=True)
    assert done.returncode and "has no attribute 'fork'" in done.stderr


def test_the_peak_of_memory_is_windows_own_counter_there(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = SimpleNamespace(rss=1, peak_wset=123_456)
    monkeypatch.setattr(memory.Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    monkeypatch.setattr(memory.psutil, "Process", lambda: SimpleNamespace(memory_info=lambda: counters))
    assert memory.peak() == 123_456


# ---- files that are open, on Windows ----------------------------------------------------------------------


@pytest.fixture
def open_files_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: a lock's file cannot be removed while it is open, and a rename replaces nothing."""
    unlink, rename = Path.unlink, Path.rename

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.name in (".lock", "guard"):
            raise PermissionError(13, "in use by another process", str(path))
        unlink(path, missing_ok=missing_ok)

    def refused_rename(path: Path, target: Path) -> Path:
        if Path(target).is_file():
            raise FileExistsError(17, "file exists", str(target))
        return rename(path, target)

    monkeypatch.setattr(Path, "unlink", refused)
    monkeypatch.setattr(Path, "rename", refused_rename)


@pytest.mark.usefixtures("open_files_stay")
def test_a_run_is_kept_where_an_open_lock_cannot_be_removed(tmp_path: Path) -> None:
    identity = Identity("pocket", "m", "f16", "pairwise")
    with RunFolder.open(tmp_path, identity, {"seed": None}, fresh=False) as run:
        (run.path / "verdicts.jsonl").touch()
    with RunFolder.open(tmp_path, identity, {"seed": None}, fresh=False) as run:
        assert run.verdicts() == []


@pytest.mark.usefixtures("open_files_stay")
def test_a_build_ends_where_its_guard_cannot_be_removed(tmp_path: Path) -> None:
    with build_folder.opened(tmp_path / "a.gguf", resumable=True) as room:
        (room.path / "journal.json").write_text("{}")
    assert not (room.path / "journal.json").exists()


@pytest.mark.usefixtures("open_files_stay")
def test_an_old_lease_is_taken_over_where_a_rename_replaces_nothing(tmp_path: Path) -> None:
    lease = tmp_path / "block.lease"
    lease.write_text("gone 1", "utf-8")
    os.utime(lease, (0, 0))
    with BlockFiles(tmp_path, "here").leased("block") as mine:
        assert mine and lease.read_text("utf-8").startswith("here ")


def test_a_second_machine_loses_where_there_are_no_hard_links(
    monkeypatch: pytest.MonkeyPatch, open_files_stay: None, tmp_path: Path
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(1, "not supported")

    monkeypatch.setattr(os, "link", no_links)
    files = BlockFiles(tmp_path, "here")
    assert files._publish("first", tmp_path / "b") and not files._publish("second", tmp_path / "b")
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path, **kind: path.name != "b" and exists(path, **kind))  # a race
    assert not files._publish("third", tmp_path / "b")
    assert (tmp_path / "b").read_text("utf-8") == "first"


def test_a_folder_that_cannot_be_flushed_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As some network file systems have it."""
    flush = os.fsync

    def refused(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(22, "invalid argument")
        flush(handle)

    monkeypatch.setattr(os, "fsync", refused)
    atomic.replace_text(tmp_path / "a", "whole")
    assert (tmp_path / "a").read_text("utf-8") == "whole"


# ---- names of folders -------------------------------------------------------------------------------------

RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


@given(st.text(max_size=12))
@example("CON")
@example("nul.gguf")
@example("aux .txt")
@example("..")
@example("a:b")
@example("gpt-4. ")
def test_any_name_becomes_a_name_that_every_system_allows(name: str) -> None:
    plain = folder_name(name)
    assert plain and not re.search(r'[<>:"/\\|?*\x00-\x1f]', plain) and plain[-1] not in ". "
    assert plain.split(".")[0].rstrip(" ").lower() not in RESERVED
    assert folder_name(plain) == plain


@pytest.mark.parametrize("name", ["pocket", "qwen1.5-7b", "q4_k_m+mine", "Müller 2", "console", "null", "com10"])
def test_a_name_that_every_system_allows_stays(name: str) -> None:
    assert folder_name(name) == name


def test_a_run_lies_under_names_that_every_system_allows(tmp_path: Path) -> None:
    path = folder(tmp_path, Identity("nul", "llama3:8b", "f16", "pairwise"))
    assert path.relative_to(tmp_path).parts == ("nul_", "llama3-8b", "f16", "pairwise")
    assert sibling(path, "aux").name == "pairwise" and sibling(path, "aux").parent.name == "aux_"


def test_two_models_whose_names_differ_by_case_alone_do_not_share_a_run(tmp_path: Path) -> None:
    """Where a file system does not tell case apart, as macOS' and Windows', both have the same folder."""
    first, second = (Identity("pocket", model, "f16", "pairwise") for model in ("Judge", "judge"))
    with RunFolder.open(tmp_path, first, {"seed": None}, fresh=False) as run:
        (run.path / "verdicts.jsonl").touch()
    (tmp_path / "pocket" / "judge").symlink_to(tmp_path / "pocket" / "Judge")
    with (
        pytest.raises(RunError, match="holds a run of the model 'Judge', which has the same folder as 'judge'"),
        RunFolder.open(tmp_path, second, {"seed": None}, fresh=False),
    ):
        pass
    with RunFolder.open(tmp_path, first, {"seed": None}, fresh=False):
        pass


# ---- encodings --------------------------------------------------------------------------------------------

TABLES = [
    ("models",),
    ("data", "list"),
    ("doctor",),
    ("compare", F16, Q2_K),
    ("table", F16, Q2_K),
    ("slices", Q2_K, "--baseline", F16),
    ("confidence", Q2_K),
    ("cascade", Q2_K, F16),
    ("jury", F16, Q2_K),
    ("lock",),
    ("choose", "--scheme", "q2_k", "--max-pairs", "60", "--margin", "5"),
    ("eval", "--scheme", "q2_k", "--limit", "4"),
    ("judge", "--question", "Name a fruit.", "--a", "Pear.", "--b", "Stone."),
]


@pytest.mark.parametrize("command", TABLES, ids=[command[0] for command in TABLES])
def test_every_table_can_be_read_where_pipes_have_windows_encoding(
    environment: dict[str, str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    variables = {**environment, "PYTHONIOENCODING": "cp1252", "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "edge_judge", *command], env=variables, cwd=tmp_path, capture_output=True, timeout=300
    )
    said = done.stdout.decode("cp1252") + done.stderr.decode("cp1252")
    assert done.returncode == (4 if command[0] == "choose" else 0), said  # so few pairs decide nothing
    assert "\\u" not in said and "Traceback" not in said, said


# ---- folders that cannot be written -----------------------------------------------------------------------


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing can be made, where this user is bound by permissions."""
    path = tmp_path / "locked"
    path.mkdir()
    path.chmod(0o500)
    try:
        (path / "probe").touch()
    except PermissionError:
        yield path
        path.chmod(0o700)
        return
    path.chmod(0o700)
    (path / "probe").unlink()
    path.rmdir()
    path.write_text("a file, in which no folder can be made either")  # root may write anywhere
    yield path


def test_results_that_cannot_be_written_are_one_line(edge: Edge, read_only: Path) -> None:
    fails(edge("eval", "--limit", 2, "--results", read_only / "results"), 1, str(read_only), "hint: ")


def test_models_that_cannot_be_written_are_one_line(edge: Edge, read_only: Path) -> None:
    fails(edge("quantize", "pocket", "q2_k", EDGE_JUDGE_MODELS=str(read_only / "m")), 1, str(read_only), "hint: ")


def test_the_doctor_names_a_folder_that_cannot_be_written(edge: Edge, read_only: Path) -> None:
    done = edge("doctor", "--results", read_only / "results" if read_only.is_dir() else read_only)
    states = dict(re.findall(r"^(results folder) +(\w+)", done.stdout, re.MULTILINE))
    if read_only.is_dir():
        assert states == {"results folder": "problem"} and done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr


# ---- Linux' own files, of other machines ------------------------------------------------------------------


def system(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_the_memory_of_a_container_is_its_smallest_limit(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/pod/box\n",
            "sys/fs/cgroup/pod/box/memory.max": "max\n",
            "sys/fs/cgroup/pod/memory.max": "4000000000\n",
            "sys/fs/cgroup/pod/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/pod/box/cpu.max": "max 100000\n",
        },
    )
    assert machine.memory_limit(8_000_000_000, root) == 4_000_000_000
    assert machine.memory_limit(2_000_000_000, root) is None
    assert machine.processor_limit(root) == 1.5


def test_the_first_version_of_control_groups_is_read_too(tmp_path: Path) -> None:
    root = system(
        tmp_path,
        **{
            "proc/self/cgroup": "5:memory:/box\n4:cpu,cpuacct:/box\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "1000000000\n",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
        },
    )
    assert machine.memory_limit(8_000_000_000, root) == 1_000_000_000
    assert machine.processor_limit(root) == 0.5
    unlimited = system(tmp_path / "b", **{"proc/self/cgroup": "4:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"})
    assert machine.processor_limit(unlimited) is None and machine.memory_limit(1, unlimited) is None


def test_heat_and_power_are_read_where_the_system_tells(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu/cpu"
    root = system(
        tmp_path,
        **{
            f"{cpu}0/thermal_throttle/core_throttle_count": "3\n",
            f"{cpu}1/thermal_throttle/package_throttle_count": "4\n",
            f"{cpu}0/cpufreq/scaling_max_freq": "1200000\n",
            f"{cpu}0/cpufreq/cpuinfo_max_freq": "4800000\n",
        },
    )
    assert machine.throttle_count(root) == 7 and machine.frequency_limit(root) == 0.25
    empty = tmp_path / "empty"
    assert machine.throttle_count(empty) is None and machine.frequency_limit(empty) is None


def test_a_machine_without_any_of_it_is_looked_at_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_(*_: Any, **__: Any) -> Any:
        raise NotImplementedError

    monkeypatch.setattr(machine.psutil, "swap_memory", fails_)
    monkeypatch.delattr(machine.psutil, "sensors_battery", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    found, activity = machine.look(tmp_path), machine.watch(0.01, tmp_path)
    assert found.processors == os.cpu_count() and found.on_battery is None and found.flags == frozenset()
    assert activity.swapped == 0 and activity.throttled is None
