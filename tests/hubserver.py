"""A small local server that speaks the part of the Hub's API that huggingface_hub uses, and can misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


def lock_text(name: str, *files: str) -> str:
    """A models.lock that pins the files of `some/tiny`, a small llama, under a name."""
    entry = f"""[models."{name}"]
repo = "some/tiny"
commit = "{COMMIT}"
class = "LlamaForCausalLM"
architecture = "llama"
license = "mit"
protocol = "pairwise"
config = {{}}
"""
    return entry + "".join(f'\n[[models."{name}".files]]\nname = "{file}"\n' for file in files)


@dataclass
class Shelf:
    """What the server holds and how it misbehaves. `repos` maps repo and commit to a folder of files."""

    repos: dict[tuple[str, str], Path] = field(default_factory=dict)
    codes: dict[str, bytes] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)  # commit asked for -> commit answered with
    lie: dict[str, bytes] = field(default_factory=dict)  # file name -> what is sent instead
    cut: dict[str, int] = field(default_factory=dict)  # file name -> bytes until the connection breaks, once
    hashless: bool = False
    served: list[tuple[str, str | None]] = field(default_factory=list)  # file name, range asked for
    sent: int = 0


@contextmanager
def serving(shelf: Shelf) -> Iterator[str]:
    """The server's address, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"shelf": shelf}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    shelf: Shelf
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer(head=False)

    def answer(self, head: bool) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        if path in self.shelf.codes:
            self.send(200, self.shelf.codes[path], head)
        elif path.startswith("api/models/"):
            repo, _, revision = path.removeprefix("api/models/").partition("/revision/")
            self.listing(repo, revision or "main", head)
        elif "/resolve/" in path:
            repo, _, rest = path.partition("/resolve/")
            revision, _, name = rest.partition("/")
            self.file(repo, revision, name, head)
        else:
            self.refuse(404, "RepoNotFound")

    def folder(self, repo: str, revision: str) -> tuple[Path, str] | None:
        if not any(known == repo for known, _ in self.shelf.repos):
            self.refuse(401, "RepoNotFound")
        elif revision == "main":
            return next((f, c) for (known, c), f in self.shelf.repos.items() if known == repo)
        elif (repo, revision) not in self.shelf.repos:
            self.refuse(404, "RevisionNotFound")
        else:
            return self.shelf.repos[repo, revision], revision
        return None

    def listing(self, repo: str, revision: str, head: bool) -> None:
        if (found := self.folder(repo, revision)) is None:
            return
        folder, commit = found
        siblings = []
        for path in sorted(folder.iterdir()):
            entry: dict[str, object] = {"rfilename": path.name, "size": path.stat().st_size}
            if path.suffix in (".safetensors", ".bin", ".model", ".gguf") and not self.shelf.hashless:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": path.stat().st_size, "pointerSize": 134}
            siblings.append(entry)
        commit = self.shelf.moved.get(commit, commit)
        self.send(200, json.dumps({"id": repo, "modelId": repo, "sha": commit, "siblings": siblings}).encode(), head)

    def file(self, repo: str, revision: str, name: str, head: bool) -> None:
        if repo in self.shelf.gated:
            return self.refuse(403, "GatedRepo")
        if (found := self.folder(repo, revision)) is None:
            return None
        path = found[0] / name
        if not path.is_file():
            return self.refuse(404, "EntryNotFound")
        data = self.shelf.lie.get(name, path.read_bytes())
        asked = self.headers.get("Range")
        first = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        if not head:
            self.shelf.served.append((name, asked))
        etag = hashlib.sha256(path.read_bytes()).hexdigest()
        extra = {"X-Repo-Commit": found[1], "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if asked:
            extra["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        self.send(
            206 if asked else 200, data[first:], head, extra, self.shelf.cut.pop(name, None) if not head else None
        )

    def refuse(self, status: int, code: str) -> None:
        self.send(status, b"{}", self.command == "HEAD", {"X-Error-Code": code, "X-Error-Message": code})

    def send(
        self, status: int, data: bytes, head: bool, extra: dict[str, str] | None = None, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in {
            "Content-Length": str(len(data)),
            "Content-Type": "application/json",
            **(extra or {}),
        }.items():
            self.send_header(key, value)
        self.end_headers()
        if head:
            return
        self.wfile.write(data if cut is None else data[:cut])
        self.shelf.sent += len(data if cut is None else data[:cut])
        if cut is not None:
            self.close_connection = True
            self.wfile.flush()
            self.connection.close()
