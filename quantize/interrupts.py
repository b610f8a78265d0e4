"""Signals that wait while llama.cpp calls back into Python.

An exception that a signal handler raises inside a callback is lost, and an interrupted caller frees what llama.cpp may
still use in another thread. So the handlers wait until the call is over.

Knows: Python's signal handlers. Does not know: what is called.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Run the block to its end, then the handlers of the signals that arrived. Other threads handle no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[tuple[int, FrameType | None]] = []
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler):
            handlers[number] = handler
            signal.signal(number, lambda number, frame: arrived.append((number, frame)))
    try:
        yield
    finally:
        for restored, handler in handlers.items():
            signal.signal(restored, handler)
        for late, frame in arrived:
            handlers[late](late, frame)
