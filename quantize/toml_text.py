"""Untrusted TOML: tomllib takes the square of a key's parts in time, and a stack frame a level.

Standard library only: a shell that completes a name cannot wait. Knows: TOML. Does not know: what is in a file.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

MAX_BYTES = 4_000_000
_LONG_KEY = re.compile(r"(?<![\w\"'.-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){32}")  # 33 parts, begun where a part begins


def read(path: Path) -> dict[str, Any]:
    """The file's content. Raises ValueError for what is no TOML or breaks a bound, OSError as it comes."""
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"it has {size:,} bytes, expected at most {MAX_BYTES:,}")
    text = path.read_text("utf-8")
    if _LONG_KEY.search(text):
        raise ValueError("a key has more parts than any here")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
