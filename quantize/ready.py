"""A GGUF that is published ready-made: pinned to a commit, checked against its hash and its own header.

The way out for architectures this package does not know. Knows nothing about checkpoints.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from quantize import container, digest, schemes, verify
from quantize.atomic import publish
from quantize.build import Built
from quantize.errors import SourceError
from quantize.hub import Hub


def fetch(hub: Hub, repo: str, name: str, out: Path, revision: str = "main") -> tuple[Built, str]:
    """Fetch one GGUF file of a repository to `out`; also gives the commit it was pinned to.

    Raises SourceError where the repository has no such file or its hash is not what the hub tells, and
    VerifyError where the file is no whole GGUF; then nothing is left.
    """
    commit = hub.commit(repo, revision)
    listing = hub.listing(repo, commit)
    if name not in listing:
        ready = [file for file in listing if file.endswith(".gguf")]
        raise SourceError(
            f"{repo} has no file {name!r}", f"it has {', '.join(ready[:8])}" if ready else "it holds no GGUF at all"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        found = hub.fetch(repo, commit, listing[name], Path(folder))
        header = container.read_header(found.path)
        verify.check_size(found.path, header)
        ours = Path(folder) / "ready.gguf"
        if found.ours:
            os.replace(found.path, ours)
        else:
            shutil.copyfile(found.path, ours)
        sha256, size = digest.sha256(ours), ours.stat().st_size
        publish(ours, out)
    types = tuple((tensor.name, tensor.ggml_type) for tensor in header.tensors)
    return Built(out, sha256, size, _scheme(header), types), commit


def _scheme(header: container.Header) -> str:
    number = header.values.get("general.file_type")
    return next((name for name, file_type in schemes.SCHEMES.items() if file_type == number), "gguf")
