"""This machine's processors: how many this process may use, how long a call used them, and who goes first.

Knows: the operating system's counters. Does not know: what a call does, how many threads it should have.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

SPINS = 1000  # some 20 to 50 µs
SPINNING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")  # OpenMP's settings, the first of which is set
NICE = 10


def physical_cores() -> int:
    """The physical cores that this process may use."""
    return max(1, min(psutil.cpu_count(logical=False) or 1, processors()))


def processors() -> int:
    """The processors that this process may use: two of a core that runs two threads."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def brief_spinning() -> Iterator[None]:
    """While an OpenMP library is loaded, which reads its settings once: a thread that waits for others soon sleeps.

    By default it spins for a millisecond or more. Where another program runs, it then spins away the very time that the
    thread which it waits for should have. Settings of the user's are left alone.
    """
    if any(name in os.environ for name in SPINNING):
        yield
        return
    os.environ[SPINNING[0]] = str(SPINS)
    try:
        yield
    finally:
        os.environ.pop(SPINNING[0], None)


def give_way() -> None:
    """Let other programs go first, for as long as this process lives."""
    process = psutil.Process()
    if psutil.WINDOWS:
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    elif process.nice() < NICE:
        process.nice(NICE)


class Stopwatch:
    """Measures from when it is made."""

    def __init__(self) -> None:
        self._start, self._cpu, self._idle = time.perf_counter(), time.process_time(), psutil.cpu_times().idle

    def read(self) -> tuple[float, float, float]:
        """Seconds, processor seconds of this process, and processor seconds that nobody used."""
        idle = psutil.cpu_times().idle - self._idle
        return time.perf_counter() - self._start, time.process_time() - self._cpu, max(0.0, idle)
