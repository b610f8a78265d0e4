"""The first opening of a file in a process of its own: llama.cpp's first complaint is told, and only the child ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checkpoints import make_checkpoint, quantized, qwen2_config
from gguf import GGUFReader
from gguf_elsewhere import copied, recurrent

from edge_judge.engine.probe import complaint, probe
from edge_judge.errors import ModelError

TOKENS = "tokenizer.ggml.tokens"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probe")
    make_checkpoint(folder / "model", qwen2_config(num_hidden_layers=1, hidden_size=32, intermediate_size=32))
    return quantized(folder / "model", "f16", folder / "tiny.gguf").path


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        probe(path)
    assert caught.value.hint and "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_that_works_passes(built: Path) -> None:
    probe(built)


def test_an_unknown_architecture_is_llama_cpp_s_first_complaint(built: Path, tmp_path: Path) -> None:
    said = refused(copied(built, tmp_path / "odd.gguf", {"general.architecture": "quetzal"}))
    assert said.endswith("unknown model architecture: 'quetzal'")


def test_a_failed_assertion_of_llama_cpp_s_is_one_line_and_ends_only_the_child(built: Path, tmp_path: Path) -> None:
    tokens = list(GGUFReader(built).fields[TOKENS].contents())
    said = refused(copied(built, tmp_path / "odd.gguf", {TOKENS: [*tokens[:5], tokens[4], *tokens[6:]]}))
    assert "its own check `" in said and "llama-vocab.cpp:" in said
    assert "GGML_ASSERT" not in said and "/" not in said.split("odd.gguf:")[1]


def test_weights_that_are_not_numbers_are_told(built: Path, tmp_path: Path) -> None:
    reader = GGUFReader(copied(built, tmp_path / "odd.gguf"), "r+")
    (norm,) = [tensor for tensor in reader.tensors if tensor.name == "output_norm.weight"]
    norm.data[:] = np.nan
    reader.data.flush()
    assert "not numbers" in refused(tmp_path / "odd.gguf")


def test_a_recurrent_model_is_refused_because_prompts_could_not_share_its_state(built: Path, tmp_path: Path) -> None:
    assert "a recurrent model" in refused(recurrent(built, tmp_path / "mamba.gguf"))


@pytest.mark.parametrize(
    ("written", "code", "said"),
    [
        ("probe: first\nprobe: second\n", 1, "first"),
        ("noise\n/a/b c/ggml.c:12: GGML_ASSERT(x > 0) failed\n", -6, "its own check `x > 0` failed (ggml.c:12)"),
        ("/a/llama-graph.cpp:7: not implemented\n", -6, "not implemented"),
        ("terminate called after throwing\n  what():  bad thing\n", -6, "bad thing"),
        ("", -11, "its process ended with signal 11 and said nothing"),
        ("", 3, "its process ended with code 3 and said nothing"),
    ],
)
def test_the_first_complaint_is_what_is_told(written: str, code: int, said: str) -> None:
    assert complaint(written, code) == said
