"""llama-server, llama.cpp's own server of the OpenAI API: where EDGE_JUDGE_LLAMA_SERVER points, or as the benchmarks
build it into the user's cache.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from platformdirs import user_cache_path

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))
import serving as servers


def llama_server() -> Path:
    """The program; skips the test with how to get it where it is not built."""
    version = importlib.metadata.version("llama-cpp-python")
    built = user_cache_path("edge-judge") / f"llama.cpp-{version}" / "bin" / "llama-server"
    found = Path(os.environ.get("EDGE_JUDGE_LLAMA_SERVER") or built)
    if not found.is_file():
        pytest.skip(f"{found} is not built: python benchmarks/judge_build.py builds it, in about ten minutes")
    return found


@contextmanager
def serving(gguf: Path, *arguments: str) -> Iterator[str]:
    """The address of a server of this file, with one thread: more would spin while they wait."""
    options = ["--threads", "1", "--threads-batch", "1", "--parallel", "4", "--ctx-size", "16384", *arguments]
    at = [str(llama_server()), "--model", str(gguf), "--host", "127.0.0.1", "--no-webui", "--port"]
    with servers.serving(lambda port: [*at, str(port), *options], "/health") as port:
        yield f"http://127.0.0.1:{port}/v1"
