"""torch's .bin files, read without torch and without running them; hostile ones are refused, and nothing
runs.
"""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from checkpoints import llama_config, make_checkpoint, quantized, tensors_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import gguf_tensors

from quantize import checkpoint
from quantize.errors import CheckpointError
from quantize.torch_file import read_table


class Named:
    """Pickles as a reference to a global of any module, called with any arguments."""

    def __init__(self, name: str, *arguments: object) -> None:
        self.name, self.arguments = name, arguments


class StorageKind:
    """Pickles as torch.<name>."""

    def __init__(self, name: str) -> None:
        self.name = name


class Writer(pickle._Pickler):  # the pure Python pickler, which can be taught to name what is not there
    def persistent_id(self, thing):
        return thing.value if isinstance(thing, Reference) else None

    def save(self, thing, save_persistent_id=True):
        if isinstance(thing, StorageKind):
            self.write(b"ctorch\n" + thing.name.encode() + b"\n")
        elif isinstance(thing, Named):
            module, name = thing.name.rsplit(".", 1)
            self.write(b"c" + module.encode() + b"\n" + name.encode() + b"\n")
            self.save(thing.arguments)
            self.write(b"R")
        elif isinstance(thing, Changed):
            self.save(thing.thing)
            self.save(thing.state)
            self.write(b"b")
        else:
            super().save(thing, save_persistent_id)


class Changed:
    """Pickles as something with a state that is set on it afterwards."""

    def __init__(self, thing: object, state: object) -> None:
        self.thing, self.state = thing, state


class Reference:
    def __init__(self, *value: object) -> None:
        self.value = value


def tensor(key="0", elements=6, first=0, shape=(2, 3), strides=(3, 1), kind="FloatStorage"):
    storage = Reference("storage", StorageKind(kind), key, "cpu", elements)
    return Named("torch._utils._rebuild_tensor_v2", storage, first, shape, strides, False, {})


def write(path, content, storages=None, compression=zipfile.ZIP_STORED, **entries):
    out = io.BytesIO()
    Writer(out, 2).dump(content)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", out.getvalue())
        for key, data in (storages or {"0": np.arange(6, dtype="<f4").tobytes()}).items():
            archive.writestr(f"archive/data/{key}", data)
        for name, data in entries.items():
            archive.writestr(f"archive/{name}", data)
    return path


def values(path, name):
    (entry,) = [t for t in checkpoint.open_file(path) if t.name == name]
    return entry.map().float32(slice(0, entry.shape[0])).reshape(entry.shape)


def test_a_file_written_by_torch_is_read_with_its_offsets_strides_and_shared_storages(tmp_path):
    torch = pytest.importorskip("torch", reason="writes the file with torch")
    flat, base = torch.randn(100).bfloat16(), torch.randn(6, 4)
    saved = {
        "plain": base, "transposed": base.t(), "view": flat[10:40].view(5, 6), "half": base.half(),
        "column": base[:, 1], "parameter": torch.nn.Parameter(base[2:4]),
    }  # fmt: skip
    torch.save(saved, tmp_path / "pytorch_model.bin")
    for name, expected in saved.items():
        actual = values(tmp_path / "pytorch_model.bin", name)
        np.testing.assert_array_equal(actual, expected.detach().float().numpy())
        assert actual.flags.c_contiguous


def test_views_into_one_flat_storage_are_cut_out(tmp_path):
    path = write(
        tmp_path / "x.bin",
        {"a": tensor(shape=(2, 2), strides=(3, 1)), "b": tensor(first=5, shape=(1,), strides=(1,))},
    )
    np.testing.assert_array_equal(values(path, "a"), [[0, 1], [3, 4]])
    np.testing.assert_array_equal(values(path, "b"), [5])


@pytest.mark.parametrize("shards", [1, 2])
def test_a_bin_checkpoint_gives_the_same_gguf_as_safetensors(tmp_path, shards):
    torch = pytest.importorskip("torch", reason="writes the file with torch")
    import json

    config = llama_config(num_hidden_layers=1)
    safe = make_checkpoint(tmp_path / "safe", config, dtype="f16")
    binary = make_checkpoint(tmp_path / "binary", config)
    (binary / "model.safetensors").unlink()
    tensors = {n: torch.from_numpy(a).half() for n, a in tensors_of(config).items()}
    names, placement = sorted(tensors), {}
    for i in range(shards):
        file = f"pytorch_model-{i + 1:05}-of-{shards:05}.bin" if shards > 1 else "pytorch_model.bin"
        part = names[i::shards]
        torch.save({n: tensors[n] for n in part}, binary / file)
        placement |= dict.fromkeys(part, file)
    if shards > 1:
        (binary / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": placement}))
    built = [quantized(f, "q4_k_m", tmp_path / f"{f.name}.gguf").path for f in (safe, binary)]
    assert gguf_tensors(built[0]) == gguf_tensors(built[1])


@pytest.mark.parametrize(
    "call",
    [
        Named("os.system", "touch ran"),
        Named("posix.system", "touch ran"),
        Named("builtins.eval", "open('ran', 'w')"),
        Named("builtins.getattr", "", "x"),
        Named("subprocess.Popen", ["touch", "ran"]),
        Named("torch.load", "x"),
        Named("collections.Counter", ()),
    ],
)
def test_a_pickle_that_calls_anything_is_refused_by_name_and_nothing_runs(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    for content in ({"a": call}, {"a": tensor(), "b": [call]}):
        with pytest.raises(CheckpointError, match=call.name.replace(".", r"\.")):
            read_table(write(tmp_path / "x.bin", content))
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (tensor(elements=7), "24 bytes, not 7"),
        (tensor(shape=(3, 3)), "reaches element 8"),
        (tensor(first=1), "reaches element 6"),
        (tensor(strides=(1 << 62, 1)), "reaches element"),
        (tensor(strides=(-3, 1)), "strides"),
        (tensor(shape=(2,)), "strides"),
        (tensor(first="0"), "unknown way"),
        (tensor(key="9"), "lacks its entry 'archive/data/9'"),
        (tensor(key="../../x"), "lacks its entry"),
        (tensor(kind="QInt8Storage"), "torch.QInt8Storage"),
        (Named("torch._utils._rebuild_tensor_v2", 3, 0, (1,), (1,)), "unknown way"),
        (3, "no tensors"),
    ],
)
def test_a_tensor_that_is_not_inside_its_storage_is_refused(tmp_path, entry, message):
    with pytest.raises(CheckpointError, match=message):
        read_table(write(tmp_path / "x.bin", {"a": entry}))


def test_a_compressed_archive_is_refused_unopened_so_a_zip_bomb_stays_small(tmp_path):
    path = write(
        tmp_path / "x.bin", {"a": tensor(elements=50_000_000, shape=(50_000_000,), strides=(1,))},
        {"0": bytes(200_000_000)}, zipfile.ZIP_DEFLATED,
    )  # fmt: skip
    assert path.stat().st_size < 1_000_000
    with pytest.raises(CheckpointError, match="compressed"):
        read_table(path)


def test_old_files_and_other_files_are_refused_with_a_way_out(tmp_path):
    (tmp_path / "x.bin").write_bytes(pickle.dumps({"a": 1}, 2))
    with pytest.raises(CheckpointError, match=r"before torch 1\.6") as caught:
        read_table(tmp_path / "x.bin")
    assert "safetensors" in caught.value.hint
    with zipfile.ZipFile(tmp_path / "y.bin", "w") as archive:
        archive.writestr("archive/notes.txt", b"hello")
    with pytest.raises(CheckpointError, match=r"expected one data\.pkl"):
        read_table(tmp_path / "y.bin")


def test_a_big_endian_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="big-endian"):
        read_table(write(tmp_path / "x.bin", {"a": tensor()}, byteorder=b"big"))


def test_a_file_cut_short_is_refused(tmp_path):
    data = write(tmp_path / "x.bin", {"a": tensor()}).read_bytes()
    for keep in (0, 4, 60, len(data) // 2, len(data) - 1):
        (tmp_path / "x.bin").write_bytes(data[:keep])
        with pytest.raises(CheckpointError, match=r"x\.bin"):
            read_table(tmp_path / "x.bin")


def test_sizes_that_lie_in_the_local_header_cannot_reach_beyond_the_file(tmp_path):
    data = bytearray(write(tmp_path / "x.bin", {"a": tensor()}).read_bytes())
    at = data.index(b"PK\x03\x04", 4)
    data[at + 26 : at + 30] = struct.pack("<HH", 65535, 65535)
    (tmp_path / "x.bin").write_bytes(data)
    with pytest.raises(CheckpointError, match="beyond the file"):
        read_table(tmp_path / "x.bin")


def patched(path, patches):
    """The same file with other bytes at some places of the first entry of its central directory."""
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02")
    for at, data in patches.items():
        content[start + at : start + at + len(data)] = data
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("patches", "words"),
    [
        ({6: b"\x40"}, r"no whole zip archive: zip file version 6\.4"),
        ({8: b"\x00\x08", 46: b"\x80"}, "no whole zip archive: 'utf-8' codec"),
        ({42: b"\xfe\xff\xff\xff"}, "not where the archive says"),
    ],
)
def test_a_damaged_table_of_contents_is_refused_whatever_zipfile_makes_of_it(tmp_path, patches, words):
    with pytest.raises(CheckpointError, match=words):
        read_table(patched(write(tmp_path / "x.bin", {"a": tensor()}), patches))


@pytest.mark.parametrize("number", [1 << 63, 1 << 20_000, -(1 << 20_000)], ids=["63 bits", "long", "negative"])
def test_numbers_that_no_file_can_need_are_refused_however_long_they_are(tmp_path, number):
    for field in ({"shape": (2, number)}, {"strides": (number, 1)}, {"first": number}, {"elements": number}):
        with pytest.raises(CheckpointError, match=r"x\.bin"):
            read_table(write(tmp_path / "x.bin", {"a": tensor(**field)}))


def test_a_pickle_cannot_change_what_it_has_built(tmp_path):
    """Neither a record, which would move a tensor out of its storage, nor a kind of storage, which files share."""
    storage = Changed(Reference("storage", StorageKind("FloatStorage"), "0", "cpu", 6), ["F32", 4, 0, 10**6])
    moved = Named("torch._utils._rebuild_tensor_v2", storage, 100, (2, 3), (3, 1), False, {})
    with pytest.raises(CheckpointError, match="reaches element 105 of a storage of 6"):
        read_table(write(tmp_path / "x.bin", {"a": moved}))
    read_table(write(tmp_path / "x.bin", {"kind": Changed(StorageKind("FloatStorage"), ["F64", 0]), "a": tensor()}))
    (entry,) = read_table(write(tmp_path / "y.bin", {"a": tensor()}))
    assert entry.dtype == "F32"


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # remembers None as number two thousand million
        b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00.",  # a terabyte of bytes to come
        b"\x80\x02I" + b"9" * 5000 + b"\n.",
        b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
    ],
)
def test_a_pickle_that_names_an_absurd_number_is_refused_and_costs_no_memory(tmp_path, pickled):
    with zipfile.ZipFile(tmp_path / "x.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    with pytest.raises(CheckpointError, match=r"x\.bin"):
        read_table(tmp_path / "x.bin")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 2000), value=st.integers(0, 255), pickled=st.binary(max_size=60))
def test_a_damaged_file_is_read_or_refused_but_never_anything_else(tmp_path, at, value, pickled):
    data = bytearray(write(tmp_path / "x.bin", {"a": tensor()}).read_bytes())
    data[at % len(data)] = value
    (tmp_path / "x.bin").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "y.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    for name in ("x.bin", "y.bin"):
        try:
            table = read_table(tmp_path / name)
        except CheckpointError:
            continue
        size = os.path.getsize(tmp_path / name)
        assert all(0 <= entry.offset <= size for entry in table)
