"""All targets of `make fuzz`, and the inputs that each is fed besides.

Knows: which modules have targets. Does not know: what they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import fuzz_checkpoints  # noqa: F401
import fuzz_pairs  # noqa: F401
import fuzz_programs  # noqa: F401
import fuzz_runs  # noqa: F401
import fuzz_servers  # noqa: F401
from fuzz_target import ROOT as ROOT
from fuzz_target import TARGETS as TARGETS


def bombs_of(name: str) -> Iterator[bytes]:
    yield b""
    yield os.linesep.encode()
    yield from TARGETS[name].bombs
