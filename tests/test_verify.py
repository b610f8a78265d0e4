"""Verification: a written GGUF is read back by other code, and anything else is refused."""

import struct

import pytest
from checkpoints import llama_config, make_checkpoint, quantized
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import gguf_tensors, gguf_values

from quantize import container, verify
from quantize.errors import VerifyError

SMALL = llama_config(num_hidden_layers=1, hidden_size=32, intermediate_size=32)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    make_checkpoint(folder / "model", SMALL)
    return quantized(folder / "model", "q8_0", folder / "model.gguf")


def test_our_reader_and_the_gguf_package_see_the_same_file(built):
    header = container.read_header(built.path)
    tensors = gguf_tensors(built.path)
    assert [t.name for t in header.tensors] == list(tensors)
    for tensor in header.tensors:
        kind, shape, data = tensors[tensor.name]
        assert (tensor.ggml_type, tensor.shape[::-1], tensor.bytes) == (kind, shape, len(data))
    values = gguf_values(built.path)
    assert set(header.keys) == {key for key in values if not key.startswith("GGUF.")}
    assert all(values[key] == value for key, value in header.values.items())


def test_the_hash_is_that_of_the_whole_file(built):
    import hashlib

    assert built.sha256 == hashlib.sha256(built.path.read_bytes()).hexdigest()
    assert built.bytes == built.path.stat().st_size


def test_a_file_cut_short_anywhere_is_refused(built, tmp_path):
    data = built.path.read_bytes()
    for keep in (0, 3, 20, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.gguf").write_bytes(data[:keep])
        with pytest.raises(VerifyError):
            verify.check_size(tmp_path / "cut.gguf", container.read_header(tmp_path / "cut.gguf"))


def test_another_tensor_table_or_a_missing_key_is_a_difference(built):
    header = container.read_header(built.path)
    verify.verify(built.path, header.tensors, header.keys)
    with pytest.raises(VerifyError, match="lists"):
        verify.verify(built.path, header.tensors[1:], header.keys)
    with pytest.raises(VerifyError, match="expected Placed"):
        verify.verify(built.path, header.tensors[::-1], header.keys)
    with pytest.raises(VerifyError, match=r"no\.such\.key"):
        verify.verify(built.path, header.tensors, ("no.such.key",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GGML" + bytes(40), "not a GGUF"),
        (struct.pack("<4sIQQ", b"GGUF", 1, 0, 0) + bytes(40), "version 2 or 3, it has version 1"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 1 << 60, 0) + bytes(40), "claims"),
        (struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 1 << 50) + bytes(40), "a text of"),
        (struct.pack("<4sIQQQ1sI", b"GGUF", 3, 0, 1, 1, b"k", 99) + bytes(40), "unknown type 99"),
        (struct.pack("<4sIQQQ1sIIQ", b"GGUF", 3, 0, 1, 1, b"k", 9, 4, 1 << 60) + bytes(40), "ends within"),
        (struct.pack("<4sIQQQ1sIIQ", b"GGUF", 3, 0, 1, 1, b"k", 9, 8, 1 << 60) + bytes(40), "claims an array of"),
    ],
)
def test_impossible_lengths_are_refused_before_they_are_used(tmp_path, data, message):
    (tmp_path / "x.gguf").write_bytes(data)
    with pytest.raises(VerifyError, match=message):
        container.read_header(tmp_path / "x.gguf")


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 600), value=st.integers(0, 255))
def test_a_damaged_header_is_read_or_refused_but_never_anything_else(built, tmp_path, at, value):
    data = bytearray(built.path.read_bytes())
    data[at] = value
    (tmp_path / "x.gguf").write_bytes(data)
    try:
        header = container.read_header(tmp_path / "x.gguf")
        verify.check_size(tmp_path / "x.gguf", header)
    except VerifyError:
        return
    assert header.end == len(data)


def test_a_missing_file_is_an_error_of_ours(tmp_path):
    with pytest.raises(VerifyError, match="cannot read"):
        container.read_header(tmp_path / "none.gguf")
