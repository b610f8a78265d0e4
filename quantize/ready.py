"""A GGUF that others published: fetched at a pinned commit, checked against its hash and its own header.

This is how to run an architecture that this package does not support. Knows nothing about checkpoints.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from quantize import container, digest, gguf_file, verify
from quantize.atomic import publish
from quantize.build import Built
from quantize.errors import SourceError
from quantize.hub import Hub


def fetch(hub: Hub, repo: str, name: str, out: Path, revision: str = "main") -> tuple[Built, str]:
    """Fetch one GGUF file of a repository to `out`. Also returns the commit that `revision` stands for.

    Raises SourceError where the repository has no such file or its hash differs from the hub's, and VerifyError where
    the file is no whole GGUF; then nothing is written.
    """
    commit = hub.commit(repo, revision)
    listing = hub.listing(repo, commit)
    if name not in listing:
        ggufs = [file for file in listing if file.endswith(".gguf")]
        raise SourceError(
            f"{repo} has no file {name!r}", f"it has {', '.join(ggufs[:8])}" if ggufs else "it holds no GGUF at all"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        fetched = hub.fetch(repo, commit, listing[name], Path(folder))
        header = container.read_header(fetched.path)
        verify.check_size(fetched.path, header)
        copy = Path(folder) / "ready.gguf"
        if fetched.temporary:
            os.replace(fetched.path, copy)
        else:
            shutil.copyfile(fetched.path, copy)
        sha256, size = digest.sha256(copy), copy.stat().st_size
        publish(copy, out)
    types = tuple((tensor.name, tensor.ggml_type) for tensor in header.tensors)
    return Built(out, sha256, size, gguf_file.scheme_name(header), types), commit
