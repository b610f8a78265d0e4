"""What a hub says of a repository at a revision: its commit, its files. The answer is read within limits.

huggingface_hub reads it whole, whatever it is; its session is used here, and so its addresses, tokens and errors.
Knows: the hub's API. Does not know: why it is asked, how an error is told, how a refusal is limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from quantize.errors import SourceError, SourceInterruptedError, short_repr
from quantize.json_file import parse_object

PORTAL = "a network that wants a login in a browser answers so: log in there, then run the same command again"
MOST = 32_000_000  # bytes: 100,000 files take 25 million


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository at a commit. bytes, sha256 (hex): None where the hub does not give them."""

    name: str
    bytes: int | None
    sha256: str | None


def describe(endpoint: str | None, repo: str, revision: str, timeout: float, *, files: bool) -> dict[str, Any]:
    """What the hub says of a repository. endpoint: None for huggingface_hub's; timeout: seconds without a byte;
    files: with the sizes and hashes of its files.

    Raises huggingface_hub's errors, and ValueError for an answer that is none.
    """
    from huggingface_hub import constants, get_session, hf_raise_for_status
    from huggingface_hub.utils import build_hf_headers, validate_repo_id  # type: ignore[attr-defined]

    validate_repo_id(repo)
    url = f"{(endpoint or constants.ENDPOINT).rstrip('/')}/api/models/{repo}/revision/{quote(revision, safe='')}"
    asked = {"blobs": True} if files else {}
    with get_session().stream("GET", url, params=asked, headers=build_hf_headers(), timeout=timeout) as streamed:
        hf_raise_for_status(streamed)
        body = _read(streamed)
    try:
        return parse_object(body, "the answer", SourceInterruptedError)
    except SourceInterruptedError as problem:
        raise ValueError(str(problem)) from problem


def _read(streamed: Any) -> bytes:
    """The content of an httpx.Response. Raises ValueError where it is too long."""
    body = bytearray()
    for piece in streamed.iter_bytes():
        body += piece
        if len(body) > MOST:
            raise ValueError(f"the answer has more than {MOST:,} bytes")
    return bytes(body)


def files_of(described: dict[str, Any], repo: str) -> Iterator[RemoteFile]:
    """The files in a description. Raises SourceError for what no hub says of one, and as `describe` does."""
    for told in described.get("siblings") or ():
        name, size, large = told["rfilename"], told.get("size"), told.get("lfs")
        sha256 = large["sha256"] if large else None
        whole = size is None or (type(size) is int and size >= 0)
        if not (isinstance(name, str) and whole and (sha256 is None or isinstance(sha256, str))):
            raise SourceError(f"the hub lists a file of {repo} as {short_repr((name, size, sha256))}", PORTAL)
        yield RemoteFile(name, size, sha256)
