"""llama.cpp's own programs, as the benchmarks build them into the user's cache."""

from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path

import pytest
from platformdirs import user_cache_path


def llama_program(name: str) -> Path:
    """The program; skips the test with how to get it where it is not built."""
    version = importlib.metadata.version("llama-cpp-python")
    found = user_cache_path("edge-judge") / f"llama.cpp-{version}" / "bin" / name
    if not found.is_file():
        pytest.skip(f"{found} is not built: python benchmarks/judge_build.py {name} builds it, in about ten minutes")
    return found


def run_llama(name: str, *arguments: object) -> str:
    """What the program says, on stdout and stderr."""
    done = subprocess.run(
        [llama_program(name), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace", timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout
