"""Commands run with a fault, each in a forked copy of one process that has everything imported.

`Warm` compiles faults.c, starts that process with it preloaded, and asks it for one command after the other. The fork
saves the seconds that imports take, and what a command changes in its process is gone with it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

TESTS = Path(__file__).parent
LONGEST = 60.0  # seconds of one command


class NoShimError(Exception):
    """Why faults cannot be made on this machine."""


@dataclass(frozen=True)
class Fault:
    """kinds: letters of the calls that count: r reads, w writes, d deletes; at: the number of the one that fails, 0
    for none; lasting: all after it fail too; error: errno, 0 for a write that takes a half of its bytes.
    """

    kinds: str = "rwd"
    at: int = 0
    error: int = 0
    lasting: bool = False

    def variables(self) -> dict[str, str]:
        return {
            "FAULTS_KINDS": self.kinds,
            "FAULTS_AT": str(self.at),
            "FAULTS_ERRNO": str(self.error),
            "FAULTS_LASTING": str(int(self.lasting)),
        }


NONE = Fault()


@dataclass(frozen=True)
class Ended:
    """How a command ended. code: None where it had to be stopped; calls: those counted, as lines of the shim's log."""

    code: int | None
    stdout: str
    stderr: str
    calls: tuple[str, ...]


class Warm:
    """The process with everything imported. Use as a context manager. folder: for its files, not a watched one;
    hosted: variables that are read while something is imported; modules: more that is imported, where it is there.
    """

    def __init__(self, folder: Path, hosted: Mapping[str, str], modules: Sequence[str] = ()) -> None:
        self._folder = folder
        variables = {**os.environ, **hosted, "LD_PRELOAD": str(compiled(folder)), "PYTHONPATH": str(TESTS.parent)}
        for name in [name for name in variables if name.startswith(("EDGE_JUDGE_", "FAULTS_"))]:
            del variables[name]
        pipe = subprocess.PIPE
        command = [sys.executable, __file__, *modules]
        self._process = subprocess.Popen(command, env=variables, stdin=pipe, stdout=pipe, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def run(self, arguments: Sequence[str], here: Path, variables: Mapping[str, str], fault: Fault = NONE) -> Ended:
        """Run edge-judge in the folder `here`, the one whose files fail."""
        assert self._process.stdin is not None and self._process.stdout is not None
        log, out, err = (self._folder / name for name in ("calls", "stdout", "stderr"))
        log.unlink(missing_ok=True)
        watching = {"FAULTS_UNDER": str(here.resolve()), "FAULTS_LOG": str(log)}
        request = {
            "arguments": list(arguments),
            "here": str(here.resolve()),
            "variables": {**variables, **watching, **fault.variables()},
            "out": str(out),
            "err": str(err),
        }
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        code = json.loads(self._process.stdout.readline())
        calls = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        return Ended(code, out.read_text("utf-8", "replace"), err.read_text("utf-8", "replace"), tuple(calls))


def compiled(folder: Path) -> Path:
    """The shim. Raises NoShimError where there is no compiler, or no Linux."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if not sys.platform.startswith("linux"):
        raise NoShimError("calls are made to fail by LD_PRELOAD, which is Linux's")
    if compiler is None:
        raise NoShimError("a C compiler makes the calls fail, and there is none: apt install gcc")
    shim = folder / "faults.so"
    options = ("-shared", "-fPIC", "-O1", "-o", str(shim))
    done = subprocess.run([compiler, *options, str(TESTS / "faults.c"), "-ldl"], capture_output=True, text=True)
    if done.returncode:
        raise NoShimError(f"the shim does not compile: {done.stderr[-300:]}")
    return shim


def serve() -> None:
    """The warm process: a request a line, a forked copy for each, its exit code as a line."""
    sys.path.insert(0, str(TESTS))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import_everything()
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if not pid:
            os._exit(command(**request))
        answers.write(f"{json.dumps(exit_code(pid))}\n")
        answers.flush()


def import_everything() -> None:
    """What commands import, without what reads its settings from the environment when it is imported."""
    from importlib import import_module
    from pkgutil import walk_packages

    for name in ("llama_cpp", "jinja2", "pandas", *sys.argv[1:]):
        with suppress(ImportError):
            import_module(name)
    import edge_judge
    import quantize

    for package in (edge_judge, quantize):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                with suppress(ImportError):
                    import_module(module.name)
    _pin_the_test_file()


def _pin_the_test_file() -> None:
    """`data pull auto-j` takes the few rows of tests/data for the whole file."""
    import hashlib

    from edge_judge import benchmarks

    source, rows = benchmarks.REGISTRY["auto-j"], (TESTS / "data" / "autoj.jsonl").read_bytes()
    pinned = replace(source, sha256=hashlib.sha256(rows).hexdigest(), rows=rows.count(b"\n"))
    benchmarks.REGISTRY["auto-j"] = pinned  # type: ignore[index]


def command(arguments: list[str], here: str, variables: dict[str, str], out: str, err: str) -> int:
    """Run edge-judge in this process, as its console script does."""
    import ctypes

    from edge_judge.__main__ import run

    for stream, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream)
    sys.stdin = open(os.devnull)
    os.environ.update(variables)
    tempfile.tempdir = None  # what was read of TMPDIR before
    os.chdir(here)
    sys.argv = ["edge-judge", *arguments]
    ctypes.CDLL(None).faults_arm()
    try:
        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def exit_code(pid: int) -> int | None:
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return None


if __name__ == "__main__":
    serve()
