"""How much work a call is, without a clock: other processes, a slow processor or a small one change nothing of it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


def steps(call: Callable[[], object]) -> int:
    """The instructions that Python executes for a call; what numpy does within one counts as one."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """For what cannot be counted, as the steps of a regular expression: a limit on this process's own time on a core,
    not the clock's. Give hundreds of times of what is needed, so that only another order of growth exceeds it.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"more than {seconds} seconds on a core")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
