"""How a fuzzer changes a text: bytes, lines, JSON, tables, languages.

A change mostly keeps the shape, since a reader that gives up at the first byte is not tried any further. Every change
is drawn from one `Random`, so that a seed says what is done. Knows: shapes of texts. Does not know: what reads them.
"""

from __future__ import annotations

import csv
import io
import json
import re
import struct
from collections.abc import Callable, Sequence
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


CELLS = (
    "", " ", "a", "b", "tie", "A", "TIE", "=1+1", "\u202e", "\x1b[31m", "\0", "é", '"', '""', "\n", "\r", "\r\n", ",",
    ";", "\t", "9" * 400, "null", "1", "-1", "x" * 3000, "question", "verdict", "criterion", "\ufeff", " a ",
)  # fmt: skip


def mutated_csv(data: bytes, rng: Random) -> bytes:
    """A cell, a row or a column of a table changed, and sometimes how it is written; bytes changed where it is none."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (ValueError, csv.Error):
        return mutated_bytes(data, rng)
    if not rows or rng.random() < 0.15:
        return mutated_bytes(data, rng)
    for _ in range(rng.choice((1, 1, 2, 4))):
        _change_table(rows, rng)
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if rng.random() < 0.2 else csv.QUOTE_MINIMAL
    delimiter, ending = rng.choice(",,,,;\t|"), rng.choice(("\n", "\r\n", "\r"))
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=ending).writerows(rows)
    return (b"\xef\xbb\xbf" if rng.random() < 0.2 else b"") + out.getvalue().encode(errors="surrogatepass")


def _change_table(rows: list[list[str]], rng: Random) -> None:
    at = rng.randrange(len(rows))
    row = rows[at]
    match rng.randrange(8):
        case 0:
            rows.insert(at, list(row))
        case 1 if len(rows) > 1:
            del rows[at]
        case 2:
            row.append(rng.choice(CELLS))
        case 3 if row:
            del row[rng.randrange(len(row))]
        case 4 if row:
            column = rng.randrange(len(row))
            for other in rows:
                if column < len(other):
                    other[column] = other[rng.randrange(len(other))]
        case 5 if row:
            place = rng.randrange(len(row))
            row[place] = mutated_bytes(row[place].encode(errors="replace"), rng).decode(errors="replace")
        case _ if row:
            row[rng.randrange(len(row))] = rng.choice((*CELLS, *rows[rng.randrange(len(rows))]))
        case _:
            row.extend(rng.choices(CELLS, k=3))


def mutated_of(pieces: Sequence[bytes], split: re.Pattern[bytes]) -> Mutator:
    """A mutator of a language. pieces: what its texts are made of; split: finds the words of a text."""

    def mutated(data: bytes, rng: Random) -> bytes:
        words = split.findall(data)
        if not words or rng.random() < 0.15:
            return mutated_bytes(data, rng)
        for _ in range(rng.choice((1, 1, 2, 4, 8))):
            at = rng.randrange(len(words) + 1)
            end = min(len(words), at + rng.choice((1, 1, 2, 5)))
            match rng.randrange(6):
                case 0:
                    del words[at:end]
                case 1:
                    words[at:at] = words[at:end] * rng.choice((1, 2, 20))
                case 2:
                    other = rng.randrange(len(words) + 1)
                    words[other:other] = words[at:end]
                case 3 if at < end:
                    words[at] = rng.choice(words)
                case 4 if at < end:
                    words[at] = mutated_bytes(words[at], rng)
                case _:
                    words[at : end if rng.random() < 0.5 else at] = [rng.choice(pieces)]
        return b"".join(words)

    return mutated


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
            return rng.choice((value + 1, value - 1, -value, value * 2, value * 256, value // 3))
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
