"""Downloads a benchmark's file from its pinned source into the data folder, completely or not at all.

Knows: GitHub's raw files and the Hub's data sets.
Does not know: what is in a file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit

from edge_judge.benchmarks.source import Source, home, verify
from edge_judge.errors import DataError
from edge_judge.files import write_whole

GITHUB = "https://raw.githubusercontent.com"  # unless EDGE_JUDGE_GITHUB names a mirror
TIMEOUT = 60  # seconds without a byte
MOST = 200_000_000  # bytes; the largest published file has a few million
NO_NETWORK = (errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH)


@dataclass(frozen=True, slots=True)
class Pulled:
    """A file that is now in the data folder. fresh: whether this call downloaded it."""

    path: Path
    sha256: str
    fresh: bool


def pull(source: Source, data: Path | None = None, *, github: str | None = None, hub: str | None = None) -> Pulled:
    """The source's file in the data folder. It is downloaded if it is missing or changed. Raises DataError.

    github, hub: addresses of the two hosts; by default EDGE_JUDGE_GITHUB or GitHub, and the Hub of huggingface_hub.
    """
    check = verify(source, data)
    if check.state in ("ok", "unpinned") and check.sha256 is not None:
        return Pulled(check.path, check.sha256, fresh=False)
    if source.host == "package":
        raise DataError(f"{check.path}: {check.state}", source.remedy)
    content = _download(source, _address(source, github, hub))
    sha256 = _verified_sha256(source, content)
    target = home(source, data)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)
    except OSError as error:
        hint = "name another folder with --data DIR"
        raise DataError(f"{target}: cannot be written: {error.strerror or error}", hint) from None
    return Pulled(target, sha256, fresh=True)


def _address(source: Source, github: str | None, hub: str | None) -> str:
    if source.host == "github":
        github = github or os.environ.get("EDGE_JUDGE_GITHUB") or GITHUB
        return f"{github}/{source.repo}/{source.revision}/{quote(source.file)}"
    if hub is None:
        # Imported here: only this needs huggingface_hub, which is slow to import.
        from huggingface_hub.constants import ENDPOINT

        hub = ENDPOINT
    return f"{hub}/datasets/{source.repo}/resolve/{source.revision}/{quote(source.file)}"


def _download(source: Source, url: str) -> bytes:
    # Both hosts serve these files to anyone with a plain GET, and none is larger than a few MB. A client library
    # would retry for half a minute without a word if there is no network.
    hint = f"or put the file at DIR/{source.path} and use --data DIR"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            body: bytes = response.read(MOST + 1)
            if len(body) <= MOST and not _is_web_page(response.headers.get("content-type", ""), body):
                return body
            host, sent = urlsplit(response.url).netloc.rpartition("@")[2], "a web page"
            if len(body) > MOST:
                sent = f"more than {MOST:,} bytes"
            reason, first = f"{host} sent {sent}", "log in, if this network wants that in a browser"
    except HTTPError as error:
        error.close()
        host = urlsplit(error.url).netloc.rpartition("@")[2]
        reason, first = f"{host}: HTTP {error.code} {error.reason}", "try again later"
    except (OSError, HTTPException, ValueError) as error:  # the last for a redirection to what is no address
        reason = str(getattr(error, "reason", error))
        first = "this machine seems to be offline: check the network" if _is_offline(error) else "check the network"
    raise DataError(f"benchmark {source.name}: cannot download {url}: {reason}", f"{first}, {hint}")


def _is_web_page(kind: str, body: bytes) -> bool:
    """Whether it is for a browser: a network that wants a login sends such a page in place of anything."""
    return "html" in kind.lower() or body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _is_offline(error: Exception) -> bool:
    cause = getattr(error, "reason", error)
    return isinstance(cause, socket.gaierror) or getattr(cause, "errno", None) in NO_NETWORK


def _verified_sha256(source: Source, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    if source.sha256 not in (None, sha256):
        raise DataError(
            f"benchmark {source.name}: the download of {source.url} is not the pinned file: "
            f"its sha256 is {sha256[:12]}…, expected {str(source.sha256)[:12]}…; nothing was kept",
            "try again; if that fails too, get the file by other means and name its folder with --data DIR",
        )
    return sha256
