"""edge-judge doctor: each known trouble is told with what to do, and the JSON has nothing private."""

from __future__ import annotations

import getpass
import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from chatserver import Desk, serving
from conftest import Edge

import edge_judge as ej
from edge_judge.records import Activity, Backend, DeviceMemory, Finding, Machine
from edge_judge.report.doctor import doctor_json, doctor_text
from edge_judge.workflows import doctor as workflow
from edge_judge.workflows.examining import diagnosis, places, probe
from edge_judge.workflows.examining.places import Place
from edge_judge.workflows.examining.probe import Failure, backend_apart

FINE = Machine(
    "Linux 6.1", "x86_64", "CPython 3.12.1", "glibc 2.36", "A processor", 4, 8, frozenset({"avx2", "fma"}),
    16_000_000_000, 12_000_000_000, frequency_limit=1.0, on_battery=False,
)  # fmt: skip
QUIET = Activity(1.0, 0, 0.3, 0)
CPU = Backend("AVX, AVX2, FMA", ())
DISK = Place(50_000_000_000, True, True, "ext4", False)


def states(found: Iterable[Finding]) -> dict[str, str]:
    return {one.check: one.state for one in found}


def named(found: Iterable[Finding], check: str) -> Finding:
    return next(one for one in found if one.check == check)


# ---- what a figure means ----------------------------------------------------------------------------------


def test_a_fine_machine_has_nothing_to_mend() -> None:
    found = [*diagnosis.on_machine(FINE, QUIET), *diagnosis.on_llama(FINE, CPU), diagnosis.on_place("x", DISK, "", "")]
    assert set(states(found).values()) == {"ok"} and all(not one.remedy for one in found)


@pytest.mark.parametrize(
    ("machine", "activity", "check", "state", "words"),
    [
        (replace(FINE, available=200_000_000), QUIET, "memory", "problem", "close other programs"),
        (replace(FINE, available=900_000_000), QUIET, "memory", "warning", "smaller scheme"),
        (replace(FINE, memory_limit=4_000_000_000), QUIET, "memory limit", "warning", "--max-memory 3600MB"),
        (replace(FINE, processor_limit=1.5), QUIET, "processor limit", "warning", "--threads 1"),
        (FINE, replace(QUIET, swapped=50_000_000), "swap", "problem", "close other programs"),
        (FINE, replace(QUIET, others=7.9), "other programs", "warning", "--polite"),
        (FINE, replace(QUIET, throttled=2), "heat", "warning", "let it cool"),
        (replace(FINE, frequency_limit=0.4), QUIET, "power", "warning", "power profile"),
        (replace(FINE, on_battery=True), QUIET, "battery", "warning", "plug it in"),
        (replace(FINE, libc="glibc 2.17"), QUIET, "C library", "warning", "newer distribution"),
        (replace(FINE, libc=""), QUIET, "C library", "warning", "glibc"),
    ],
)
def test_each_known_trouble_is_told_with_what_to_do(
    machine: Machine, activity: Activity, check: str, state: str, words: str
) -> None:
    found = named(diagnosis.on_machine(machine, activity), check)
    assert found.state == state and words in found.remedy


def test_a_processor_or_a_build_without_avx2_is_told() -> None:
    plain = Backend("SSE3", ())
    old = replace(FINE, flags=frozenset({"sse2"}))
    assert "no AVX2" in named(diagnosis.on_llama(old, plain), "instructions").detail
    assert "built without AVX2" in named(diagnosis.on_llama(FINE, plain), "instructions").detail
    arm = replace(FINE, architecture="aarch64", flags=frozenset({"asimd"}))
    assert "instructions" not in states(diagnosis.on_llama(arm, Backend("NEON", ())))


def test_a_gpu_that_is_not_used_is_told_with_the_line_that_builds_for_it() -> None:
    card = DeviceMemory("CUDA0", "A card", "CUDA", 1, 2)
    assert named(diagnosis.on_llama(FINE, Backend("AVX2", (card,))), "GPU").state == "ok"
    cuda = named(diagnosis.on_llama(replace(FINE, nvidia=True), CPU), "GPU")
    assert cuda.state == "warning" and 'CMAKE_ARGS="-DGGML_CUDA=on" make setup' in cuda.remedy
    mac = replace(FINE, system="Darwin 24.0", architecture="arm64", libc="")
    assert "-DGGML_METAL=on" in named(diagnosis.on_llama(mac, Backend("NEON", ())), "GPU").remedy
    assert "C library" not in states(diagnosis.on_machine(mac, QUIET))


@pytest.mark.parametrize(
    ("place", "state", "words"),
    [
        (replace(DISK, writable=False), "problem", "--results"),
        (replace(DISK, free=1_000_000), "problem", "make room"),
        (replace(DISK, free=3_000_000_000), "warning", "make room"),
        (replace(DISK, networked=True, filesystem="nfs4"), "warning", "local disk"),
        (replace(DISK, free=None), "ok", ""),
    ],
)
def test_a_folder_that_cannot_take_results_is_told(place: Place, state: str, words: str) -> None:
    found = diagnosis.on_place("results", place, "--results names another folder", "/home/me/results")
    assert found.state == state and words in found.remedy and "/home" not in found.detail + found.remedy


def test_a_folder_is_looked_at_without_making_it(tmp_path: Path) -> None:
    found = places.look_at(tmp_path / "a" / "b")
    assert found.writable and not found.there and found.free is not None and not list(tmp_path.iterdir())


def test_the_file_system_of_another_machine_is_recognized(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Mount:
        def __init__(self, mountpoint: str, fstype: str, opts: str = "rw") -> None:
            self.mountpoint, self.fstype, self.opts = mountpoint, fstype, opts

    def mounted(*mounts: Mount) -> Place:
        monkeypatch.setattr(places.psutil, "disk_partitions", lambda all: [Mount("/", "ext4"), *mounts])
        return places.look_at(tmp_path)

    assert not mounted().networked
    assert mounted(Mount(str(tmp_path), "nfs4")).networked
    assert mounted(Mount(str(tmp_path), "fuse.sshfs")).filesystem == "fuse.sshfs"
    assert mounted(Mount(str(tmp_path), "NTFS", "rw,remote")).networked  # as Windows tells it
    assert not mounted(Mount("/elsewhere", "nfs")).networked


# ---- llama.cpp, apart -------------------------------------------------------------------------------------


def test_llama_cpp_that_crashes_or_does_not_load_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PROGRAM", "import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    crashed = backend_apart()
    assert isinstance(crashed, Failure) and crashed.what == "it crashes (SIGILL)"
    monkeypatch.setattr(probe, "PROGRAM", "raise OSError('GLIBC_2.38 not found (required by /home/me/libllama.so)')")
    missing = backend_apart()
    assert isinstance(missing, Failure) and "GLIBC_2.38" in missing.message
    found = named(diagnosis.on_llama(FINE, missing), "llama.cpp")
    assert found.state == "problem" and "/home" not in found.detail and "compile it" in found.remedy
    monkeypatch.setattr(probe, "PROGRAM", "import time; time.sleep(60)")
    assert backend_apart(0.2) == Failure("it does not start within 0.2 s")


def test_the_doctor_itself_does_not_load_llama_cpp(edge: Edge) -> None:
    import subprocess

    program = "import sys, edge_judge; edge_judge.doctor; print('llama_cpp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


# ---- files and endpoints ----------------------------------------------------------------------------------


def test_a_built_file_that_is_gone_cut_or_changed_is_told(
    edge: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"EDGE_JUDGE_MODELS": str(tmp_path / "own")}
    assert edge("quantize", "pocket", "q2_k", **own).returncode == 0
    monkeypatch.setenv("EDGE_JUDGE_MODELS", own["EDGE_JUDGE_MODELS"])
    path = tmp_path / "own" / "pocket" / "pocket-q2_k.gguf"
    whole = path.read_bytes()
    for full in (False, True):
        assert states(workflow._on_built(full)) == {"built files": "ok"}
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert states(workflow._on_built(False)) == {"built files": "ok"}  # the size alone
    changed = named(workflow._on_built(True), "built files")
    assert changed.state == "problem" and "1 of 1" in changed.detail and "pocket q2_k" in changed.private
    path.write_bytes(whole[:-1])
    assert states(workflow._on_built(False)) == {"built files": "problem"}
    path.unlink()
    assert states(workflow._on_built(False)) == {"built files": "problem"}
    (tmp_path / "own" / "models.lock").write_text("built = [")
    broken = named(workflow._on_built(False), "models.lock")
    assert broken.state == "problem" and str(tmp_path) not in broken.detail + broken.remedy


def test_an_endpoint_is_asked_for_its_models_alone() -> None:
    with serving(desk := Desk()) as url:
        found = workflow._on_endpoint(workflow._endpoint(url))
        assert (found.state, found.detail) == ("ok", "answers, serves 1 model") and desk.bodies == []
    gone = workflow._on_endpoint(workflow._endpoint(url))
    host = url.removeprefix("http://").removesuffix("/v1")
    assert gone.state == "problem" and gone.detail == "no connection" and gone.private == host
    with serving(Desk(key="k")) as url:
        refused = workflow._on_endpoint(workflow._endpoint(url))
    assert (
        refused.state == "problem"
        and refused.detail.startswith("answered 401")
        and "EDGE_JUDGE_API_KEY" in refused.remedy
    )


# ---- the command ------------------------------------------------------------------------------------------


def test_the_command_tells_the_machine_and_every_check(edge: Edge) -> None:
    done = edge("doctor", COLUMNS="80")
    assert done.returncode in (0, 1) and done.stderr.startswith("error: problems found" if done.returncode else "")
    for words in ("This machine", "processor", "llama-cpp-python", "Checks", "results folder", "built files", "swap"):
        assert words in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_json_has_nothing_private(edge: Edge, tmp_path: Path) -> None:
    home = tmp_path / "quentin-home"
    home.mkdir()
    secrets = {
        "HOME": str(home), "EDGE_JUDGE_API_KEY": "sk-4711-secret", "EDGE_JUDGE_DATA": str(home / "my-data"),
        "EDGE_JUDGE_MODELS": str(home / "my-models"), "HF_TOKEN": "hf_secret_4711",
    }  # fmt: skip
    with serving(Desk(key="another")) as url:
        done = edge("doctor", "--json", "--results", home / "my-results", "--engine", url, **secrets)
    content = json.loads(done.stdout)
    assert done.returncode == 1 and named_json(content, "endpoint")["state"] == "problem"
    private = [*secrets.values(), "quentin", "my-", "4711", str(tmp_path), platform.node(), "127.0.0.1", os.getcwd()]
    if len(getpass.getuser()) > 4:  # "root" is in many words
        private.append(getpass.getuser())
    assert [text for text in private if text and text in done.stdout] == []
    assert content["machine"]["processors"] >= 1 and content["versions"]["edge-judge"] == ej.__version__


def named_json(content: dict, check: str) -> dict:
    return next(one for one in content["checks"] if one["check"] == check)


def test_a_home_folder_is_a_tilde_on_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    place = Finding("results folder", "warning", "1 GB free", "make room", str(tmp_path / "results"))
    found = ej.Diagnosis(FINE, QUIET, CPU, {"edge-judge": "1"}, (), (place,))
    text = doctor_text(found, width=120, color=False)
    assert f"1 GB free · {Path('~') / 'results'}" in text and "results folder: make room" in text
    assert str(tmp_path) not in json.dumps(doctor_json(found)) and found.problems == ()
