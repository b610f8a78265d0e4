"""Verdicts <-> compressed columns: what a comparison needs of a run.

Each column has one number for each pair and order: the pairs in the order of the benchmark, "ab" before "ba".

    code        uint8: 0 not judged; 1, 2, 3 a verdict a, b, tie; 4 judged without a valid verdict
    truncated   uint8: 1 if an answer was truncated, else 0
    mass        float32, nan where there is none
    a, b, tie   float32, the verdict's probabilities; nan where a label has none

The columns follow each other, numbers are big-endian, and zlib compresses the whole. Texts are left out.
Probabilities and masses are rounded to float32, that is to 6e-8 of themselves, so a divergence computed from them is
exact to about 1e-7 nats.
Knows: this layout. Does not know: pairs' names, settings, files. Bytes from anywhere are read as verdicts or refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_judge.errors import RunError
from edge_judge.records import LABELS, ORDERS, Label, Order

VERDICTS = (None, *LABELS, None)  # by code; the first and the last differ in whether the pair was judged
NOT_JUDGED, NO_VERDICT = 0, len(LABELS) + 1
FLAG, NUMBER = np.dtype("u1"), np.dtype(">f4")
LAYOUT: dict[str, np.dtype[Any]] = {"code": FLAG, "truncated": FLAG, "mass": NUMBER}
LAYOUT |= dict.fromkeys(LABELS, NUMBER)
SLOT_BYTES = sum(kind.itemsize for kind in LAYOUT.values())  # of one pair and order, before compression
TOLERANCE = 1e-6  # how far from 1 the sum of computed probabilities may lie

Columns: TypeAlias = dict[str, NDArray[Any]]


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
    """The verdicts on a benchmark with so many pairs, compressed. The same rows in any order give the same bytes.

    Raises RunError for values that are no probabilities or masses, which a file edited by hand may have.
    """
    slots = pairs * len(ORDERS)
    columns = {name: np.full(slots, 0 if kind == FLAG else np.nan, kind) for name, kind in LAYOUT.items()}
    for row in rows:
        slot = row.place * len(ORDERS) + ORDERS.index(row.order)
        columns["code"][slot] = NO_VERDICT if row.verdict is None else VERDICTS.index(row.verdict)
        columns["truncated"][slot] = row.truncated
        if row.mass is not None:
            columns["mass"][slot] = _share(row.mass)
        for label, p in (row.p or {}).items():
            columns[label][slot] = _share(p)
    _check(columns)
    return zlib.compress(b"".join(column.tobytes() for column in columns.values()), level=9)


def read(body: bytes, pairs: int, verdicts: int) -> tuple[PackedVerdict, ...]:
    """The verdicts that `write` was given, in the order of the benchmark.

    Raises RunError where the bytes are not exactly the columns of so many verdicts on so many pairs. Takes no
    more memory than the columns of so many pairs need, whatever the bytes say.
    """
    columns = _split(_unpacked(body, pairs * len(ORDERS) * SLOT_BYTES), pairs * len(ORDERS))
    _check(columns)
    judged = np.flatnonzero(columns["code"] != NOT_JUDGED)
    if len(judged) != verdicts:
        raise RunError(f"{len(judged)} verdicts, the header says {verdicts}")
    cells = (column[judged].tolist() for column in columns.values())
    return tuple(
        PackedVerdict(
            slot // len(ORDERS),
            ORDERS[slot % len(ORDERS)],
            VERDICTS[code],
            {label: value for label, value in zip(LABELS, p, strict=True) if value == value} or None,
            mass if mass == mass else None,
            bool(truncated),
        )
        for slot, code, truncated, mass, *p in zip(judged.tolist(), *cells, strict=True)
    )


def _share(value: float) -> float:
    if not isfinite(value) or not -TOLERANCE <= value <= 1 + TOLERANCE:
        raise RunError(f"{value!r} among the probabilities and masses of the verdicts, expected 0 to 1")
    return min(max(value, 0.0), 1.0)


@np.errstate(invalid="ignore")  # foreign bytes may hold a signalling nan, which is a nan like any other
def _check(columns: Columns) -> None:
    """Raises RunError for what no verdict can be."""
    if (columns["code"] > NO_VERDICT).any() or (columns["truncated"] > 1).any():
        raise RunError("a code that has no meaning")
    p = np.stack([columns[label] for label in LABELS]).astype(np.float64)
    shares = np.vstack([p, columns["mass"]])
    if not (np.isnan(shares) | ((shares >= 0) & (shares <= 1))).all():
        raise RunError("a probability or mass that is not between 0 and 1")
    sums = np.nansum(p, axis=0)[~np.isnan(p).all(axis=0)]
    if (wrong := sums[abs(sums - 1) > TOLERANCE]).size:
        raise RunError(f"probabilities of a verdict that sum to {wrong[0]:.6g}, not to 1")
    empty = columns["code"] == NOT_JUDGED
    if columns["truncated"][empty].any() or not np.isnan(shares[:, empty]).all():
        raise RunError("data about a pair that was not judged")


def _split(content: bytes, slots: int) -> Columns:
    columns, start = {}, 0
    for name, kind in LAYOUT.items():
        columns[name] = np.frombuffer(content, kind, slots, start)
        start += slots * kind.itemsize
    return columns


def _unpacked(body: bytes, size: int) -> bytes:
    """Raises RunError for anything but one whole zlib stream of exactly `size` bytes."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(body, size + 1)
    except zlib.error as error:
        raise RunError(f"not compressed as expected: {error}") from error
    if len(content) != size or not stream.eof or stream.unused_data:
        raise RunError("its length differs from the header")
    return content
