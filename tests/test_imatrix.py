"""Importance matrices: the bytes llama.cpp makes with the same file, and files that are refused."""

import numpy as np
import pytest
from checkpoints import llama_config, make_checkpoint, quantized
from oracle import gguf_tensors, gguf_values, llama_quantize

from quantize import imatrix, schemes
from quantize.errors import ImatrixNeededError, SchemeError

CONFIG = llama_config(num_hidden_layers=1, intermediate_size=256, vocab_size=304)
# none for the embedding: llama-imatrix measures what a matrix is multiplied with, and that one is looked up
WIDTHS = {
    f"blk.0.{name}.weight": 256
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
} | {"output.weight": 256}


def write(path, widths=WIDTHS, count=7.0, bad=None, chunks=3, pairs=(), **counts):
    """An importance matrix file as llama-imatrix writes it; with `pairs`, as `edge-judge imatrix` does."""
    from gguf import GGUFValueType, GGUFWriter

    writer = GGUFWriter(path, "")
    writer.kv_data[0].clear()
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["some.txt"])
    kind = {int: GGUFValueType.INT32, float: GGUFValueType.FLOAT32, str: GGUFValueType.STRING}[type(chunks)]
    writer.add_key_value("imatrix.chunk_count", chunks, kind)
    writer.add_uint32("imatrix.chunk_size", 512)
    if pairs:
        writer.add_array("edge_judge.pairs_seen", list(pairs))
    rng = np.random.default_rng(5)
    for name, width in widths.items():
        sums = rng.exponential(size=(1, width)).astype(np.float32) * 100
        if bad is not None:
            sums[0, 0] = bad
        writer.add_tensor(f"{name}.in_sum2", sums)
        if counts.get("counts", True):
            writer.add_tensor(f"{name}.counts", np.array([[count]], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imatrix")
    make_checkpoint(folder / "model", CONFIG)
    wide = quantized(folder / "model", "f32", folder / "f32.gguf").path
    return folder / "model", wide, write(folder / "some.imatrix.gguf")


@pytest.mark.parametrize(
    "scheme",
    [
        *("q4_k_m", "q4_0", "q2_k", "q2_k_s", "iq4_xs", "iq2_m", "iq2_xxs"),
        *(pytest.param(s, marks=pytest.mark.slow) for s in ("iq3_xxs", "iq3_xs", "iq1_m", "iq1_s")),
    ],
)
def test_the_bytes_are_those_llama_cpp_makes_with_the_same_importances(model, scheme, tmp_path):
    folder, wide, importance = model
    ours = quantized(folder, scheme, tmp_path / "ours.gguf", imatrix=importance)
    columns = dict(imatrix.read(importance).columns)
    llama_quantize(wide, tmp_path / "theirs.gguf", schemes.SCHEMES[scheme], columns)
    assert gguf_tensors(ours.path) == gguf_tensors(tmp_path / "theirs.gguf")


def test_importance_is_the_mean_of_the_sums(tmp_path):
    few, many = (imatrix.read(write(tmp_path / f"{n}.gguf", count=n)) for n in (1.0, 4.0))
    np.testing.assert_allclose(few.columns["output.weight"], 4 * many.columns["output.weight"])
    never = imatrix.read(write(tmp_path / "0.gguf", count=0.0))
    assert (never.columns["output.weight"] == 1).all() and never.chunks == 3


def test_the_file_is_noted_by_name_and_hash_and_not_by_place(model, tmp_path):
    folder, _, importance = model
    values = gguf_values(quantized(folder, "q4_0", tmp_path / "o.gguf", name="x", imatrix=importance).path)
    assert values["quantize.imatrix.file"] == "some.imatrix.gguf"
    assert values["quantize.imatrix.entries_count"] == len(WIDTHS) and len(values["edge_judge.imatrix.sha256"]) == 64


def test_a_matrix_that_lacks_a_tensor_the_scheme_cannot_do_without_is_refused(model, tmp_path):
    folder, _, _ = model
    partial = {name: width for name, width in WIDTHS.items() if name != "blk.0.ffn_up.weight"}
    with pytest.raises(ImatrixNeededError, match=r"lacks 'blk\.0\.ffn_up\.weight'"):
        importance = write(tmp_path / "partial.gguf", partial)
        quantized(folder, "iq2_xs", tmp_path / "o.gguf", name="x", imatrix=importance)
    quantized(folder, "q4_k_m", tmp_path / "o.gguf", name="x", imatrix=importance)


def test_a_matrix_of_another_model_is_refused(model, tmp_path):
    folder, _, _ = model
    importance = write(tmp_path / "other.gguf", dict.fromkeys(WIDTHS, 128))
    with pytest.raises(SchemeError, match="128 importances"):
        quantized(folder, "q4_k_m", tmp_path / "o.gguf", name="x", imatrix=importance)


def test_files_that_are_no_importance_matrix_are_refused(model, tmp_path):
    with pytest.raises(SchemeError, match="cannot be used"):
        imatrix.read(tmp_path / "none.gguf")
    with pytest.raises(SchemeError, match="no importances"):
        imatrix.read(model[1])
    with pytest.raises(SchemeError, match="lacks its counts"):
        imatrix.read(write(tmp_path / "a.gguf", counts=False))
    with pytest.raises(SchemeError, match="not finite"):
        imatrix.read(write(tmp_path / "b.gguf", bad=np.nan))
    with pytest.raises(SchemeError, match="below zero"):
        imatrix.read(write(tmp_path / "d.gguf", bad=-1.0))
    with pytest.raises(SchemeError, match="not finite"):
        imatrix.read(write(tmp_path / "e.gguf", bad=np.inf, count=np.inf))
    for chunks in ("three", float("nan"), -1):
        with pytest.raises(SchemeError, match=r"'imatrix\.chunk_count' is"):
            imatrix.read(write(tmp_path / "f.gguf", chunks=chunks))
    data = model[2].read_bytes()
    (tmp_path / "c.gguf").write_bytes(data[:-100])
    with pytest.raises(SchemeError, match="cut short"):
        imatrix.read(tmp_path / "c.gguf")
