"""A call in a process of its own, whose peak of memory is then that of the call alone.

Knows: how events and errors come back from there. Does not know: what is called.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from edge_judge.errors import EdgeJudgeError, RunError
from edge_judge.records import BuildProgress, Progress, ProgressListener, WorkEstimate
from edge_judge.workflows.errors import KNOWN_ERRORS

DONE = "done"


def call_apart(function: Callable[[ProgressListener], None], listener: ProgressListener) -> None:
    """Call a function that pickle can find, with a listener; what it hears is passed on to this one.

    Raises what the function raises of the library's errors.
    """
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe(duplex=False)
    process = processes.Process(target=_call, args=(function, there))
    process.start()
    there.close()
    try:
        _listen(here, listener)
    finally:
        process.terminate()
        process.join()
        here.close()


def _listen(connection: Connection, listener: ProgressListener) -> None:
    """Pass on events until the function is done."""
    while True:
        try:
            event, arguments = connection.recv()
        except EOFError:
            raise RunError("the process that judged ended without a word", "the same command begins anew") from None
        if isinstance(event, Exception):
            raise event
        if event == DONE:
            return
        getattr(listener, event)(*arguments)


def _call(function: Callable[[ProgressListener], None], connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is answered by the process that waits
    try:
        function(_Sender(connection))
    except KNOWN_ERRORS as error:  # in one class: not all of them can be pickled
        connection.send((EdgeJudgeError(str(error), error.hint), ()))
    except OSError as error:
        connection.send((error, ()))
    else:
        connection.send((DONE, ()))


class _Sender(ProgressListener):
    """Sends what it hears."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, title: str) -> None:
        self._send("begin", title)

    def end(self) -> None:
        self._send("end")

    def estimate(self, name: str, estimate: WorkEstimate) -> None:
        self._send("estimate", name, estimate)

    def progress(self, progress: Progress) -> None:
        self._send("progress", progress)

    def build(self, progress: BuildProgress) -> None:
        self._send("build", progress)

    def note(self, text: str) -> None:
        self._send("note", text)

    def _send(self, event: str, *arguments: Any) -> None:
        self._connection.send((event, arguments))
