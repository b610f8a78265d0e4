"""The keys of a GGUF that say what it is and where it comes from. None holds a time or a local path.

Knows nothing about tensors or vocabularies.
"""

from __future__ import annotations

from dataclasses import dataclass

from gguf import size_label

from quantize import pairs_seen
from quantize.architectures.blueprint import Blueprint, Field
from quantize.digest import sha256
from quantize.imatrix import Imatrix
from quantize.schemes import Plan

QUANTIZATION_VERSION = 2  # of ggml's block formats, GGML_QNT_VERSION


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a checkpoint comes from, for the GGUF's metadata. Fields that are None are left out.

    sha256: one hash of all weight files (see `digest.combined`), set by the build. prompt: the prompt that the model
    was trained to judge with.
    """

    repo: str | None = None
    commit: str | None = None
    license: str | None = None
    sha256: str | None = None
    prompt: str | None = None


def general_fields(
    name: str, blueprint: Blueprint, planned: Plan, origin: Provenance, tool: str | None = None
) -> tuple[Field, ...]:
    """The general.* keys that a llama.cpp user expects, and our own under edge_judge.*.

    tool: the name and version of the building program.
    """
    count = blueprint.parameters
    url = f"https://huggingface.co/{origin.repo}" if origin.repo else None
    texts = (
        ("general.type", "model"),
        ("general.name", name),
        ("general.size_label", size_label(count, count, 0, 0)),
        ("general.license", origin.license),
        ("general.source.url", url and origin.commit and f"{url}/tree/{origin.commit}"),
        ("general.source.repo_url", url),
        ("edge_judge.scheme", planned.scheme),
        ("edge_judge.source.repo", origin.repo),
        ("edge_judge.source.commit", origin.commit),
        ("edge_judge.source.sha256", origin.sha256),
        ("edge_judge.tool", tool),
        ("edge_judge.prompt", origin.prompt),
    )
    return (
        *(Field(key, "string", text) for key, text in texts if text),
        Field("general.file_type", "uint32", planned.file_type),
        Field("general.quantization_version", "uint32", QUANTIZATION_VERSION),
    )


def imatrix_fields(weighting: Imatrix | None) -> tuple[Field, ...]:
    """The keys that llama-quantize writes about an importance matrix, and its hash; its file name without folders."""
    if weighting is None:
        return ()
    return (
        Field("quantize.imatrix.file", "string", weighting.path.name),
        Field("quantize.imatrix.entries_count", "uint32", len(weighting.columns)),
        Field("quantize.imatrix.chunks_count", "uint32", weighting.chunks),
        Field("edge_judge.imatrix.sha256", "string", sha256(weighting.path)),
        *pairs_seen.fields(weighting.pairs_seen),
    )
