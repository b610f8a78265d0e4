"""An HTTP answer: its status, its headers, and what its content is at first sight; and why no connection was made.

Knows: headers, chains of exceptions. Does not know: the client that sends requests, what is asked.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

SHORTEST_KEY = 8  # characters; a shorter one is no secret, and may stand in any answer


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. headers: by names in lower case; content: without its encoding."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def is_web_page(headers: Mapping[str, str], content: bytes) -> bool:
    """Whether an answer is for a browser, whatever it calls itself: no JSON begins as a page does."""
    begins = content[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    return "html" in headers.get("content-type", "").lower() or begins.startswith(b"<")


def without_key(answer: Any, key: str | None) -> Any:
    """A JSON answer without the key in any of its texts: a server that repeats it must not have it kept in a run."""
    if not key or len(key) < SHORTEST_KEY:
        return answer
    if isinstance(answer, str):
        return answer.replace(key, "…")
    if isinstance(answer, dict):
        return {without_key(name, key): without_key(value, key) for name, value in answer.items()}
    return [without_key(item, key) for item in answer] if isinstance(answer, list) else answer


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, of a number or of a date; None where the server asks for none."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError, OSError):  # the last on Windows, for a year that it does not know
        return None


def why_not_connected(error: BaseException) -> str:
    """What stands behind a connection that could not be made."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "no such host is known: a typing mistake, or this machine is offline"
        if isinstance(cause, ssl.SSLError):
            return f"no secure connection ({getattr(cause, 'reason', None) or 'TLS'})"
        cause = cause.__cause__ or cause.__context__
    return "no connection"
