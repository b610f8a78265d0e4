"""Weight files: what is read, and what is refused before a value is touched."""

import json
import math

import numpy as np
import pytest
from checkpoints import bf16_bytes, safetensors_bytes, write_safetensors, write_weights
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantize import checkpoint
from quantize.errors import CheckpointError
from quantize.safetensors_file import read_header

ENTRY = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def random_tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {f"t{i}": rng.standard_normal((i + 2, 5), dtype=np.float32) for i in range(4)}


def write(folder, header, data=bytes(24)):
    path = folder / "model.safetensors"
    path.write_bytes(safetensors_bytes(header, data))
    return path


@pytest.mark.parametrize("shards", [1, 3])
def test_f32_values_come_back_exactly(tmp_path, shards):
    tensors = random_tensors()
    write_weights(tmp_path, tensors, "f32", shards)
    opened = checkpoint.open_folder(tmp_path)
    assert len(opened.files) == shards
    for name, values in tensors.items():
        rows = checkpoint.pick(opened.tensors, name, values.shape, tmp_path).map().float32(slice(0, len(values)))
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows, values)


@pytest.mark.parametrize("dtype", ["bf16", "f16"])
def test_half_precision_is_widened_without_loss(tmp_path, dtype):
    tensors = random_tensors()
    write_weights(tmp_path, tensors, dtype)
    rows = checkpoint.open_folder(tmp_path).tensors["t3"].map().float32(slice(1, 4))
    half = tensors["t3"][1:4].astype(np.float16) if dtype == "f16" else tensors["t3"][1:4]
    np.testing.assert_allclose(rows, half, rtol=0 if dtype == "f16" else 2**-8)
    if dtype == "bf16":
        assert bf16_bytes(rows) == bf16_bytes(tensors["t3"][1:4])


def test_a_file_written_by_the_safetensors_library_is_read(tmp_path):
    numpy_io = pytest.importorskip("safetensors.numpy")
    tensors = random_tensors()
    numpy_io.save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    opened = checkpoint.open_folder(tmp_path)
    assert opened.tensors.keys() == tensors.keys()
    np.testing.assert_array_equal(opened.tensors["t2"].map().float32(slice(0, 4)), tensors["t2"])


def test_rows_can_be_picked_in_any_order(tmp_path):
    write_weights(tmp_path, random_tensors(), "f32")
    rows = checkpoint.open_folder(tmp_path).tensors["t3"].map().float32(np.array([4, 0, 2]))
    np.testing.assert_array_equal(rows, random_tensors()["t3"][[4, 0, 2]])


def test_a_truncated_file_is_refused(tmp_path):
    write_safetensors(tmp_path / "model.safetensors", random_tensors())
    data = (tmp_path / "model.safetensors").read_bytes()
    for keep in (0, 5, 40, len(data) - 1):
        (tmp_path / "model.safetensors").write_bytes(data[:keep])
        with pytest.raises(CheckpointError, match="safetensors"):
            checkpoint.open_folder(tmp_path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": ENTRY, "b": {"dtype": "F32", "shape": [2], "data_offsets": [16, 24]}}, "overlaps"),
        ({"a": ENTRY | {"data_offsets": [-8, 16]}}, "data_offsets"),
        ({"a": ENTRY | {"data_offsets": [24, 0]}}, "data_offsets"),
        ({"a": ENTRY | {"data_offsets": [8, 32]}}, "the file holds 24"),
        ({"a": ENTRY | {"shape": [2, 2], "data_offsets": [8, 24]}}, "bytes 0 to 8"),
        ({"a": ENTRY | {"shape": [2, 2], "data_offsets": [0, 16]}}, "after the last tensor"),
        ({"a": ENTRY | {"shape": [1 << 62, 8]}}, "takes 24 bytes"),
        ({"a": ENTRY | {"shape": [-2, -3]}}, "shape"),
        ({"a": ENTRY | {"shape": [2.0, 3]}}, "shape"),
        ({"a": ENTRY | {"dtype": "Q7"}}, "dtype 'Q7'"),
        ({"a": 3}, "not an object"),
        ({"a": ENTRY | {"shape": [10**4000, 10**4000]}}, "has shape .10+\\.\\.\\.0+, "),
        ({"a": ENTRY | {"shape": [1] * 9}}, "has shape"),
        ({"a": ENTRY | {"data_offsets": [0, 10**4000]}}, "data_offsets"),
        ({"a": ENTRY | {"dtype": "x" * 5000}}, "dtype 'xxx.{100,200}xxx', expected"),
        ([1, 2], "is a list"),
    ],
)
def test_a_header_that_cannot_be_right_is_refused(tmp_path, header, message):
    with pytest.raises(CheckpointError, match=message):
        read_header(write(tmp_path, header))


def test_a_header_with_a_name_twice_is_refused(tmp_path):
    text = json.dumps({"a": ENTRY})[:-1] + ", " + json.dumps({"a": ENTRY})[1:]
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text.encode() + bytes(24))
    with pytest.raises(CheckpointError, match="twice"):
        read_header(tmp_path / "x.safetensors")


def test_a_header_length_beyond_the_file_is_refused_without_reading_it(tmp_path):
    (tmp_path / "x.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError, match="header should take"):
        read_header(tmp_path / "x.safetensors")


shapes = st.lists(st.integers(0, 4), max_size=3)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(shapes, max_size=6))
def test_every_consistent_header_is_read_back_as_written(tmp_path, sizes):
    header, end = {}, 0
    for i, shape in enumerate(sizes):
        size = 2 * math.prod(shape)
        header[f"t{i}"] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    entries = {e.name: e for e in read_header(write(tmp_path, header, bytes(end)))}
    assert {n: list(e.shape) for n, e in entries.items()} == {n: h["shape"] for n, h in header.items()}
    assert sum(e.bytes for e in entries.values()) == end


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=64), cut=st.integers(0, 200), flip=st.integers(0, 199), bit=st.integers(0, 7))
def test_a_damaged_header_is_read_or_refused_but_never_anything_else(tmp_path, data, cut, flip, bit):
    good = bytearray(safetensors_bytes({"a": ENTRY, "__metadata__": {"format": "pt"}}, bytes(24)))
    good[flip % len(good)] ^= 1 << bit
    path = tmp_path / "x.safetensors"
    for content in (bytes(good), bytes(good)[:cut], data):
        path.write_bytes(content)
        try:
            entries = read_header(path)
        except CheckpointError:
            continue
        assert all(0 <= e.offset and e.offset + e.bytes <= len(content) for e in entries)


def test_a_missing_shard_is_named(tmp_path):
    write_weights(tmp_path, random_tensors(), shards=2)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"00002-of-00002.*missing"):
        checkpoint.open_folder(tmp_path)


def test_an_index_that_promises_a_tensor_its_file_lacks_is_refused(tmp_path):
    write_weights(tmp_path, random_tensors(), shards=2)
    index = tmp_path / "model.safetensors.index.json"
    document = json.loads(index.read_text("utf-8"))
    document["weight_map"]["extra"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match="'extra'"):
        checkpoint.open_folder(tmp_path)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "..\\x", ""])
def test_an_index_may_only_name_files_of_its_own_folder(tmp_path, name):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match="plain file name"):
        checkpoint.open_folder(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 100_000, "not valid JSON"),
        (b'{"weight_map": {"a": ' + b"[" * 70 + b"]" * 70 + b"}}", "nested deeper than 64"),
        (b'{"weight_map": {"a": ' + b"9" * 5000 + b"}}", "not valid JSON"),
        (b'{"weight_map": {"\\ud800": "x"}}', "not valid JSON"),
        (b'{"weight_map": {"a": "\xff"}}', "not valid JSON"),
        (b"[]", "is a list, expected an object"),
        (b'{"weight_map": {"a": "' + b"x" * 300 + b'"}}', "plain file name"),
        (b'{"weight_map": {"a": "b\\u0000c"}}', "is missing"),
    ],
)
def test_an_index_of_any_bytes_is_refused_in_one_line(tmp_path, content, words):
    (tmp_path / "model.safetensors.index.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as caught:
        checkpoint.open_folder(tmp_path)
    assert len(str(caught.value)) < 600


def test_a_tensor_in_two_shards_is_refused(tmp_path):
    write_weights(tmp_path, random_tensors(), shards=2)
    write_safetensors(tmp_path / "model-00002-of-00002.safetensors", random_tensors())
    with pytest.raises(CheckpointError, match="both in"):
        checkpoint.open_folder(tmp_path)


def test_integer_weights_are_refused_when_they_are_asked_for(tmp_path):
    entry = {"dtype": "I8", "shape": [2, 12], "data_offsets": [0, 24]}
    write(tmp_path, {"a": entry})
    with pytest.raises(CheckpointError, match="dtype I8"):
        checkpoint.open_folder(tmp_path).tensors["a"].map()


def test_a_folder_without_weights_says_what_was_expected(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        checkpoint.open_folder(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        checkpoint.open_folder(tmp_path / "nowhere")
