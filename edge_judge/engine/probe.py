"""Opening a file for the first time, in a process of its own: llama.cpp ends the process at some files.

The child (probe_program.py) does with the file what judging does with it, and may take so much of a processor and of
memory as a file of this size can need. Whatever llama.cpp complains of first is what the file's trouble is.
Knows: the child's exit and what it wrote. Does not know: what a GGUF holds, which files need no probe.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from edge_judge.engine import probe_program
from edge_judge.engine.probe_program import MARK, seconds
from edge_judge.errors import ModelError
from edge_judge.quantities import megabytes
from edge_judge.records import file_bytes

TRIAL = "2"  # another number whenever the child does more; 1 until it did what judging does
CLOCK = 60  # seconds for a child that waits instead of working, beside those for one that gets a part of a processor
BUSY = 4
_ABORTED = re.compile(r"(?P<file>[\w.+-]+:\d+): (?:GGML_ASSERT\((?P<check>.*)\) failed|(?P<words>.*))$")
_THROWN = re.compile(r"\s*what\(\): +(?P<words>.*)")
_MEMORY = re.compile(r"bad_alloc|MemoryError|(?:failed|unable) to allocate", re.IGNORECASE)
_OUT_OF_TIME = "signal SIGXCPU"
_HINT = "a newer llama.cpp may know it: pip install -U llama-cpp-python; or take another conversion of the model"


def probe(gguf: Path) -> None:
    """Raise ModelError, with llama.cpp's first complaint, where it cannot load a file and evaluate tokens with it, or
    takes more time or memory for that than such a file can need.
    """
    command = [sys.executable, "-m", probe_program.__name__, os.fspath(gguf)]
    environment = {**os.environ, "GGML_NO_BACKTRACE": "1"}
    size = file_bytes(gguf)
    patience = CLOCK + BUSY * seconds(size)
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        raise _error(gguf, f"it is not done after {patience:,} seconds") from None
    if done.returncode != 0:
        said = complaint(done.stderr.decode(errors="replace"), done.returncode)
        if _MEMORY.search(said):
            said = f"it asks for more memory than a file of {megabytes(size)} can need, or than there is: {said}"
        raise _error(gguf, said)


def complaint(written: str, code: int) -> str:
    """The first thing that llama.cpp complained of, and the signal that ended its process. written: the child's stderr;
    code: its exit code, which a signal makes negative.
    """
    ended = f"signal {_name(-code)}" if code < 0 else f"code {code}"
    if ended == _OUT_OF_TIME:
        return f"it takes more of a processor's time than a file of its size can need ({ended})"
    said = next(_complaints(written), None)
    if said is None:
        return f"its process ended with {ended} and said nothing"
    return f"{said} (its process ended with {ended})" if code < 0 else said


def _complaints(written: str) -> Iterator[str]:
    for line in written.splitlines():
        if line.startswith(MARK):
            yield line.removeprefix(MARK).strip()
        elif thrown := _THROWN.match(line):
            yield thrown["words"].strip()
        elif aborted := _ABORTED.search(line):
            check = aborted["check"]
            yield f"its own check `{check}` failed ({aborted['file']})" if check else aborted["words"].strip()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _error(gguf: Path, said: str) -> ModelError:
    return ModelError(f"{gguf}: llama.cpp cannot run it: {said}", _HINT)
