"""How a fuzzer changes an input: bytes, lines, JSON, and JSON in a frame whose length or hash must fit.

Every change is drawn from one `Random`, so that a seed says what is done. Knows: shapes of files. Does not know: what
reads them.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

Mutator: TypeAlias = Callable[[bytes, Random], bytes]

SCALARS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 255, 2**31, 2**32, 2**63, 2**64, -(2**63), 10**30, 0.0, -0.5, 1e308, 5e-324,
    float("nan"), float("inf"), "", " ", "a", "\x1b[31m", "\u202e", "\ud800", "\0", "é" * 300, "=1+1", "../../x",
    "[[A]]", [], {}, [[]], [None], {"": {}}, "default", "llama3", "yarn",
)  # fmt: skip
PIECES = (
    b"\0", b"\xff", b"\xc3\x28", b"\x1b[2J", b"\"", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r\n", b";",
    b"=", b"1e999", b"NaN", b"-", b"9" * 400, b"[" * 70, b"\\ud800", b"{{", b"}}", b"{%", b"%}", b"::=", b"|", b"(",
    b")", b"*", b"{2000}",
    b"for i in range(99999)", b"~", b" ** ", b".__class__", b"\xf0\x9f\xa6\x99", b"PK\x03\x04", b"GGUF",
)  # fmt: skip


def mutated_bytes(data: bytes, rng: Random) -> bytes:
    """Bits flipped, and runs of bytes taken out, doubled, moved, or put in."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(changed) + 1)
        end = min(len(changed), at + rng.choice((1, 2, 4, 8, 64)))
        match rng.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(changed):
                changed[at] = rng.randrange(256)
            case 2:
                del changed[at:end]
            case 3:
                changed[at:at] = changed[at:end] * rng.choice((1, 2, 16))
            case 4:
                changed[at:end] = struct.pack("<Q", rng.choice((0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)))[: end - at]
            case _:
                changed[at:at] = rng.choice(PIECES)
    return bytes(changed)


def mutated_json(data: bytes, rng: Random) -> bytes:
    """A value changed, left out, moved or wrapped somewhere inside; bytes changed where it is no JSON."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return mutated_bytes(data, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        value = _changed(value, rng)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.9)
    return text.encode(errors="surrogatepass")


def mutated_lines(data: bytes, rng: Random) -> bytes:
    """One line changed as JSON, or as bytes."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at] = (mutated_json if rng.random() < 0.7 else mutated_bytes)(lines[at], rng)
    return b"\n".join(lines)


def mutated_safetensors(data: bytes, rng: Random) -> bytes:
    """The JSON header changed, and its length with it."""
    length = int.from_bytes(data[:8], "little")
    header = mutated_json(data[8 : 8 + length], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def mutated_pack(data: bytes, rng: Random) -> bytes:
    """The header or the body of a pack of a run changed, and its lengths and hash with it."""
    if len(data) < 50:
        return mutated_bytes(data, rng)
    length = int.from_bytes(data[10:14], "big")
    header, body = data[50 : 50 + length], data[50 + length :]
    header, body = (mutated_json(header, rng), body) if rng.random() < 0.7 else (header, mutated_bytes(body, rng))
    digest = hashlib.sha256(header + body).digest()
    return data[:10] + struct.pack(">II", len(header), len(body)) + digest + header + body


def _changed(value: Any, rng: Random) -> Any:
    """The value with a change at a random place in it."""
    inside = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if inside and rng.random() < 0.9:
        place = rng.choice(inside)
        return _changed_part(value.copy(), place, rng)
    match rng.randrange(8):
        case 0:
            return [value]
        case 1:
            return {"": value}
        case 2 if isinstance(value, int | float) and not isinstance(value, bool):
            return rng.choice((value + 1, value - 1, -value, value * 2, value * 256, value / 3))
        case 3 if isinstance(value, str):
            return mutated_bytes(value.encode(errors="surrogatepass"), rng).decode(errors="replace")
        case 4:
            deep: Any = value
            for _ in range(rng.choice((10, 70))):
                deep = [deep]
            return deep
        case _:
            return rng.choice(SCALARS)


def _changed_part(value: Any, place: Any, rng: Random) -> Any:
    match rng.randrange(10):
        case 0:
            del value[place]
        case 1 if isinstance(value, dict):
            value[str(rng.choice(SCALARS))] = value.pop(place)
        case 1:
            value.append(value[place])
        case 2:
            other = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
            value[place], value[other] = value[other], value[place]
        case _:
            value[place] = _changed(value[place], rng)
    return value
