"""A run as a pack: the same comparison as of the run itself, and nothing believed that was altered."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judgements import benchmark, compared, random_benchmark, random_verdicts, run, verdicts

from edge_judge.errors import RunError
from edge_judge.records import LABELS, ORDERS, Benchmark, Run, Verdict
from edge_judge.runs import pack_columns, packs

KNOWN = {"benchmark_sha256": "0" * 64, "grammar_sha256": "2" * 64}
TOY = benchmark("a", "b", "tie")
SAID = [
    Verdict("0", "ab", "a", {"a": 0.75, "b": 0.25}, "[[A]]", 0.5, truncated=True),
    Verdict("0", "ba", None),
    Verdict("2", "ba", "tie", {"a": 1e-20, "b": 0.0, "tie": 1.0}, mass=1.0),
]


def toy(judged: list[Verdict], **other: Any) -> Run:
    return run(judged, "f16", **(KNOWN | other))


def framed(said: bytes, body: bytes, *, version: int = packs.VERSION) -> bytes:
    """A pack whose hash is right, whatever is in it."""
    digest = hashlib.sha256(said + body).digest()
    return struct.pack(">8sHII32s", b"EJPACK\r\n", version, len(said), len(body), digest) + said + body


def parts(pack: bytes) -> tuple[dict[str, Any], bytes]:
    header = struct.unpack_from(">I", pack, 10)[0]
    return json.loads(pack[50 : 50 + header]), pack[50 + header :]


MADE = packs.write(TOY, toy(SAID))
HEADER, BODY = parts(MADE)


def test_a_run_comes_back_without_its_texts() -> None:
    back = packs.unpack(packs.read(MADE), TOY)
    wanted = toy(SAID)
    assert (back.identity, back.settings, back.measured, back.bytes) == (
        wanted.identity, wanted.settings, wanted.measured, wanted.bytes,
    )  # fmt: skip
    first, none, tie = back.verdicts
    assert (first.id, first.order, first.verdict, first.text, first.truncated) == ("0", "ab", "a", None, True)
    assert first.p == {"a": 0.75, "b": 0.25} and first.mass == 0.5
    assert none == Verdict("0", "ba", None)
    assert tie.p == {"a": float(np.float32(1e-20)), "b": 0.0, "tie": 1.0}
    assert tie.mass == 1.0


def test_what_a_pack_holds_is_told_without_its_benchmark() -> None:
    found = packs.read(MADE)
    assert (found.pairs, found.judged, len(found.rows), found.orders) == (3, 2, 3, ("ab", "ba"))
    assert found.sha256 == MADE[18:50].hex()


def test_a_run_that_was_not_measured_or_judged_nothing_has_a_pack_too() -> None:
    back = packs.unpack(packs.read(packs.write(TOY, replace(toy([]), measured=None))), TOY)
    assert (back.measured, back.verdicts) == (None, ())


@st.composite
def judged(draw: st.DrawFn) -> tuple[Benchmark, list[Verdict]]:
    """A benchmark and verdicts on some of its pairs in some orders, of which some have probabilities."""
    made = benchmark(*draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=12)))
    keys = draw(st.sets(st.tuples(st.sampled_from(made.pairs), st.sampled_from(ORDERS)), min_size=1))
    said = []
    for pair, order in keys:
        labels = draw(st.sampled_from([LABELS, LABELS[:2], ()]))
        weights = [draw(st.floats(1e-12, 1)) for _ in labels]
        p = {label: weight / sum(weights) for label, weight in zip(labels, weights, strict=True)} or None
        mass = draw(st.none() | st.floats(0, 1))
        said.append(Verdict(pair.id, order, draw(st.sampled_from([*LABELS, None])), p, None, mass, draw(st.booleans())))
    return made, said


@given(judged())
def test_every_run_comes_back_with_its_probabilities_and_masses_as_float32(made: tuple[Benchmark, list[Verdict]]):
    toys, said = made
    back = packs.unpack(packs.read(packs.write(toys, toy(said))), toys)
    assert len(back.verdicts) == len(said)
    found = {(one.id, one.order): one for one in back.verdicts}
    for one in said:
        other = found[one.id, one.order]
        assert (one.verdict, one.truncated, one.mass is None) == (other.verdict, other.truncated, other.mass is None)
        assert one.mass is None or other.mass == np.float32(one.mass)
        assert (one.p or {}) == pytest.approx(other.p or {}, rel=6e-8)
        assert all(p == np.float32(p) for p in (other.p or {}).values())
    again = packs.write(toys, back)
    assert packs.unpack(packs.read(again), toys).verdicts == back.verdicts


@pytest.mark.parametrize("seed", range(5))
def test_a_comparison_with_the_pack_is_the_one_with_the_run(seed: int) -> None:
    toys = random_benchmark(seed, 400, votes=2, groups=300)
    before, after = toy(random_verdicts(seed, toys)), replace(toy(random_verdicts(seed + 99, toys)), bytes=1)
    carried = packs.unpack(packs.read(packs.write(toys, before)), toys)
    wanted, found = compared(toys, after, before), compared(toys, after, carried)
    assert replace(found, kld=wanted.kld) == wanted  # all but the divergence is exactly the same
    assert found.kld.value == pytest.approx(wanted.kld.value, rel=2e-6)
    assert found.kld.low == pytest.approx(wanted.kld.low, rel=2e-6)


def test_a_pack_takes_a_few_bytes_for_each_pair() -> None:
    toys = random_benchmark(1, 2000)
    size = len(packs.write(toys, toy(random_verdicts(1, toys))))
    assert size < 36 * 2000  # both orders, with random probabilities: nothing can be compressed


def test_the_same_verdicts_in_another_order_are_the_same_pack() -> None:
    assert packs.write(TOY, toy(SAID[::-1])) == MADE


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ([replace(SAID[0], id="9")], "'9', which is not in the benchmark"),
        ([SAID[0], SAID[0]], "already has one in the order ab"),
        ([replace(SAID[0], p={"a": 0.5, "b": 0.4})], "sum to 0.9"),
        ([replace(SAID[0], p={"a": float("nan"), "b": 0.4})], "nan among"),
        ([replace(SAID[0], mass=1.5)], "1.5 among"),
    ],
)
def test_a_run_that_no_pack_can_hold_is_refused(spoilt: list[Verdict], words: str) -> None:
    with pytest.raises(RunError, match=words):
        packs.write(TOY, toy(spoilt))


def test_another_benchmark_than_the_one_judged_is_refused_with_both_hashes() -> None:
    pack = packs.read(MADE)
    with pytest.raises(RunError, match=f"sha256 {'0' * 64}, here {'1' * 64}"):
        packs.unpack(pack, replace(TOY, sha256="1" * 64))
    with pytest.raises(RunError, match="'toy', this benchmark is 'other'"):
        packs.unpack(pack, replace(TOY, name="other"))
    with pytest.raises(RunError, match="differ in ids or order"):
        packs.unpack(pack, replace(TOY, pairs=TOY.pairs[::-1]))


def test_a_pack_under_another_prompt_is_refused_by_name() -> None:
    other = packs.unpack(packs.read(packs.write(TOY, toy(SAID, prompt_sha256="3" * 64))), TOY)
    with pytest.raises(RunError, match=f"settings.prompt_sha256 is '{'1' * 64}' and '{'3' * 64}'"):
        compared(TOY, run(verdicts(("a", "a")), **KNOWN), other)


# ---- hostile bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(0, len(MADE), 7))
def test_a_pack_that_is_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(RunError):
        packs.read(MADE[:length])


@given(st.integers(0, len(MADE) - 1), st.integers(1, 255))
def test_a_pack_of_which_any_byte_was_altered_is_refused(place: int, change: int) -> None:
    altered = bytearray(MADE)
    altered[place] ^= change
    with pytest.raises(RunError):
        packs.read(bytes(altered))


@given(st.binary(max_size=200))
def test_any_other_bytes_are_no_pack(data: bytes) -> None:
    with pytest.raises(RunError):
        packs.read(data)
    with pytest.raises(RunError):
        packs.read(b"EJPACK\r\n" + data)


def test_a_pack_of_a_later_version_asks_for_a_later_edge_judge() -> None:
    with pytest.raises(RunError, match="version 3, this edge-judge reads version 2") as caught:
        packs.read(framed(b"a header of another kind", b"", version=3))
    assert caught.value.hint == "update edge-judge"


def test_a_pack_of_an_earlier_version_asks_for_another_export() -> None:
    with pytest.raises(RunError, match="version 1, this edge-judge reads version 2") as caught:
        packs.read(framed(json.dumps(HEADER).encode(), BODY, version=1))
    assert "edge-judge pack export" in str(caught.value.hint)


def test_a_file_that_is_too_large_is_no_pack() -> None:
    with pytest.raises(RunError, match="more than 64,000,000 bytes"):
        packs.read(MADE + bytes(packs.MOST_BYTES))


def test_more_behind_a_pack_is_refused() -> None:
    with pytest.raises(RunError, match="longer than it says"):
        packs.read(MADE + b"\n")


def swelling(count: int) -> bytes:
    packer = zlib.compressobj()
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(count)) + packer.flush()


def test_a_body_that_would_swell_is_stopped_at_what_was_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = zlib.decompressobj

    class Watched:
        def __init__(self) -> None:
            self.stream = real()

        def __getattr__(self, name: str) -> object:
            return getattr(self.stream, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            asked.append(most)
            return self.stream.decompress(data, most)

    monkeypatch.setattr(pack_columns.zlib, "decompressobj", Watched)
    with pytest.raises(RunError, match="its length differs from the header"):
        packs.read(framed(json.dumps(HEADER).encode(), swelling(200)))
    assert asked == [3 * 2 * pack_columns.SLOT_BYTES + 1]


def changed(**parts: Any) -> bytes:
    return json.dumps(HEADER | parts).encode()


SETTINGS = HEADER["settings"]
WHO = HEADER["identity"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "incomplete"),
        (b"{}", "incomplete"),
        (changed(gguf_bytes=float("nan")), "NaN is no number"),
        (json.dumps(HEADER).replace("4000000", "1e999").encode(), "not JSON"),
        (changed(settings=None), "incomplete"),
        (changed(settings=SETTINGS | {"prompt_sha256": None}), "no prompt_sha256"),
        (changed(settings=SETTINGS | {"lock": "\ud800"}), "not JSON"),
        (changed(settings=SETTINGS | {"lock": [[[["deep"]]]]}), "nested too deeply"),
        (changed(identity={"model": "x"}), "identity is incomplete"),
        (changed(identity=WHO | {"model": ".."}), "names no folder"),
        (changed(identity=WHO | {"model": ""}), "names no folder"),
        (changed(identity=WHO | {"scheme": "../../etc"}), "names no folder"),
        (changed(identity=WHO | {"scheme": "/etc"}), "names no folder"),
        (changed(identity=WHO | {"grammar": "a\\b"}), "names no folder"),
        (changed(identity=WHO | {"benchmark": "a\x1b[2J"}), "names no folder"),
        (changed(identity=WHO | {"benchmark": "x" * 300}), "names no folder"),
        (changed(identity=WHO | {"benchmark": 7}), "names no folder"),
        (changed(measured=[]), "measurements are incomplete"),
        (changed(measured=HEADER["measured"] | {"tokens": "many"}), "measured tokens is 'many'"),
        (changed(measured=HEADER["measured"] | {"peak_rss": -1}), "measured peak_rss is '-1'"),
        (changed(measured=HEADER["measured"] | {"machine": 1}), "measured machine"),
        (changed(pairs=10**9), "pairs is '1000000000', expected a whole number up to 1,000,000"),
        (changed(pairs=True), "pairs is 'True'"),
        (changed(pairs=2), "its length differs from the header"),
        (changed(pairs=4), "its length differs from the header"),
        (changed(verdicts=2), "3 verdicts, the header says 2"),
        (changed(verdicts=-1), "verdicts is '-1'"),
        (changed(gguf_bytes=1.5), "gguf_bytes is '1.5'"),
    ],
)
def test_a_header_that_was_forged_is_refused(said: bytes, words: str) -> None:
    with pytest.raises(RunError, match=words):
        packs.read(framed(said, BODY))


PLAIN = zlib.decompress(BODY)


@settings(max_examples=300)
@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255), st.integers(0, 3), st.binary(max_size=3))
def test_a_body_that_was_forged_is_refused_or_read_as_verdicts(place: int, byte: int, cut: int, more: bytes) -> None:
    forged = bytearray(PLAIN)
    forged[place] = byte
    body = zlib.compress(bytes(forged[: len(forged) - cut]) + more)
    try:
        rows = packs.read(framed(json.dumps(HEADER).encode(), body)).rows
    except RunError:
        return
    assert len(rows) == 3
    for row in rows:
        assert 0 <= row.place < 3 and row.verdict in (*LABELS, None)
        assert row.p is None or sum(row.p.values()) == pytest.approx(1)
        assert row.mass is None or 0 <= row.mass <= 1


@pytest.mark.parametrize("body", [b"", b"not zlib", BODY[:-1], BODY + b"more", zlib.compress(PLAIN + b"\0")])
def test_a_body_that_is_not_one_whole_stream_is_refused(body: bytes) -> None:
    with pytest.raises(RunError):
        packs.read(framed(json.dumps(HEADER).encode(), body))


def forged(**columns: list[float]) -> bytes:
    """The body with some columns replaced: three pairs in two orders, of which 0 ab, 0 ba and 2 ba were judged."""
    written, start = b"", 0
    for name, kind in pack_columns.LAYOUT.items():
        end = start + 6 * kind.itemsize
        written += np.array(columns[name], kind).tobytes() if name in columns else PLAIN[start:end]
        start = end
    return zlib.compress(written)


NAN = float("nan")
P = {"a": [0.75, NAN, NAN, NAN, NAN, 0.0], "b": [0.25, NAN, NAN, NAN, NAN, 0.0], "tie": [NAN] * 5 + [1.0]}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (P | {"tie": [NAN] * 5 + [0.0]}, "sum to 0, not to 1"),  # nothing is possible
        (P | {"a": [0.5, NAN, NAN, NAN, NAN, 0.0]}, "sum to 0.75, not to 1"),
        (P | {"a": [-0.25, NAN, NAN, NAN, NAN, 0.0]}, "not between 0 and 1"),
        ({"mass": [float("inf"), NAN, NAN, NAN, NAN, 1.0]}, "not between 0 and 1"),
        ({"mass": [0.5, NAN, NAN, 0.5, NAN, 1.0]}, "a pair that was not judged"),
        ({"truncated": [1, 0, 1, 0, 0, 0]}, "a pair that was not judged"),
        ({"truncated": [2, 0, 0, 0, 0, 0]}, "no meaning"),
        ({"code": [1, 4, 0, 0, 0, 5]}, "no meaning"),
        ({"code": [1, 4, 1, 0, 0, 3]}, "4 verdicts, the header says 3"),
    ],
)
def test_columns_that_no_verdicts_have_are_refused(columns: dict[str, list[float]], words: str) -> None:
    assert packs.read(framed(json.dumps(HEADER).encode(), forged(**P))).rows == packs.read(MADE).rows[:2] + (
        replace(packs.read(MADE).rows[2], p={"a": 0.0, "b": 0.0, "tie": 1.0}),
    )
    with pytest.raises(RunError, match=words):
        packs.read(framed(json.dumps(HEADER).encode(), forged(**columns)))
