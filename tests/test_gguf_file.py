"""A GGUF from elsewhere, before llama.cpp sees it: its names, its parts, and what else a file may be."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from checkpoints import llama_config, make_checkpoint, quantized
from gguf_elsewhere import copied
from hypothesis import given
from hypothesis import strategies as st

from quantize import container, digest, gguf_file, pairs_seen
from quantize.errors import VerifyError

OURS = ("edge_judge.", "general.")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    make_checkpoint(folder / "model", llama_config(num_hidden_layers=1, hidden_size=32, intermediate_size=32))
    return quantized(folder / "model", "q8_0", folder / "tiny.gguf").path


@pytest.fixture(scope="module")
def content(built: Path) -> bytes:
    return built.read_bytes()


# ---- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "keys", "model", "scheme"),
    [
        ("x.gguf", {"general.name": "Meta Llama 3.1 8B Instruct"}, "meta-llama-3.1-8b-instruct", "q8_0"),
        ("x.gguf", {"general.name": "LLaMA v2", "general.size_label": "7B"}, "llama-v2-7b", "q8_0"),
        ("x.gguf", {"general.name": "Mixtral 8x7B", "general.size_label": "8x7B"}, "mixtral-8x7b", "q8_0"),
        ("x.gguf", {"general.basename": "Gemma", "general.size_label": "270M"}, "gemma-270m", "q8_0"),
        ("x.gguf", {"general.name": "models/../../etc/Judge v1"}, "models-..-..-etc-judge-v1", "q8_0"),
        ("Tiny-Judge-UD-Q4_K_M.gguf", {"general.file_type": 15}, "tiny-judge", "q4_k_m"),
        ("mistral-7b.Q5_K_S.gguf", {"general.file_type": 16}, "mistral-7b", "q5_k_s"),
        ("x.gguf", {"general.name": "判断", "general.file_type": 38}, "x", "mxfp4_moe"),
        ("x.gguf", {"general.file_type": 999}, "x", "q8_0"),
    ],
)
def test_a_file_is_called_what_its_metadata_says(
    built: Path, tmp_path: Path, name: str, keys: dict[str, Any], model: str, scheme: str
) -> None:
    file = gguf_file.inspect(copied(built, tmp_path / name, keys, OURS))
    assert (file.model, file.scheme, file.architecture) == (model, scheme, "llama")
    assert file.size_label == keys.get("general.size_label") and file.bytes == (tmp_path / name).stat().st_size


def test_a_file_that_was_built_here_keeps_its_name_and_scheme_wherever_it_goes(built: Path, tmp_path: Path) -> None:
    file = gguf_file.inspect(Path(shutil.copy(built, tmp_path / "other.gguf")))
    assert (file.model, file.scheme) == ("tiny", "q8_0")


@given(st.text())
def test_every_name_is_made_safe_for_a_folder_on_any_system(name: str) -> None:
    safe = gguf_file.safe(name)
    assert len(safe) <= 80 and not safe.startswith(".") and not safe.endswith(".") and safe == safe.lower()
    assert set(safe) <= set("abcdefghijklmnopqrstuvwxyz0123456789._+-")
    assert gguf_file.safe(safe) == safe


# ---- parts ------------------------------------------------------------------------------------------------


def test_a_split_model_is_one_whichever_part_is_named(built: Path, tmp_path: Path) -> None:
    copied(built, tmp_path / "split.gguf", {"general.name": "Split 1B"}, OURS, parts=3)
    parts = sorted(tmp_path.glob("split-*.gguf"))
    files = [gguf_file.inspect(part) for part in parts]
    assert len(parts) == 3 and {file.paths for file in files} == {tuple(parts)}
    assert (files[0].model, files[0].scheme) == ("split-1b", "q8_0")
    assert files[0].bytes == sum(part.stat().st_size for part in parts)


def test_the_hash_of_a_split_model_does_not_hang_on_its_name(built: Path, tmp_path: Path) -> None:
    copied(built, tmp_path / "split.gguf", parts=2)
    parts = sorted(tmp_path.glob("split-*.gguf"))
    before = digest.of_files(parts)
    renamed = [part.rename(tmp_path / part.name.replace("split", "other")) for part in parts]
    assert digest.of_files(renamed) == before != digest.of_files(renamed[::-1])


def test_a_missing_part_is_named(built: Path, tmp_path: Path) -> None:
    copied(built, tmp_path / "split.gguf", parts=3)
    (tmp_path / "split-00002-of-00003.gguf").unlink()
    for number in (1, 3):
        with pytest.raises(VerifyError, match=r"parts of a model: split-00002-of-00003\.gguf missing"):
            gguf_file.inspect(tmp_path / f"split-0000{number}-of-00003.gguf")


def test_parts_of_two_models_or_without_their_names_are_no_model(built: Path, tmp_path: Path) -> None:
    copied(built, tmp_path / "split.gguf", parts=2)
    first, second = sorted(tmp_path.glob("split-*.gguf"))
    shutil.copy(first, tmp_path / "renamed.gguf")
    with pytest.raises(VerifyError, match="its name does not say which"):
        gguf_file.inspect(tmp_path / "renamed.gguf")
    shutil.copy(first, second)
    with pytest.raises(VerifyError, match="is not part 2 of 2"):
        gguf_file.inspect(first)


# ---- what cannot judge ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"general.type": "adapter"}, "a LoRA adapter"),
        ({"general.type": "mmproj"}, "projector"),
        ({"general.architecture": "clip"}, "projector"),
        ({"general.type": "imatrix"}, "an importance matrix"),
        ({"imatrix.chunk_count": 3}, "an importance matrix"),
        ({"general.architecture": "nomic-bert"}, "an embedding model"),
        ({"general.architecture": "bert"}, "an embedding model"),
        ({"llama.pooling_type": 3}, "an embedding model"),
        ({"llama.attention.causal": False}, "an embedding model"),
        ({"llama.pooling_type": 4}, "a reranker"),
        ({"general.architecture": "t5"}, "an encoder-decoder model"),
        ({"general.architecture": "llada"}, "a diffusion model"),
    ],
)
def test_a_gguf_that_is_no_judge_is_called_what_it_is(
    built: Path, tmp_path: Path, keys: dict[str, Any], said: str
) -> None:
    with pytest.raises(VerifyError, match=said):
        gguf_file.inspect(copied(built, tmp_path / "odd.gguf", keys))


def test_a_vocabulary_without_weights_is_no_judge_and_an_unused_pooling_is_no_obstacle(
    built: Path, tmp_path: Path
) -> None:
    with pytest.raises(VerifyError, match="a vocabulary and no weights"):
        gguf_file.inspect(copied(built, tmp_path / "vocab.gguf", tensors=False))
    assert gguf_file.inspect(copied(built, tmp_path / "none.gguf", {"llama.pooling_type": 0})).model == "tiny"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 4368438944\n", "pointer to a file of 4,368"),
        (b"<!DOCTYPE html>\n<html>", "an HTML page"),
        (b"\n<html lang=en>", "an HTML page"),
        (b'\x10\0\0\0\0\0\0\0{"a":{"dtype"', "a safetensors file"),
        (b"PK\x03\x04more", "a zip archive or a PyTorch checkpoint"),
        (b"\x80\x02}q\x00", "a Python pickle"),
        (b'{"error": "access denied"}', "JSON text"),
        (b"\x1f\x8b\x08\0", "a gzip archive"),
        (b"tjgg\x01\0\0\0", "from before GGUF"),
        (b"\0" * 100, "all zeros"),
        (b"not a model", "begins with b'not a mo'"),
        (b"GGUF\0\0\0\x03" + bytes(16), "big-endian"),
        (b"GGUF\x01\0\0\0" + bytes(16), "version 2 or 3, it has version 1"),
        (b"GGUF\x03\0", "truncated: it ends within its header, after 6 bytes"),
    ],
)
def test_a_file_that_is_no_gguf_is_called_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "odd.gguf").write_bytes(content)
    with pytest.raises(VerifyError, match=said):
        gguf_file.inspect(tmp_path / "odd.gguf")


# ---- a header that claims what the file does not hold -----------------------------------------------------


def test_a_truncated_file_says_how_many_bytes_are_missing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(content[:-1000])
    with pytest.raises(VerifyError, match="1,000 are missing"):
        gguf_file.inspect(tmp_path / "cut.gguf")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"blk.0.attn_k.weight", b"blk.0.attn_q.weight", "holds the tensor 'blk.0.attn_q.weight' twice"),
        (b"general.name", b"general.type", "holds a key twice"),
    ],
)
def test_a_name_that_stands_twice_is_refused(content: bytes, tmp_path: Path, old: bytes, new: bytes, said: str) -> None:
    assert content.count(old) == 1
    (tmp_path / "odd.gguf").write_bytes(content.replace(old, new))
    with pytest.raises(VerifyError, match=said):
        gguf_file.inspect(tmp_path / "odd.gguf")


def test_pairs_that_are_named_twice_are_refused(tmp_path: Path) -> None:
    other = pairs_seen.KEY[::-1]
    (first,), path = pairs_seen.fields(["a"]), tmp_path / "odd.gguf"
    container.write_header(path, "llama", [first, replace(first, key=other)], [])
    path.write_bytes(path.read_bytes().replace(other.encode(), pairs_seen.KEY.encode()))
    with pytest.raises(VerifyError, match="holds a key twice"):
        pairs_seen.of_file(path)


def test_a_tensor_that_is_not_where_it_must_be_is_refused(content: bytes, tmp_path: Path) -> None:
    name = b"blk.0.attn_k.weight"
    offset = content.index(name) + len(name) + 4 + 16 + 4  # after the number of dimensions, two of them, the type
    for wrong in (0, 1, 1 << 62):
        (tmp_path / "odd.gguf").write_bytes(content[:offset] + wrong.to_bytes(8, "little") + content[offset + 8 :])
        with pytest.raises(VerifyError, match=r"attn_k\.weight' is at byte"):
            gguf_file.inspect(tmp_path / "odd.gguf")


def test_other_alignments_are_read_and_impossible_ones_refused(built: Path, tmp_path: Path) -> None:
    for alignment in (0, 3, 48):
        with pytest.raises(VerifyError, match=r"general\.alignment"):
            gguf_file.inspect(copied(built, tmp_path / "odd.gguf", {"general.alignment": alignment}))


@given(st.data())
def test_whatever_happened_to_a_header_it_is_read_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    spoilt, path = bytearray(content[:20_000]), tmp_path_factory.getbasetemp() / "spoilt.gguf"
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))]) + content[20_000:])
    try:
        file = gguf_file.inspect(path)
    except VerifyError as error:
        assert len(str(error)) < 1000
    else:
        assert file.model and gguf_file.safe(file.model) == file.model
