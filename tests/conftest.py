"""What several tests share: the command line as a process of its own, a folder of built models, what may be drawn.

Hypothesis draws the same inputs in everybody's `make test`, so that a red build is a change of one's own.
`make fuzz` (fuzz.py) draws new ones. Neither measures time: a busy machine is no error.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

SAME = settings(derandomize=True, deadline=None, print_blob=False, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", SAME)
settings.register_profile("fuzz", SAME, derandomize=False, database=None, print_blob=True)
settings.load_profile("same")


def pytest_configure() -> None:
    """Under pytest-xdist each worker keeps to a core of its own: llama.cpp's threads spin while they wait."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker.startswith("gw") and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


Edge = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for GGUF files, so that the pocket judge is built once a scheme."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def environment(models: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_JUDGE_")}
    return {**kept, "EDGE_JUDGE_MODELS": str(models), "COLUMNS": "100", "NO_COLOR": "1"}


@pytest.fixture
def edge(environment: dict[str, str], tmp_path: Path) -> Edge:
    """Run edge-judge in an empty folder."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edge_judge", *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env={**environment, **variables}, capture_output=True, encoding="utf-8", timeout=600
        )

    return run


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts this process and those it starts, also where the tests run as a background job, for which
    shells have it ignored. A handler of Python's own becomes the system's default action in a new process.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts that compute in 32 bits: otherwise llama.cpp's own results hang on how many tokens a call has."""
    compute_in_32_bits(monkeypatch)


def compute_in_32_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, for what is no test."""
    import llama_cpp.llama_cpp as llama

    default = llama.llama_context_default_params

    def params() -> llama.llama_context_params:
        found = default()
        found.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
        found.type_k = found.type_v = llama.GGML_TYPE_F32
        return found

    monkeypatch.setattr(llama, "llama_context_default_params", params)


def fails(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One error line that says `words`, at most one hint, no traceback, nothing on stdout."""
    lines = done.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert done.returncode == code, done.stderr
    assert len(errors) == 1 and "Traceback" not in done.stderr, done.stderr
    assert lines[-1].startswith(("error: ", "hint: ")), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert done.stdout == ""


QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; without it the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install '.[test]'")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield found
        found.close()


Opens = Callable[..., Any]


@pytest.fixture
def opens(browser: Any) -> Iterator[Opens]:
    """Open a page in a window of its own; when it is closed, it must have said no error and asked for nothing."""
    said: list[str] = []
    contexts = []

    def open_(path: Path, width: int = 1280, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda asked: said.append(asked.url) if asked.url != path.as_uri() else None)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert said == []
