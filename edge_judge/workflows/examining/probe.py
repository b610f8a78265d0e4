"""What llama.cpp can use here, asked in a process of its own: a library that does not load, or that crashes on this
processor, then ends that process alone.

Knows: a Python that runs, what a process leaves behind. Does not know: what is to be done about it.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired

from edge_judge import foreign_json
from edge_judge.records import Backend, DeviceMemory

PROGRAM = (
    "import dataclasses, json; from edge_judge.engine.devices import backend; "
    "print('\\n' + json.dumps(dataclasses.asdict(backend())))"
)
PATIENCE = 120.0  # seconds; a GPU's driver may take a while


@dataclass(frozen=True, slots=True)
class Failure:
    """Why llama.cpp cannot be used. what: one phrase; message: the last line that was said, which may have paths."""

    what: str
    message: str = ""


def backend_apart(patience: float = PATIENCE) -> Backend | Failure:
    """What llama.cpp can use here, or why it cannot."""
    with Popen([sys.executable, "-c", PROGRAM], stdin=DEVNULL, stdout=PIPE, stderr=PIPE) as process:
        try:
            output, talk = process.communicate(timeout=patience)
        except TimeoutExpired:
            process.kill()
            return Failure(f"it does not start within {patience:g} s")
    if process.returncode < 0:
        return Failure(f"it crashes ({_signal(-process.returncode)})", _last_line(talk))
    if process.returncode:
        return Failure("it cannot be loaded", _last_line(talk))
    content = foreign_json.parse(output.splitlines()[-1])
    return Backend(content["cpu"], tuple(DeviceMemory(**device) for device in content["devices"]))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(talk: bytes) -> str:
    lines = talk.decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
