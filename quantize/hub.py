"""The files of a published model, at a pinned revision of a hub.

Files are fetched one at a time through huggingface_hub, with its resume, its Xet and its tokens. A file that is in its
cache is used from there and left alone. Knows nothing about what is inside a file.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from quantize.digest import sha256
from quantize.errors import SourceError, SourceInterruptedError, short_repr, without_login
from quantize.hub_listing import PORTAL, RemoteFile, describe, files_of
from quantize.hub_refusals import limited_refusals
from quantize.lock import PromptSource
from quantize.prompts import read_prompt

if TYPE_CHECKING:  # huggingface_hub loads slowly, and a build from a folder needs no hub
    from huggingface_hub.errors import HfHubHTTPError

CODE_HOST = "https://raw.githubusercontent.com"
MAX_CODE_BYTES = 1 << 20
TIMEOUT = 30.0  # seconds without a byte
RESUMED = "finished parts are kept"
NO_NETWORK = (errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH)
NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no quota of its own
OF_DISKS = (errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.ENOLCK)
COMMIT = re.compile(r"\w{1,64}", re.ASCII)
OUTSIDE = re.compile(r"^[/~]|^[A-Za-z]:|[\\\x00-\x1f]|(^|/)\.{0,2}(/|$)")  # of a file's name: it leads elsewhere
NO_HUB = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)  # an answer of another


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file on this disk. temporary: it was fetched for this build and may be deleted after it."""

    path: Path
    temporary: bool

    def drop(self) -> None:
        """Delete the file if it is temporary."""
        if self.temporary:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub with Hugging Face's API. endpoint, cache: None means as huggingface_hub is configured."""

    endpoint: str | None = None
    cache: Path | None = None
    code_host: str = field(default_factory=lambda: os.environ.get("EDGE_JUDGE_GITHUB", CODE_HOST))

    def commit(self, repo: str, revision: str = "main") -> str:
        """The commit hash of a branch, tag or commit of a repository. Raises SourceError as `listing` does."""
        commit = self._described(repo, revision).get("sha")
        if not commit:
            raise SourceError(f"the hub does not say which commit {revision} of {repo} is")
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise SourceError(f"the hub calls {revision} of {repo} {short_repr(commit)}, which is no commit")
        return commit

    def listing(self, repo: str, commit: str, acceptance: str | None = None) -> dict[str, RemoteFile]:
        """The files of a repository at a commit, by name.

        Raises SourceError where the repository or commit does not exist or needs an accepted licence, and
        SourceInterruptedError where the hub cannot be reached.
        """
        described = self._described(repo, commit, acceptance, files=True)
        if (answered := described.get("sha")) != commit:
            raise SourceError(f"{repo}: the hub answers for commit {short_repr(answered)}, models.lock pins {commit}")
        with _as_a_hub(repo, self.endpoint):
            return {file.name: file for file in files_of(described, repo)}

    def fetch(
        self,
        repo: str,
        commit: str,
        file: RemoteFile,
        folder: Path,
        *,
        keep: bool = False,
        acceptance: str | None = None,
    ) -> Fetched:
        """Get one file: from the cache, else into `folder`, or into the cache with `keep`.

        An interrupted download is resumed. Raises SourceError where the hash is not the expected one (a file fetched
        into `folder` is removed) and as `listing` does.
        """
        if OUTSIDE.search(file.name):
            raise SourceError(f"{repo} has a file {short_repr(file.name)}, whose name leads out of its folder")
        _quiet()
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        cached = try_to_load_from_cache(repo, file.name, cache_dir=self.cache, revision=commit)
        if isinstance(cached, str):
            fetched = Fetched(Path(cached), temporary=False)
        else:
            _refuse_open_token(self.endpoint)
            with self._asked(repo, commit, acceptance), _no_progress_bars():
                place = {"cache_dir": self.cache} if keep else {"local_dir": folder}
                path = hf_hub_download(repo, file.name, revision=commit, endpoint=self.endpoint, **place)
            fetched = Fetched(Path(path), temporary=not keep)
        if file.sha256 is not None and (digest := sha256(fetched.path)) != file.sha256:
            fetched.drop()
            raise SourceError(
                f"{file.name} of {repo} has sha256 {digest}, expected {file.sha256}",
                "the file was damaged in transit or replaced; it was removed. Try again"
                if fetched.temporary
                else f"remove {fetched.path} from the cache and try again",
            )
        return fetched

    def prompt(self, source: PromptSource) -> str:
        """The prompt a judge was trained on. Raises SourceError where its file is not the pinned one."""
        url = f"{self.code_host}/{source.repo}/{source.commit}/{source.path}"
        try:
            with urlopen(url, timeout=TIMEOUT) as answer:
                data: bytes = answer.read(MAX_CODE_BYTES)
        except HTTPError as problem:
            raise SourceError(f"cannot fetch the prompt of this model: {url} answers {problem.code}") from problem
        except (OSError, HTTPException, ValueError) as problem:  # the last for a redirection to what is no address
            reason = getattr(problem, "reason", problem)
            raise SourceInterruptedError(f"cannot reach {url}: {reason}", offline_hint(problem)) from problem
        if source.sha256 not in (None, hashlib.sha256(data).hexdigest()):
            raise SourceError(f"{url} is not the file that models.lock pins", "its sha256 differs; it was not used")
        return read_prompt(data.decode("utf-8", "replace"), source)

    @contextmanager
    def _asked(self, repo: str, revision: str, acceptance: str | None) -> Iterator[None]:
        """Whatever the hub answers to huggingface_hub: within limits, and errors as this package's."""
        with _translated_errors(repo, revision, acceptance), _as_a_hub(repo, self.endpoint), limited_refusals():
            yield

    def _described(
        self, repo: str, revision: str, acceptance: str | None = None, *, files: bool = False
    ) -> dict[str, Any]:
        """What the hub says of a repository. files: with the sizes and hashes of its files."""
        _quiet()
        _refuse_open_token(self.endpoint)
        with self._asked(repo, revision, acceptance):
            return describe(self.endpoint, repo, revision, TIMEOUT, files=files)


@contextmanager
def _as_a_hub(repo: str, endpoint: str | None) -> Iterator[None]:
    """Raise SourceInterruptedError where an answer breaks what reads it: it is of another server than a hub."""
    from huggingface_hub import constants

    try:
        yield
    except NO_HUB as problem:
        if isinstance(problem, OSError) or type(problem).__module__.startswith("huggingface_hub"):
            raise  # it has been understood
        host = urlsplit(endpoint or constants.ENDPOINT).netloc.rpartition("@")[2]
        raise SourceInterruptedError(f"{host} does not answer as a hub does about {repo}", PORTAL) from problem


def _quiet() -> None:
    """Before huggingface_hub is imported: it reads this once, and reports nothing about its user then."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def _refuse_open_token(endpoint: str | None) -> None:
    """A token must not go over a network without TLS. Raises SourceError."""
    from huggingface_hub import constants, get_token

    address = urlsplit(endpoint or constants.ENDPOINT)
    if address.scheme != "http" or _is_here(address.hostname or "") or constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return
    if get_token():
        raise SourceError(
            f"the hub's token would go without TLS to {address.hostname}",
            "HF_ENDPOINT takes an https address, and with HF_HUB_DISABLE_IMPLICIT_TOKEN=1 no token is sent",
        )


def _is_here(host: str) -> bool:
    """Whether it is this machine."""
    try:
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _translated_errors(repo: str, revision: str, acceptance: str | None = None) -> Iterator[None]:
    """Raise huggingface_hub's errors as this package's."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as problem:
        page = acceptance or f"https://huggingface.co/{repo}"
        raise SourceError(
            f"{repo} is gated: its licence must be accepted before it can be downloaded",
            f"accept it at {page}, then log in with `hf auth login` or set HF_TOKEN",
        ) from problem
    except errors.RevisionNotFoundError as problem:
        raise SourceError(
            f"{repo} has no commit {revision} any more", "`edge-judge lock --check` shows what moved"
        ) from problem
    except errors.RemoteEntryNotFoundError as problem:
        raise SourceError(f"a file is missing from {repo} at {revision}: {_one_line(problem)}") from problem
    except errors.RepositoryNotFoundError as problem:
        raise SourceError(
            f"there is no repository {repo}, or it is private", "check the name, or log in with `hf auth login`"
        ) from problem
    except errors.HFValidationError as problem:
        raise SourceError(f"{repo!r} is no repository name: {_one_line(problem)}") from problem
    except errors.HfHubHTTPError as problem:
        raise _refused(repo, problem) from problem
    except Exception as problem:
        transport = type(problem).__module__.startswith(("httpx", "huggingface_hub"))
        if not isinstance(problem, OSError) and not transport:
            raise  # a bug, not a lost connection
        if isinstance(problem, OSError) and problem.errno in NO_ROOM:
            raise SourceError(f"no room on the disk for a file of {repo}", "free some space and try again") from problem
        if isinstance(problem, OSError) and problem.errno in OF_DISKS:
            raise SourceInterruptedError(
                f"a file of {repo} cannot be written: {problem.strerror}",
                f"check the disk and run the same command again; {RESUMED}",
            ) from problem
        raise SourceInterruptedError(
            f"the checkpoint of {repo} is not on this machine and cannot be downloaded now: {_one_line(problem)}",
            offline_hint(problem),
        ) from problem


def _refused(repo: str, problem: HfHubHTTPError) -> SourceInterruptedError:
    """A hub that answers with an error which says nothing about the repository."""
    status, host = problem.response.status_code, problem.response.url.host
    hints = {
        401: "log in with `hf auth login`, or set HF_TOKEN",
        403: "log in with `hf auth login`, or set HF_TOKEN to one that may read it",
        404: "check the name, and HF_ENDPOINT where it is set",
        429: f"too much was asked of it: wait some minutes; {RESUMED}",
    }
    hint = hints.get(status, f"{host} is in trouble: try again later; {RESUMED}")
    return SourceInterruptedError(f"{host} answered {status} when asked for {repo}", hint)


def offline_hint(problem: BaseException) -> str:
    """What to do about a connection that could not be made. It is told where this machine seems to have no network."""
    chain: BaseException | None = problem
    while chain is not None:
        reason = getattr(chain, "reason", None)
        for cause in (chain, reason):
            if isinstance(cause, socket.gaierror) or getattr(cause, "errno", None) in NO_NETWORK:
                return f"this machine seems to be offline; with a connection, run the same command again; {RESUMED}"
        chain = chain.__cause__ or chain.__context__
    return f"check the connection and run the same command again; {RESUMED}"


def _one_line(problem: BaseException) -> str:
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {without_login(text)[:160]}"


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Turn huggingface_hub's progress bars off: this package reports progress by its own callback."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    were_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_disabled:
            enable_progress_bars()
