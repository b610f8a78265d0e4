"""The judge in a GGUF from elsewhere: named by its metadata, and tried before it judges.

Knows: what a file says of itself, which files need no trial. Does not know: the models that are built or added here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge_judge.engine import llama
from edge_judge.engine.probe import TRIAL, probe
from edge_judge.errors import ModelError, UsageError
from edge_judge.records import Judge
from edge_judge.workflows import known_files
from edge_judge.workflows.model_files import models_folder
from quantize import gguf_file, lock, schemes
from quantize.errors import VerifyError
from quantize.gguf_file import GgufFile

SOURCE = "gguf:"  # begins the source of a file from elsewhere, with its hash after it


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A GGUF that can judge, and its hash."""

    file: GgufFile
    sha256: str

    @property
    def source(self) -> str:
        """What it is, wherever it lies."""
        return f"{SOURCE}{self.sha256[:16]}"


def open_file(gguf: Path) -> OwnFile:
    """A file that was read, hashed, and tried if it was not tried before.

    Raises ModelError, which says what the file is instead, where it cannot judge.
    """
    try:
        file = gguf_file.inspect(gguf)
    except VerifyError as problem:
        raise ModelError(str(problem), problem.hint) from problem
    sha256, tried_by = known_files.sha256(file.paths), f"{llama.version()} trial {TRIAL}"
    if not _is_built_here(sha256) and not known_files.was_opened(sha256, tried_by):
        probe(file.paths[0])
        known_files.note_opened(sha256, tried_by)
    return OwnFile(file, sha256)


def judge_of_file(gguf: Path, model: str | None = None, scheme: str | None = None) -> Judge:
    """The judge in a file. model, scheme: what to call it, None for what its metadata says."""
    own = open_file(gguf)
    return Judge(
        named_model(model) if model is not None else own.file.model,
        named_scheme(scheme) if scheme is not None else own.file.scheme,
        own.file.paths[0],
        own.sha256,
        own.source,
    )


def named_model(model: str) -> str:
    """A model's name, which becomes a folder's. Raises UsageError where it cannot."""
    if not re.fullmatch(r"\w[\w.+-]*", model):
        safe = gguf_file.safe(model)
        hint = f"say for example: --model {safe}" if safe else "letters, digits and . _ + - only"
        raise UsageError(f"--model '{model}' cannot name a folder", hint)
    return model


def named_scheme(scheme: str) -> str:
    """The scheme, which becomes a folder's name under results/. Raises UsageError where it cannot."""
    if schemes.is_known(scheme):
        return schemes.canonical(scheme)
    if not re.fullmatch(r"\w[\w.+-]*", scheme):
        raise UsageError(f"--scheme '{scheme}' cannot name a folder", "letters, digits and . _ + - only, like q4_k_m")
    return scheme


def _is_built_here(sha256: str) -> bool:
    """Whether the file was made by this package, which tried every part of it."""
    records = lock.read_built(models_folder()).built
    return any(file.sha256 == sha256 and not Path(file.file).is_absolute() for file in records)
