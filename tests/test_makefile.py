"""`make setup` says what it needs, and what takes minutes, before anything else happens. Python is a stand-in here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STAND_IN = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
    --version) echo "Python {version}" ;;
    *version_info*) exit {old} ;;
    *dry-run*) exit {absent} ;;
    *"cache list"*) {kept} ;;
esac
exit 0
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def setup(
    folder: Path,
    *,
    version: str = "3.12.1",
    installed: bool = True,
    kept: bool = False,
    compiler: bool = True,
    **more: str,
) -> tuple[subprocess.CompletedProcess[str], str]:
    """`make setup` in an environment that has such a Python, and what that was asked for."""
    tools = folder / "tools"
    tools.mkdir()
    for tool in ("sh", "test", "sed", "grep", "cat", "touch", "printf", *(["c++"] if compiler else [])):
        (tools / tool).symlink_to(shutil.which(tool) or "/bin/true")
    python = folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    old = int(tuple(map(int, version.split(".")[:2])) < (3, 11))
    listing = "echo /cache/llama_cpp_python-0.3.36-py3-none-linux_x86_64.whl" if kept else ":"
    log = folder / "asked.txt"
    python.write_text(STAND_IN.format(log=log, version=version, old=old, absent=int(not installed), kept=listing))
    python.chmod(0o755)
    log.touch()
    variables = {**os.environ, "PATH": str(tools), **more}
    command = [shutil.which("make") or "make", "setup", f"VENV={folder / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    return done, log.read_text("utf-8")


def test_a_wheel_that_is_installed_is_used(tmp_path: Path) -> None:
    done, asked = setup(tmp_path)
    assert done.returncode == 0 and "is used" in done.stdout and "compiling" not in done.stdout, done.stderr
    assert "--force-reinstall" not in asked and "install --quiet --editable .[test]" in asked
    assert "--no-index --no-deps --dry-run llama-cpp-python>=" in asked


def test_compiling_is_told_before_it_begins(tmp_path: Path) -> None:
    done, asked = setup(tmp_path, installed=False)
    assert done.returncode == 0, done.stderr
    told = done.stdout.index("compiling llama.cpp: about five minutes on two cores, once\n")
    assert told < done.stdout.index("--editable")


def test_a_wheel_that_pip_kept_is_told(tmp_path: Path) -> None:
    done, _ = setup(tmp_path, installed=False, kept=True)
    assert done.returncode == 0 and "the wheel that pip kept is used" in done.stdout


def test_arguments_for_cmake_compile_anew_though_a_wheel_is_there(tmp_path: Path) -> None:
    done, asked = setup(tmp_path, kept=True, CMAKE_ARGS="-DGGML_CUDA=on")
    assert done.returncode == 0 and "compiling llama.cpp" in done.stdout, done.stderr
    assert "--no-cache-dir --force-reinstall --no-binary llama-cpp-python llama-cpp-python>=" in asked
    assert (tmp_path / "venv" / ".cmake-args").read_text("utf-8") == "-DGGML_CUDA=on"


def test_a_python_that_is_too_old_is_one_line_and_what_to_do(tmp_path: Path) -> None:
    done, asked = setup(tmp_path, version="3.9.6")
    assert done.returncode and "needs Python 3.11 or newer" in done.stderr and "is Python 3.9.6" in done.stderr
    assert "hint: install one, then for example: PYTHON=python3.12 make setup" in done.stderr and "pip" not in asked


def test_without_a_compiler_nothing_is_begun_that_must_fail(tmp_path: Path) -> None:
    done, asked = setup(tmp_path, installed=False, compiler=False, CXX="")
    assert done.returncode and "needs a C++ compiler" in done.stderr and "--editable" not in asked
