"""A coroutine in a thread of its own, whose results are taken one by one where nothing is asynchronous.

Knows: loops, threads. Does not know: what is delivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any, Literal, TypeVar, cast

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


def delivered_by(
    serve: Callable[[Callable[[Result], None]], Coroutine[Any, Any, None]],
) -> Generator[Result, None, None]:
    """What a coroutine delivers, one by one. It runs in a thread with a loop of its own, so that it also works where a
    loop runs already, as in a notebook, and goes on while a result is dealt with.
    """
    delivered: SimpleQueue[tuple[Literal[True], Result] | tuple[Literal[False], _End]] = SimpleQueue()
    loop = asyncio.new_event_loop()

    async def whole() -> None:
        try:
            await serve(lambda result: delivered.put((True, result)))
        except BaseException as error:
            delivered.put((False, _End(error)))
        else:
            delivered.put((False, _End()))

    task = loop.create_task(whole())

    def run() -> None:
        try:
            loop.run_until_complete(task)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    thread = Thread(target=run, name="edge-judge endpoint", daemon=True)
    thread.start()
    try:
        while True:
            going, value = delivered.get()
            if not going:
                error = cast(_End, value).error
                if error is not None:
                    raise error
                return
            yield cast(Result, value)
    finally:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
