"""Limits on what a hub answers when it does not send what was asked for: a refusal, an error, a redirection.

huggingface_hub reads such an answer whole, whatever its size, and waits before its next attempt as long as it is told
to. Both end here, by a hook of its session, which otherwise works as it is configured.
Knows: HTTP answers. Does not know: what was asked for, how an error is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

MOST = 64_000  # bytes: an error has a few hundred
PATIENCE = 300  # seconds: a hub counts what is asked of it in windows of five minutes
WAITS = {"retry-after": re.compile(r"(\d+)"), "ratelimit": re.compile(r"t=(\d+)")}  # seconds, in headers


@contextmanager
def limited_refusals() -> Iterator[None]:
    """While this lasts, what a hub says instead of an answer is read up to MOST bytes, and a wait of more than PATIENCE
    seconds that it asks for is ignored: after its own few attempts, huggingface_hub gives up.
    """
    from huggingface_hub import get_session

    hooks = get_session().event_hooks["response"]
    hooks.append(_limit)
    try:
        yield
    finally:
        hooks.remove(_limit)


def _limit(response: Any) -> None:
    """Limit an httpx.Response whose content has not been read."""
    if response.is_success:
        return
    headers, stream = response.headers, response.stream
    library = import_module(type(response).__module__.partition(".")[0])  # httpx; httpx2 since huggingface_hub 2

    class Beginning(library.SyncByteStream):  # type: ignore[misc, name-defined]
        """No more than MOST bytes of a stream."""

        def __iter__(self) -> Iterator[bytes]:
            left = MOST
            for piece in stream:
                yield piece[:left]
                left -= len(piece)
                if left <= 0:
                    return

        def close(self) -> None:
            stream.close()

    response.stream = Beginning()
    headers.pop("content-encoding", None)  # what is packed could be of any size
    for name, seconds in WAITS.items():
        if any(map(_too_long, seconds.findall(headers.get(name, "")))):
            del headers[name]


def _too_long(seconds: str) -> bool:
    """Whether a number of seconds, of any length, is more than PATIENCE."""
    return len(seconds) > len(str(PATIENCE)) or int(seconds) > PATIENCE
