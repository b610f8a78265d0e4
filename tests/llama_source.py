"""llama.cpp's source, which has its converter: where EDGE_JUDGE_LLAMA_CPP points, or from the source distribution.

The distribution is downloaded once, as pip does it, into the user's cache.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest


@cache
def _find() -> Path | str:
    """The folder with convert_hf_to_gguf.py, or why there is none."""
    given = os.environ.get("EDGE_JUDGE_LLAMA_CPP")
    if given:
        found = Path(given)
        return found if (found / "convert_hf_to_gguf.py").is_file() else f"{given} has no convert_hf_to_gguf.py"
    try:
        from platformdirs import user_cache_path

        version = importlib.metadata.version("llama-cpp-python")
    except (ImportError, importlib.metadata.PackageNotFoundError) as problem:
        return f"llama-cpp-python or platformdirs is not installed: {problem}"
    home = user_cache_path("edge-judge") / "llama-cpp-source"
    found = home / f"llama_cpp_python-{version}" / "vendor" / "llama.cpp"
    if not (found / "convert_hf_to_gguf.py").is_file() and (reason := _download(version, home)):
        return reason
    return found


def _download(version: str, home: Path) -> str | None:
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        try:
            done = subprocess.run(
                [*command, "--dest", folder, f"llama-cpp-python=={version}"], capture_output=True, timeout=240
            )
        except subprocess.TimeoutExpired:
            return "downloading llama-cpp-python's source distribution took too long"
        archives = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or not archives:
            return "llama-cpp-python's source distribution cannot be downloaded here"
        with tarfile.open(archives[0]) as archive:
            archive.extractall(home, filter="data")
    return None


def llama_source() -> Path:
    """llama.cpp's source; skips the test with the reason where it cannot be had."""
    pytest.importorskip("torch", reason="llama.cpp's converter needs torch")  # first: nothing is downloaded in vain
    found = _find()
    if isinstance(found, str):
        pytest.skip(found)
    return found
