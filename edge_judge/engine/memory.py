"""How much memory this process has, and has had at most.

Knows: the operating system's own accounting. Does not know: what the memory was for.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path


def forget_peak() -> None:
    """Begin anew, where the system can (Linux: proc(5), clear_refs); elsewhere the peak is the process's whole life."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def now() -> int:
    """The resident set at this moment, in bytes; pages of mapped files included."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def of_files() -> int:
    """Bytes of `now` that are pages of mapped files, libraries among them; 0 where the system does not tell."""
    import psutil

    return int(getattr(psutil.Process().memory_info(), "shared", 0))


def available() -> int:
    """What the system could give to a process now, in bytes."""
    import psutil

    return int(psutil.virtual_memory().available)


def peak() -> int:
    """The largest resident set since the peak was last forgotten, in bytes; pages of mapped files included."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024
