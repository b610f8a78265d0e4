"""Downloads a benchmark's file from its pinned source into the data folder, or leaves nothing there.

Knows: GitHub's raw files and the Hub's data sets, and that a file appears whole or not at all.
Does not know: what is in a file.
"""

from __future__ import annotations

import hashlib
import os
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.parse import quote

from edge_judge.benchmarks.source import Source, home, verify
from edge_judge.errors import DataError

GITHUB = "https://raw.githubusercontent.com"
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True, slots=True)
class Pulled:
    """A file that is now in the data folder. fresh: whether this call downloaded it."""

    path: Path
    sha256: str
    fresh: bool


def pull(source: Source, data: Path | None = None, *, github: str = GITHUB, hub: str | None = None) -> Pulled:
    """The source's file in the data folder: the one that is there if it is right, else a download.

    github, hub: where the two hosts answer; the Hub, unless named, where huggingface_hub too looks for it.
    """
    there = verify(source, data)
    if there.state in ("ok", "unpinned") and there.sha256 is not None:
        return Pulled(there.path, there.sha256, fresh=False)
    if source.host == "package":
        raise DataError(f"{there.path}: {there.state}", source.remedy)
    content = _download(source, _address(source, github, hub))
    found = _checked(source, content)
    target = home(source, data)
    try:
        _settle(content, target)
    except OSError as error:
        hint = "name another folder with --data DIR"
        raise DataError(f"{target}: cannot be written: {error.strerror or error}", hint) from None
    return Pulled(target, found, fresh=True)


def _address(source: Source, github: str, hub: str | None) -> str:
    if source.host == "github":
        return f"{github}/{source.repo}/{source.revision}/{quote(source.file)}"
    if hub is None:
        from huggingface_hub.constants import ENDPOINT

        hub = ENDPOINT
    return f"{hub}/datasets/{source.repo}/resolve/{source.revision}/{quote(source.file)}"


def _download(source: Source, url: str) -> bytes:
    # Both hosts serve these files to anyone by a plain GET, and none is larger than a few MB: no client
    # library is needed, whose retries would turn "no network" into half a minute of silence.
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            body: bytes = answer.read()
            return body
    except HTTPError as error:
        error.close()
        reason = f"HTTP {error.code} {error.reason}"
    except (OSError, HTTPException) as error:
        reason = str(getattr(error, "reason", error))
    raise DataError(
        f"benchmark {source.name}: cannot download {url}: {reason}",
        f"check the network, or put the file at DIR/{source.path} and use --data DIR",
    )


def _checked(source: Source, content: bytes) -> str:
    found = hashlib.sha256(content).hexdigest()
    if source.sha256 not in (None, found):
        raise DataError(
            f"benchmark {source.name}: what was served for {source.url} is not the pinned file: "
            f"its sha256 is {found[:12]}…, expected {str(source.sha256)[:12]}…; nothing was kept",
            "try again; if it stays so, get the file by other means and name its folder with --data DIR",
        )
    return found


def _settle(content: bytes, target: Path) -> None:
    """The file under its name, whole: written beside it, then renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=".pull-") as scratch:
        part = Path(scratch) / target.name
        with part.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())  # a power cut must not leave the name without the bytes
        os.replace(part, target)
