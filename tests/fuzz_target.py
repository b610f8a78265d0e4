"""What a target of the fuzzer is: a parser of the project, with small real files to begin from.

A target sets itself up in an empty folder and returns what takes an input. That may raise the project's own errors and
nothing else. Knows: how targets are collected. Does not know: any parser, how inputs are made, what is a failure.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fuzz_mutators import Mutator

Run: TypeAlias = Callable[[bytes], object]
Setup: TypeAlias = Callable[[Path], tuple[Run, list[bytes]]]
ROOT = Path(__file__).parent.parent
DEEP = (
    b"[" * 3_000_000,
    b'{"a":' * 500_000,
    b'{"a":' + b"9" * 3_000_000 + b"}",
    b'"' + b"\x1b" * 3_000_000,
    b"[" + b"{}," * 10_000_000 + b"{}]",
)


@dataclass(frozen=True, slots=True)
class Target:
    """bombs: inputs that are too large to be found by chance."""

    name: str
    mutate: Mutator
    setup: Setup
    bombs: tuple[bytes, ...] = DEEP


TARGETS: dict[str, Target] = {}


def target(name: str, mutate: Mutator, *bombs: bytes) -> Callable[[Setup], Setup]:
    def register(setup: Setup) -> Setup:
        TARGETS[name] = Target(name, mutate, setup, bombs or DEEP)
        return setup

    return register


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def lines(*rows: object) -> bytes:
    return b"".join(dumped(row) + b"\n" for row in rows)
