"""The files of a published model, at a pinned revision of a hub.

Files are fetched one at a time through huggingface_hub, with its resume, its Xet and its tokens. A file that is in its
cache is used from there and left alone. Knows nothing about what is inside a file.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from quantize.digest import sha256
from quantize.errors import SourceError, SourceInterruptedError
from quantize.lock import PromptSource
from quantize.prompts import read_prompt

if TYPE_CHECKING:  # huggingface_hub loads slowly, and a build from a folder needs no hub
    from huggingface_hub import HfApi

CODE_HOST = "https://raw.githubusercontent.com"
MAX_CODE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository at a commit. bytes, sha256 (hex): None where the hub does not give them."""

    name: str
    bytes: int | None
    sha256: str | None


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
        with _translated_errors(repo, revision):
            commit = self._api().model_info(repo, revision=revision).sha
        if not commit:
            raise SourceError(f"the hub does not say which commit {revision} of {repo} is")
        return commit

    def listing(self, repo: str, commit: str, acceptance: str | None = None) -> dict[str, RemoteFile]:
        """The files of a repository at a commit, by name.

        Raises SourceError where the repository or commit does not exist or needs an accepted licence, and
        SourceInterruptedError where the hub cannot be reached.
        """
        with _translated_errors(repo, commit, acceptance):
            info = self._api().model_info(repo, revision=commit, files_metadata=True)
        if info.sha != commit:
            raise SourceError(f"{repo}: the hub answers for commit {info.sha}, models.lock pins {commit}")
        files = (RemoteFile(s.rfilename, s.size, s.lfs.sha256 if s.lfs else None) for s in info.siblings or ())
        return {file.name: file for file in files}

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
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        cached = try_to_load_from_cache(repo, file.name, cache_dir=self.cache, revision=commit)
        if isinstance(cached, str):
            fetched = Fetched(Path(cached), temporary=False)
        else:
            with _translated_errors(repo, commit, acceptance), _no_progress_bars():
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
            with urlopen(url, timeout=30) as answer:
                data: bytes = answer.read(MAX_CODE_BYTES)
        except HTTPError as problem:
            raise SourceError(f"cannot fetch the prompt of this model: {url} answers {problem.code}") from problem
        except (URLError, OSError) as problem:
            raise SourceInterruptedError(
                f"cannot reach {url}: {problem}", "check the connection and try again"
            ) from problem
        if source.sha256 not in (None, hashlib.sha256(data).hexdigest()):
            raise SourceError(f"{url} is not the file that models.lock pins", "its sha256 differs; it was not used")
        return read_prompt(data.decode("utf-8", "replace"), source)

    def _api(self) -> HfApi:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint)


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
    except Exception as problem:
        transport = type(problem).__module__.startswith(("httpx", "huggingface_hub"))
        if not isinstance(problem, OSError) and not transport:
            raise  # a bug, not a lost connection
        if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
            raise SourceError(f"no room on the disk for a file of {repo}", "free some space and try again") from problem
        raise SourceInterruptedError(
            f"the checkpoint of {repo} is not on this machine and cannot be downloaded now: {_one_line(problem)}",
            "check the connection and run the same command again; finished parts are kept",
        ) from problem


def _one_line(problem: BaseException) -> str:
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text[:160]}"


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
