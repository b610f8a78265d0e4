"""The files of a published model: a pinned revision of a hub.

One file at a time, through huggingface_hub: its resume, its Xet, its tokens. What was in its cache before is used
from there and left alone. Knows nothing about what is inside a file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from quantize.digest import sha256
from quantize.errors import SourceError, SourceInterruptedError
from quantize.lock import PromptSource
from quantize.prompts import read_prompt

CODE_HOST = "https://raw.githubusercontent.com"
MAX_CODE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository at a commit; size and sha256 where the hub tells them."""

    name: str
    bytes: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file on this disk. `ours` means that it was fetched for this build and may be dropped after it."""

    path: Path
    ours: bool

    def drop(self) -> None:
        """Give the disk space back, if the file is ours."""
        if self.ours:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub that speaks Hugging Face's API; without an endpoint, the one huggingface_hub is set up for."""

    endpoint: str | None = None
    cache: Path | None = None
    code_host: str = field(default_factory=lambda: os.environ.get("EDGE_JUDGE_GITHUB", CODE_HOST))

    def commit(self, repo: str, revision: str = "main") -> str:
        """The commit that a branch, a tag or a commit of a repository is. Raises SourceError as `listing` does."""
        from huggingface_hub import HfApi

        with _translated(repo, revision):
            found = HfApi(endpoint=self.endpoint).model_info(repo, revision=revision).sha
        if not found:
            raise SourceError(f"the hub does not say which commit {revision} of {repo} is")
        return found

    def listing(self, repo: str, commit: str, acceptance: str | None = None) -> dict[str, RemoteFile]:
        """The files of a repository at a commit, by name.

        Raises SourceError where the repository or commit does not exist or needs an accepted licence, and
        SourceInterruptedError where the hub cannot be reached.
        """
        from huggingface_hub import HfApi

        with _translated(repo, commit, acceptance):
            info = HfApi(endpoint=self.endpoint).model_info(repo, revision=commit, files_metadata=True)
        if info.sha != commit:
            raise SourceError(f"{repo}: the hub answers for commit {info.sha}, models.lock pins {commit}")
        found = (RemoteFile(s.rfilename, s.size, s.lfs.sha256 if s.lfs else None) for s in info.siblings or ())
        return {file.name: file for file in found}

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
        """Get one file: from the cache, or into `folder`, or into the cache where it is to be kept.

        An earlier fetch that was cut off goes on where it stopped. Raises SourceError where the hash is not the
        expected one (the file is removed) and as `listing` does.
        """
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        cached = try_to_load_from_cache(repo, file.name, cache_dir=self.cache, revision=commit)
        if isinstance(cached, str):
            found = Fetched(Path(cached), ours=False)
        else:
            with _translated(repo, commit, acceptance), _quiet():
                place = {"cache_dir": self.cache} if keep else {"local_dir": folder}
                path = hf_hub_download(repo, file.name, revision=commit, endpoint=self.endpoint, **place)
            found = Fetched(Path(path), ours=not keep)
        if file.sha256 is not None and (digest := sha256(found.path)) != file.sha256:
            found.drop()
            raise SourceError(
                f"{file.name} of {repo} has sha256 {digest}, expected {file.sha256}",
                "the file was damaged on the way or replaced; nothing of it is kept. Try again"
                if found.ours
                else f"remove {found.path} from the cache and try again",
            )
        return found

    def prompt(self, source: PromptSource) -> str:
        """The prompt a judge was trained on. Raises SourceError where its file is not the pinned one."""
        from urllib.error import HTTPError, URLError
        from urllib.request import urlopen

        url = f"{self.code_host}/{source.repo}/{source.commit}/{source.path}"
        try:
            with urlopen(url, timeout=30) as answer:
                data: bytes = answer.read(MAX_CODE_BYTES)
        except HTTPError as problem:
            raise SourceError(f"the prompt of this model cannot be had: {url} answers {problem.code}") from problem
        except (URLError, OSError) as problem:
            raise SourceInterruptedError(
                f"cannot reach {url}: {problem}", "check the connection and try again"
            ) from problem
        import hashlib

        if source.sha256 not in (None, hashlib.sha256(data).hexdigest()):
            raise SourceError(f"{url} is not the file that models.lock pins", "its sha256 differs; nothing was used")
        return read_prompt(data.decode("utf-8", "replace"), source)


@contextmanager
def _translated(repo: str, revision: str, acceptance: str | None = None) -> Iterator[None]:
    """What huggingface_hub raises, in this package's terms."""
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
            f"{repo} has no commit {revision} any more", "`edge-judge lock --check` tells what moved"
        ) from problem
    except errors.RemoteEntryNotFoundError as problem:
        raise SourceError(f"a file is missing from {repo} at {revision}: {_line(problem)}") from problem
    except errors.RepositoryNotFoundError as problem:
        raise SourceError(
            f"there is no repository {repo}, or it is private", "check the name, or log in with `hf auth login`"
        ) from problem
    except errors.HFValidationError as problem:
        raise SourceError(f"{repo!r} is no repository name: {_line(problem)}") from problem
    except Exception as problem:
        transport = type(problem).__module__.startswith(("httpx", "huggingface_hub"))
        if not isinstance(problem, OSError) and not transport:
            raise  # a fault of ours, not of the connection
        if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
            raise SourceError(f"no room on the disk for a file of {repo}", "free some space and try again") from problem
        raise SourceInterruptedError(
            f"the checkpoint of {repo} is not on this machine and cannot be downloaded now: {_line(problem)}",
            "check the connection and run the same command again; finished parts are kept",
        ) from problem


def _line(problem: BaseException) -> str:
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text[:160]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Progress is told by this package's own callback, so huggingface_hub's bars stay off meanwhile."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    before = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            enable_progress_bars()
