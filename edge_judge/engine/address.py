"""Where a server is, and who could listen on the way to it.

Knows: addresses. Does not know: what is sent there.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from edge_judge.errors import UsageError

KEY = "EDGE_JUDGE_API_KEY"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an endpoint is. base: with its path, `…/v1`; host: with its port; private: on this machine or network;
    unencrypted: whether texts go to another machine without TLS.
    """

    base: str
    host: str
    private: bool
    unencrypted: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises UsageError for what is no address, or has a user, a password or a query, without repeating it."""
        hint = "expected for example http://localhost:8080/v1"
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            raise UsageError("--engine: not an address", hint) from None
        if parts.username is not None or parts.query or parts.fragment:
            raise UsageError("--engine: expected an address without user, password and query", f"a key goes in {KEY}")
        if parts.scheme not in ("http", "https") or not host or not parts.netloc.isascii() or " " in parts.path:
            raise UsageError("--engine: not an address of the kind http://HOST:PORT or https://HOST", hint)
        path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
        shown = f"[{host}]" if ":" in host else host
        named = shown if port is None else f"{shown}:{port}"
        unencrypted = parts.scheme == "http" and not is_here(host)
        return cls(f"{parts.scheme}://{named}{path}", named, _private(host), unencrypted)

    @property
    def root(self) -> str:
        """The address without `/v1`, where llama-server has what is its own."""
        return self.base.removesuffix("/v1")


def is_here(host: str) -> bool:
    """Whether a host is this machine: what is sent there goes over no network."""
    try:
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _private(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local")):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:  # a name: who answers to it is not known here
        return False
