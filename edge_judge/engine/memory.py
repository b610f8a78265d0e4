"""The memory that this process uses now and has used at most.

Knows: the operating system's own accounting. Does not know: what the memory is for.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import psutil


def forget_peak() -> None:
    """Reset the peak if the system can (Linux: proc(5), clear_refs). Otherwise it covers the process's whole life."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def now() -> int:
    """The resident set now, in bytes, with the pages of mapped files."""
    return int(psutil.Process().memory_info().rss)


def of_files() -> int:
    """Bytes of `now` that are pages of mapped files, including libraries; 0 if the system does not say."""
    return int(getattr(psutil.Process().memory_info(), "shared", 0))


def available() -> int:
    """The memory that the system could give to a process now, in bytes."""
    return int(psutil.virtual_memory().available)


def peak() -> int:
    """The largest resident set since the peak was last reset, in bytes, with the pages of mapped files."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    counters = psutil.Process().memory_info()
    if sys.platform == "win32" or hasattr(counters, "peak_wset"):
        return int(counters.peak_wset)
    import resource  # not on Windows

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
