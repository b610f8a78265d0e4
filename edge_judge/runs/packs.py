"""A run <-> one small file, so that a machine that could never run f16 can compare with it.

    EJPACK\\r\\n   8 bytes, which no text mode leaves as they are
    version      2 bytes; all numbers are big-endian
    lengths      4 bytes each: of the header, of the body
    sha256       32 bytes: of the header and the body
    header       JSON: identity, every setting that decides the outcome, what was measured, how much was judged
    body         the verdicts, see pack_columns.py

Verdicts come back exactly, probabilities and masses as float32, texts not at all. A pair is its place in the
benchmark, so a pack becomes a run only together with the very same benchmark.
Knows: this format, and that what it reads may be damaged. Does not know: folders, how a run is shown, which runs may be
compared (a run from a pack is a run like any other).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from edge_judge import foreign_json
from edge_judge.errors import RunError
from edge_judge.records import Benchmark, Identity, Measured, Order, Run, Verdict
from edge_judge.runs import pack_columns

MAGIC = b"EJPACK\r\n"
VERSION = 2  # 1 had its numbers in planes of bits
ENDING = ".ejpack"
MOST_BYTES = 64_000_000  # of a file; a million pairs need less
MOST_HEADER = 1_000_000
MOST_PAIRS = 1_000_000
MOST = 1 << 62  # of anything counted in bytes, tokens or seconds
HASHES = ("gguf_sha256", "benchmark_sha256", "prompt_sha256", "grammar_sha256")  # what every run's settings have
_FRAME = struct.Struct(">8sHII32s")
_KEYS = frozenset({"identity", "settings", "measured", "gguf_bytes", "pairs", "ids_sha256", "verdicts"})


@dataclass(frozen=True, slots=True)
class Pack:
    """What a pack says. pairs: how many the whole benchmark has; ids_sha256: of their ids, in its order; rows: the
    verdicts, by the place of their pair; bytes: of the GGUF; sha256: of the pack itself.
    """

    identity: Identity
    settings: Mapping[str, Any]
    measured: Measured | None
    bytes: int
    pairs: int
    ids_sha256: str
    rows: tuple[pack_columns.PackedVerdict, ...]
    sha256: str

    @property
    def judged(self) -> int:
        """How many pairs have a verdict."""
        return len({row.place for row in self.rows})

    @property
    def orders(self) -> tuple[Order, ...]:
        """The orders in which pairs were judged, "ab" first."""
        return tuple(sorted({row.order for row in self.rows}))


def write(benchmark: Benchmark, run: Run) -> bytes:
    """The pack of a run on this benchmark. The same run gives the same bytes.

    Raises RunError where the run is not one on this benchmark, or holds what no pack can.
    """
    rows = _rows(benchmark, run)
    body = pack_columns.write(rows, len(benchmark.pairs))
    header = {
        "identity": asdict(run.identity),
        "settings": dict(run.settings),
        "measured": asdict(run.measured) if run.measured else None,
        "gguf_bytes": run.bytes,
        "pairs": len(benchmark.pairs),
        "ids_sha256": _ids_sha256(benchmark),
        "verdicts": len(rows),
    }
    content = json.dumps(header, indent=1, ensure_ascii=False, sort_keys=True).encode() + body
    pack = _FRAME.pack(MAGIC, VERSION, len(content) - len(body), len(body), hashlib.sha256(content).digest()) + content
    read(pack)  # what could not be read again is no pack
    return pack


def read(data: bytes) -> Pack:
    """What the bytes of a pack say. Runs nothing, and takes no more memory than the announced pairs need.

    Raises RunError for anything but a whole, unaltered pack of a version that is known here.
    """
    text, body, sha256 = _framed(data)
    header = _header(text)
    settings = header["settings"]
    for name in HASHES:
        unknown = name == "gguf_sha256" and name in settings and settings[name] is None  # an endpoint's weights
        if not isinstance(settings.get(name), str) and not unknown:
            raise RunError(f"its settings have no {name}")
    return Pack(
        _identity(header["identity"]),
        settings,
        _measured(header["measured"]),
        _count(header, "gguf_bytes", MOST),
        _count(header, "pairs", MOST_PAIRS),
        str(header["ids_sha256"]),
        pack_columns.read(body, header["pairs"], _count(header, "verdicts", 2 * MOST_PAIRS)),
        sha256,
    )


def unpack(pack: Pack, benchmark: Benchmark) -> Run:
    """The run that a pack was made of, without the texts. Raises RunError for another benchmark than it judged."""
    _refuse_other_benchmark(benchmark, pack.identity, pack.settings)
    if pack.ids_sha256 != _ids_sha256(benchmark):
        raise RunError(
            f"the pairs of {benchmark.name} differ in ids or order from those the pack was made with",
            "use the version of edge-judge that made the pack",
        )
    verdicts = (
        Verdict(benchmark.pairs[row.place].id, row.order, row.verdict, row.p, None, row.mass, row.truncated)
        for row in pack.rows
    )
    return Run(pack.identity, pack.settings, pack.measured, tuple(verdicts), pack.bytes)


def _rows(benchmark: Benchmark, run: Run) -> list[pack_columns.PackedVerdict]:
    _refuse_other_benchmark(benchmark, run.identity, run.settings)
    places = {pair.id: place for place, pair in enumerate(benchmark.pairs)}
    rows: dict[tuple[str, str], pack_columns.PackedVerdict] = {}
    for verdict in run.verdicts:
        pair, order = verdict.id, verdict.order
        if pair not in places or (pair, order) in rows:
            why = "is not in the benchmark" if pair not in places else f"already has one in the order {order}"
            raise RunError(f"a verdict on pair {pair!r}, which {why}")
        rows[pair, order] = pack_columns.PackedVerdict(
            places[pair], order, verdict.verdict, verdict.p, verdict.mass, verdict.truncated
        )
    return list(rows.values())


def _refuse_other_benchmark(benchmark: Benchmark, identity: Identity, settings: Mapping[str, Any]) -> None:
    judged = settings.get("benchmark_sha256")
    if identity.benchmark != benchmark.name:
        raise RunError(f"it judged {identity.benchmark!r}, this benchmark is {benchmark.name!r}")
    if judged != benchmark.sha256:
        raise RunError(
            f"it was judged on a different version of {benchmark.name}: sha256 {judged}, here {benchmark.sha256}",
            "both machines must judge the same file",
        )


def _ids_sha256(benchmark: Benchmark) -> str:
    return hashlib.sha256(json.dumps([pair.id for pair in benchmark.pairs]).encode()).hexdigest()


def _framed(data: bytes) -> tuple[bytes, bytes, str]:
    """The header, the body and their hash."""
    if len(data) > MOST_BYTES:
        raise RunError(f"more than {MOST_BYTES:,} bytes, too large for a pack")
    if not data.startswith(MAGIC):
        raise RunError("not an edge-judge pack", "edge-judge pack export makes one")
    again = "copy it again from the machine that made it"
    if len(data) < _FRAME.size:
        raise RunError("the pack is truncated", again)
    _, version, header, body, sha256 = _FRAME.unpack_from(data)
    if version != VERSION:
        export_again = "export the run again with this version: edge-judge pack export"
        raise RunError(
            f"a pack of version {version}, this edge-judge reads version {VERSION}",
            "update edge-judge" if version > VERSION else export_again,
        )
    content = data[_FRAME.size :]
    if len(content) != header + body:
        raise RunError(f"the pack is {'truncated' if len(content) < header + body else 'longer than it says'}", again)
    if hashlib.sha256(content).digest() != sha256:
        raise RunError("the pack is damaged: its content does not match its sha256", again)
    if header > MOST_HEADER:
        raise RunError(f"a header of more than {MOST_HEADER:,} bytes, too large for a pack")
    return content[:header], content[header:], sha256.hex()


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = foreign_json.parse(text, most=MOST_HEADER)
        json.dumps(header, allow_nan=False)  # 1e999 is infinite
    except ValueError as error:
        raise RunError(f"its header is not JSON: {error}") from error
    if not isinstance(header, dict) or not header.keys() >= _KEYS or not isinstance(header["settings"], dict):
        raise RunError(f"its header is incomplete, expected {', '.join(sorted(_KEYS))}")
    if not _is_flat(header, levels=4):
        raise RunError("its header is nested too deeply")
    return header


def _is_flat(value: object, levels: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_flat(item, levels - 1) for item in inside)


def _identity(content: object) -> Identity:
    """The run's folder in four names, none of which may lead out of it."""
    names = [field.name for field in fields(Identity)]
    if not isinstance(content, dict) or content.keys() != set(names):
        raise RunError(f"its identity is incomplete, expected {', '.join(names)}")
    for name, value in content.items():
        plain = isinstance(value, str) and value.isprintable() and len(value.encode()) <= 200
        if not plain or value[:1] in ("", ".") or "/" in value or "\\" in value:
            raise RunError(f"its {name} is {str(value)[:60]!r}, which names no folder")
    return Identity(**content)


def _measured(content: object) -> Measured | None:
    if content is None:
        return None
    names = [field.name for field in fields(Measured)]
    if not isinstance(content, dict) or content.keys() != set(names):
        raise RunError(f"its measurements are incomplete, expected {', '.join(names)}")
    for name, value in content.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MOST
        if not (isinstance(value, str) if name == "machine" else number):
            raise RunError(f"its measured {name} is {str(value)[:60]!r}")
    return Measured(**content)


def _count(header: Mapping[str, Any], name: str, most: int) -> int:
    value = header[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise RunError(f"its {name} is {str(value)[:60]!r}, expected a whole number up to {most:,}")
    return value
