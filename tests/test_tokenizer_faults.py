"""GGUF files from elsewhere whose tokenizer data cannot be trusted: each fault is told, a sound file has none."""

import pytest

from edge_judge.engine.tokenizer_faults import faults

SOUND = {
    "general.architecture": "qwen2",
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "qwen2",
    "tokenizer.ggml.add_bos_token": "false",
}


def found(changes, *, tokens=151936, begins_with_bos=False):
    values = {key: value for key, value in (SOUND | changes).items() if value is not None}
    return list(faults(values.get, tokens=tokens, begins_with_bos=begins_with_bos))


def test_a_sound_file_has_no_fault():
    assert found({}) == []
    assert found({"general.architecture": "llama", "tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": None}) == []
    assert found({"general.architecture": "llama", "tokenizer.ggml.pre": "llama-bpe"}, tokens=128256) == []
    assert found({"general.architecture": "new", "tokenizer.ggml.pre": "new"}) == []


@pytest.mark.parametrize("pre", [None, "default"])
def test_a_pre_tokenizer_that_is_not_named_is_a_fault(pre):
    (fault,) = found({"tokenizer.ggml.pre": pre})
    assert "its pre-tokenizer is not recorded" in fault


@pytest.mark.parametrize(
    ("changes", "tokens", "expected"),
    [
        ({"tokenizer.ggml.pre": "gpt-2"}, 151936, "qwen2"),
        ({"general.architecture": "qwen3", "tokenizer.ggml.pre": "llama-bpe"}, 151936, "qwen2"),
        ({"general.architecture": "llama", "tokenizer.ggml.pre": "smaug-bpe"}, 128256, "llama-bpe"),
        ({"general.architecture": "chatglm", "tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default"}, 65024,
         "chatglm-spm"),
    ],
)  # fmt: skip
def test_a_pre_tokenizer_that_no_such_model_has_is_a_fault(changes, tokens, expected):
    (fault,) = found(changes, tokens=tokens)
    assert f"models like this have '{expected}'" in fault


def test_a_file_that_leaves_its_first_token_open_is_faulty_unless_the_template_writes_it():
    changes = {"tokenizer.ggml.add_bos_token": None, "tokenizer.ggml.bos_token_id": "1"}
    (fault,) = found(changes)
    assert "whether a text begins with its bos token is not recorded" in fault
    assert found(changes, begins_with_bos=True) == []
    assert found(changes | {"tokenizer.ggml.bos_token_id": None}) == []
