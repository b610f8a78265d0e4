"""A GGUF from elsewhere: what it is called, which scheme it has, and whether it can be a judge at all.

Everything is read from its header, which is checked against the file's size before llama.cpp maps it. Names follow
llama.cpp's convention for metadata (ggml's docs/gguf.md: general.name, basename, size_label, file_type, split.count).
Knows: the header's keys, the files of a split model. Does not know: vocabularies, what llama.cpp makes of the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gguf import LlamaFileType

from quantize import container, file_kind, layout
from quantize.container import Header
from quantize.errors import VerifyError
from quantize.schemes import SCHEMES

_SPLIT = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)
_SIZE = re.compile(r"(?<![a-z0-9])(?:\d+x)?\d+(?:[._]\d+)?[mbt](?![a-z0-9])", re.IGNORECASE)  # 7B, 0.5b, 8x7B, 270M
_SCHEME_AT_END = re.compile(r"[-._ ]+(?:ud-)?(?:i?q\d\w*|f16|f32|bf16|fp16|fp32|mxfp4\w*|tq\d_\d)$", re.IGNORECASE)
_LONGEST = 80  # characters of a name
_ENCODERS = re.compile(r".*bert.*|t5encoder|gemma-embedding|llama-embed")
_OTHERS = {
    "clip": "a vision or audio projector (mmproj)",
    "controlvector": "a control vector",
    "t5": "an encoder-decoder model",
    "dream": "a diffusion model",
    "llada": "a diffusion model",
    "llada-moe": "a diffusion model",
    "rnd1": "a diffusion model",
    "wavtokenizer-dec": "a speech decoder",
}
_TYPES = {
    "adapter": ("a LoRA adapter", "--adapter FILE adds it to the model that it was trained on"),
    "mmproj": ("a vision or audio projector (mmproj)", "take the file of the language model beside it"),
    "imatrix": ("an importance matrix", "edge-judge quantize MODEL SCHEME --imatrix FILE uses it"),
}
_NEEDED = "a judge is a causal language model"


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A language model's GGUF. paths: its files in order, several where it is split; bytes: of all of them.

    model, scheme: its names, made of letters, digits and . _ + - only; size_label: like 7B, None where it is not said.
    """

    paths: tuple[Path, ...]
    architecture: str
    model: str
    scheme: str
    size_label: str | None
    bytes: int


def inspect(path: Path) -> GgufFile:
    """What a file says of itself. Of a split model any part may be named.

    Raises VerifyError, which says what the file is instead, where it is no whole GGUF of a causal language model, or
    where a part is missing.
    """
    paths = _parts(path, _checked(path))
    header, *others = map(_checked, paths)
    for number, other in enumerate(others, 1):
        if (other.values.get("split.no"), other.values.get("split.count")) != (number, len(paths)):
            raise VerifyError(
                f"{paths[number]} is not part {number + 1} of {len(paths)} of {paths[0]}", layout.DOWNLOAD
            )
    architecture = _require_judge(paths[0], header)
    return GgufFile(
        paths,
        architecture,
        model_name(header.values, paths[0]),
        scheme_name(header),
        _text(header.values, "general.size_label"),
        sum(part.stat().st_size for part in paths),
    )


def _checked(path: Path) -> Header:
    """The header of a file that holds all that the header claims."""
    try:
        file_kind.require_gguf(path)
        header = container.read_header(path)
    except OSError as problem:
        raise VerifyError(f"cannot read {path}: {problem.strerror or problem}") from problem
    layout.check(path, header)
    return header


def _parts(path: Path, header: Header) -> tuple[Path, ...]:
    """All files of a model that is split, found by their names. Raises VerifyError, naming it, where one is missing."""
    count = header.values.get("split.count")
    if not isinstance(count, int) or count < 2:
        return (path,)
    named = _SPLIT.fullmatch(path.name)
    if named is None or int(named["count"]) != count:
        raise VerifyError(
            f"{path} is one of {count} parts of a model, and its name does not say which",
            f"give the parts their names again: NAME-00001-of-{count:05}.gguf and so on",
        )
    paths = tuple(path.with_name(f"{named['name']}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1))
    missing = [part.name for part in paths if not part.is_file()]
    if missing:
        raise VerifyError(
            f"{path} is one of {count} parts of a model: {', '.join(missing[:3])}"
            f"{' and more' if len(missing) > 3 else ''} missing beside it",
            "download all parts into one folder",
        )
    return paths


def _require_judge(path: Path, header: Header) -> str:
    """The architecture. Raises VerifyError where the file is no causal language model with its weights."""
    values = header.values
    kind = values.get("general.type")
    if kind in _TYPES:
        said, hint = _TYPES[str(kind)]
        raise VerifyError(f"{path} is {said}, not a language model", hint)
    if "imatrix.chunk_count" in header.keys:
        said, hint = _TYPES["imatrix"]
        raise VerifyError(f"{path} is {said}, not a language model", hint)
    architecture = _text(values, "general.architecture")
    if architecture is None:
        raise VerifyError(f"{path} does not say its architecture (general.architecture)", "take another conversion")
    if architecture in _OTHERS:
        raise VerifyError(f"{path} is {_OTHERS[architecture]}, and cannot judge", _NEEDED)
    pooling = values.get(f"{architecture}.pooling_type", 0)
    if pooling == 4:
        raise VerifyError(f"{path} is a reranker: it scores texts and writes none", _NEEDED)
    if _ENCODERS.fullmatch(architecture) or pooling or values.get(f"{architecture}.attention.causal") is False:
        raise VerifyError(f"{path} is an embedding model ({architecture}): it writes no text", _NEEDED)
    if not header.tensors and values.get("split.count", 1) == 1:
        raise VerifyError(f"{path} has a vocabulary and no weights", "take the file of the model itself")
    return architecture


def model_name(values: Mapping[str, object], path: Path) -> str:
    """The name in a file's metadata, safe as a folder's name; without one, that of the file.

    The size is added where the name does not say one. Our own files keep the name that they were built under.
    """
    size = _text(values, "general.size_label")
    name = _text(values, "general.name") or _text(values, "general.basename")
    if name is None or not safe(name):
        name, size = _SCHEME_AT_END.sub("", _stem(path)), None
    if "edge_judge.scheme" not in values and size and not _SIZE.search(name):
        name = f"{name}-{size}"
    return safe(name) or "gguf"


def scheme_name(header: Header) -> str:
    """The scheme in a file's metadata; else the type of most of its weights, where that is a scheme; else `gguf`."""
    own = _text(header.values, "edge_judge.scheme")
    if own is not None and safe(own) == own:
        return own
    number = header.values.get("general.file_type")
    known = next((name for name, file_type in SCHEMES.items() if file_type == number), None)
    if known is not None:
        return known
    for other in LlamaFileType:
        if other.value == number:
            return other.name.lower().removeprefix("mostly_")
    sizes: Counter[str] = Counter()  # it is not said, or of a newer llama.cpp
    for tensor in header.tensors:
        sizes[tensor.ggml_type.lower()] += tensor.bytes
    most = max(sizes, key=lambda name: sizes[name], default="gguf")
    return most if most in SCHEMES else "gguf"


def safe(name: str) -> str:
    """A name as a folder can have it on every system: lower case, without spaces and separators; may be empty."""
    return re.sub(r"[^\w.+-]+", "-", name.lower(), flags=re.ASCII).strip("-._+")[:_LONGEST].rstrip("-._+")


def _stem(path: Path) -> str:
    split = _SPLIT.fullmatch(path.name)
    return split["name"] if split else path.stem


def _text(values: Mapping[str, object], key: str) -> str | None:
    """The text under a key; None where there is none, or something else."""
    value = values.get(key)
    return value.strip() or None if isinstance(value, str) else None
