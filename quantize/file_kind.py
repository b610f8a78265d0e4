"""What a file is that should be a GGUF and is none: told by its first bytes.

Knows: the beginnings of files that are met under a model's name. Does not know: what is inside a GGUF.
"""

from __future__ import annotations

import re
from pathlib import Path

from quantize.errors import VerifyError
from quantize.layout import DOWNLOAD

_BEGINNING = 512  # bytes that are looked at
_HTML = re.compile(rb"(?is)(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|\?xml)")
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\s.*?size (\d+)", re.DOTALL)
_CONVERT = "edge-judge quantize FOLDER SCHEME makes a GGUF of a checkpoint's folder"
_UNPACK = "unpack it, and name the .gguf file that is in it"
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive or a PyTorch checkpoint", _CONVERT),
    (b"\x80", "a Python pickle, such as an old PyTorch checkpoint", _CONVERT),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    *(
        (magic, "a model in GGML's format from before GGUF (August 2023)", "llama.cpp no longer reads it: take a GGUF")
        for magic in (b"lmgg", b"fmgg", b"tjgg", b"algg")
    ),
    (b"\x89HDF", "an HDF5 file", "take the GGUF of the model"),
    (b"%PDF", "a PDF document", DOWNLOAD),
)  # fmt: skip


def require_gguf(path: Path) -> None:
    """Raise VerifyError, which says what the file is, where it does not begin as a GGUF. OSError as it comes."""
    with path.open("rb") as stream:
        beginning = stream.read(_BEGINNING)
    if not beginning.startswith(b"GGUF"):
        kind, hint = _kind(beginning)
        raise VerifyError(f"{path} is {kind}, not a GGUF file", hint)


def _kind(beginning: bytes) -> tuple[str, str]:
    """What it is, and what to do about that."""
    if not beginning:
        return "empty", DOWNLOAD
    if pointer := _POINTER.match(beginning):
        return f"a Git LFS pointer to a file of {int(pointer[1]):,} bytes", "git lfs pull fetches the file itself"
    if _HTML.match(beginning):
        return "an HTML page, such as an error or a login page", "open its address in a browser to see what it says"
    if beginning[8:10] == b'{"' and int.from_bytes(beginning[:8], "little") < 2**32:
        return "a safetensors file", _CONVERT
    if beginning.lstrip()[:1] in (b"{", b"["):
        return "JSON text, such as an error message of a server", f"look into it; {DOWNLOAD}"
    for magic, kind, hint in _KINDS:
        if beginning.startswith(magic):
            return kind, hint
    if not beginning.strip(b"\0"):
        return "all zeros at its beginning", f"its download was not finished: {DOWNLOAD}"
    return f"a file that begins with {beginning[:8]!r}", "expected a GGUF file of a language model"
