"""Verdicts <-> columns of bytes: what a comparison needs of a run, in a few bytes for each pair.

    orders        a byte for each pair of the benchmark: bit 0 if the order ab was judged, bit 1 for ba
    verdicts      a byte for each verdict, by pair and then order: bits 0-1 a, b, tie or none; bit 2 it has a mass;
                  bit 3 an answer was cut; bits 4-6 it has a probability of a, of b, of tie; bit 7 is 0
    masses        a byte for each verdict that has one, in 255ths
    probabilities of a, then of b, then of tie: how far each lies below its verdict's greatest one, as a logarithm
                  of 3 bytes; all high bytes, then all middle ones, then all low ones, which compresses better

Texts are left out. The logarithm is in steps of 2**-19, so a probability is off by less than 2e-6 of itself; one
that is small beside the greatest is off by 3e-4 of itself at most, and below 1e-14 of the greatest it reads as 0.
Knows: the bits. Does not know: pairs' names, settings, files. Whoever wrote the bytes, it reads verdicts or raises.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log

from edge_judge.errors import RunError
from edge_judge.records import LABELS, ORDERS, Label, Order

STEPS = 2**19  # to a nat
COARSE = 8 * STEPS  # from here on, 1/3000 of the greatest, in steps of 256: the low byte would be noise, and is 0
WIDTH = 3
NEVER = 256**WIDTH - 1  # stands for a probability of 0
ROUNDING = 1e-6  # how far from 1 the sum of computed probabilities may lie
MASS, TRUNCATED, NO_VERDICT = 4, 8, len(LABELS)
HAS_P: dict[Label, int] = {label: 16 << place for place, label in enumerate(LABELS)}
MOST_BYTES = 2 + WIDTH * len(LABELS)  # of one verdict, before compression


@dataclass(frozen=True, slots=True)
class PackedVerdict:
    """A verdict without its text. place: its pair's, in the benchmark."""

    place: int
    order: Order
    verdict: Label | None
    p: Mapping[Label, float] | None
    mass: float | None
    truncated: bool


def write(rows: Iterable[PackedVerdict], pairs: int) -> bytes:
    """The rows of a benchmark with so many pairs, compressed. The same rows in any order give the same bytes.

    Raises RunError for probabilities and masses that are none, which a file edited by hand may have.
    """
    ordered = sorted(rows, key=lambda row: (row.place, row.order))
    judged = bytearray(pairs)
    for row in ordered:
        judged[row.place] |= 1 << ORDERS.index(row.order)
    parts = [bytes(judged), bytes(_code(row) for row in ordered)]
    parts.append(bytes(round(255 * _share(row.mass)) for row in ordered if row.mass is not None))
    below = [_below(row.p) for row in ordered]
    parts += [_planes([one[label] for one in below if label in one]) for label in LABELS]
    return zlib.compress(b"".join(parts), level=9)


def read(body: bytes, pairs: int, verdicts: int) -> tuple[PackedVerdict, ...]:
    """The rows that `write` was given, in the order of the benchmark; masses are coarse.

    Raises RunError where the bytes are not exactly the columns of so many verdicts on so many pairs. Takes no
    more memory than these can need, whatever the bytes say.
    """
    left = _Bytes(_unpacked(body, pairs + verdicts * MOST_BYTES))
    asked = [
        (place, order)
        for place, orders in enumerate(left.take(pairs))
        for bit, order in enumerate(ORDERS)
        if _known(orders, 0b11) >> bit & 1
    ]
    if len(asked) != verdicts:
        raise RunError(f"{len(asked)} verdicts where {verdicts} were announced")
    codes = [_known(code, 0b1111111) for code in left.take(verdicts)]
    masses = iter(left.take(sum(bool(code & MASS) for code in codes)))
    steps = {label: left.planes(sum(bool(code & bit) for code in codes)) for label, bit in HAS_P.items()}
    left.end()
    return tuple(
        PackedVerdict(
            place,
            order,
            None if code & 0b11 == NO_VERDICT else LABELS[code & 0b11],
            _probabilities({label: next(steps[label]) for label, bit in HAS_P.items() if code & bit}),
            next(masses) / 255 if code & MASS else None,
            bool(code & TRUNCATED),
        )
        for (place, order), code in zip(asked, codes, strict=True)
    )


def _code(row: PackedVerdict) -> int:
    said = NO_VERDICT if row.verdict is None else LABELS.index(row.verdict)
    has = sum(HAS_P[label] for label in row.p or ())
    return said | MASS * (row.mass is not None) | TRUNCATED * row.truncated | has


def _below(p: Mapping[Label, float] | None) -> dict[Label, int]:
    """How many steps each probability lies below the greatest one."""
    if p is None:
        return {}
    shares = {label: _share(value) for label, value in p.items()}
    if abs(sum(shares.values()) - 1) > ROUNDING:
        raise RunError(f"probabilities of a verdict that sum to {sum(shares.values()):.6g}, not to 1")
    most = max(shares.values())
    return {label: _steps(log(most / value)) if value else NEVER for label, value in shares.items()}


def _steps(nats: float) -> int:
    fine = round(STEPS * nats)
    return fine if fine < COARSE else min(NEVER, round(fine / 256) * 256)


def _share(value: float) -> float:
    if not isfinite(value) or not -ROUNDING <= value <= 1 + ROUNDING:
        raise RunError(f"{value!r} among the probabilities and masses of the verdicts, expected 0 to 1")
    return min(max(value, 0.0), 1.0)


def _probabilities(below: Mapping[Label, int]) -> Mapping[Label, float] | None:
    if not below:
        return None
    weights = {label: 0.0 if steps == NEVER else exp(-steps / STEPS) for label, steps in below.items()}
    whole = sum(weights.values())
    if not whole:
        raise RunError("a verdict all of whose probabilities are 0")
    return {label: weight / whole for label, weight in weights.items()}


def _planes(numbers: Sequence[int]) -> bytes:
    return b"".join(bytes(number >> shift & 255 for number in numbers) for shift in range(8 * WIDTH - 8, -1, -8))


def _known(flags: int, bits: int) -> int:
    if flags & ~bits:
        raise RunError("a flag that has no meaning is set")
    return flags


def _unpacked(body: bytes, most: int) -> bytes:
    """Raises RunError for what is not one whole zlib stream, or unpacks to more than `most` bytes."""
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise RunError(f"not compressed as expected: {error}") from error
    if len(unpacked) > most or not stream.eof or stream.unused_data:
        raise RunError("more or less in it than was announced")
    return unpacked


class _Bytes:
    """Bytes taken from the front; asked for more than there are, or left over, they are an error."""

    def __init__(self, whole: bytes) -> None:
        self._whole, self._start = whole, 0

    def take(self, count: int) -> bytes:
        taken = self._whole[self._start : self._start + count]
        if len(taken) < count:
            raise RunError("less in it than was announced")
        self._start += count
        return taken

    def planes(self, count: int) -> Iterator[int]:
        planes = [self.take(count) for _ in range(WIDTH)]
        return (int.from_bytes(digits) for digits in zip(*planes, strict=True))

    def end(self) -> None:
        if self._start != len(self._whole):
            raise RunError("more in it than was announced")
