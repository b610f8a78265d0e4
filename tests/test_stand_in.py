"""A stand-in has a model's true shape and types, loads in llama.cpp, computes finite logits, and is no model."""

from pathlib import Path

import numpy as np
import pytest
from checkpoints import llama_config, qwen2_config
from families import chatglm_config, internlm2_config
from oracle import gguf_values, llama_logits, llama_tokens

from quantize import architectures, container, disk, lock, schemes, stand_in
from quantize.architectures.blueprint import Field
from quantize.config import Config
from quantize.errors import PackError, VerifyError, VocabularyError

VOCABS = Path(__file__).resolve().parents[2] / "shared" / "vocabs"
QWEN_05B = {  # Qwen1.5-0.5B's config.json, but for the sizes
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "rope_theta": 1e6,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 32768,
    "vocab_size": 1519,
    "tie_word_embeddings": False,
}
SHAPES = {
    "llama": llama_config(),
    "nanbeige": llama_config(architectures=["NanbeigeForCausalLM"], model_type="nanbeige"),
    "qwen2": qwen2_config(),
    "qwen2-tied": QWEN_05B | {"tie_word_embeddings": True},
    "qwen2-0.5b": QWEN_05B,
    "internlm2": internlm2_config(),
    "chatglm": chatglm_config(),
}
PROMPT = [5, 300, 17, 200, 8, 9, 250]


def made(folder, config, scheme="q4_k_m", **more):
    return stand_in.write(Config(config, "config.json"), scheme, folder / "made.gguf", **more)


@pytest.mark.parametrize("name", SHAPES)
def test_every_family_loads_and_computes_finite_logits_that_differ_from_token_to_token(name, tmp_path):
    logits = llama_logits(made(tmp_path, SHAPES[name]), PROMPT)
    assert np.isfinite(logits).all()
    assert 0.01 < logits.std() < 10
    assert np.unique(logits[-1]).size > 200


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("scheme", ["q4_k_m", "q8_0", "f16"])
def test_names_shapes_and_types_are_those_that_the_model_would_have(name, scheme, tmp_path):
    blueprint = architectures.blueprint(Config(SHAPES[name], "config.json"))
    path = made(tmp_path, SHAPES[name], scheme)
    header = container.read_header(path)
    assert tuple((tensor.name, tensor.ggml_type) for tensor in header.tensors) == schemes.plan(blueprint, scheme).types
    assert [tensor.shape for tensor in header.tensors] == [target.shape for target in blueprint.targets]
    assert header.values["edge_judge.stand_in"] is True
    expected = {field.key: pytest.approx(field.value) for field in blueprint.fields}
    assert {key: header.values[key] for key in expected} == expected
    assert path.stat().st_size == header.end


@pytest.mark.parametrize("scheme", ["q2_k", "iq2_xxs", "iq4_xs", "tq1_0", "bf16"])
def test_a_scheme_that_asks_for_importances_needs_none_here(scheme, tmp_path):
    path = made(tmp_path, QWEN_05B, scheme)
    assert np.isfinite(llama_logits(path, PROMPT)).all()


def test_each_published_model_has_a_shape_that_a_stand_in_can_take():
    for model in lock.read().models:
        if model.repo is not None:
            config = Config({**model.config, "architectures": [model.model_class]}, model.name)
            assert len(stand_in.synthetic_vocabulary(architectures.blueprint(config).vocabulary)) > 0


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path):
    first = made(tmp_path, QWEN_05B).read_bytes()
    assert made(tmp_path, QWEN_05B).read_bytes() == first
    assert made(tmp_path, QWEN_05B, seed=1).read_bytes() != first


def test_the_made_up_vocabulary_has_a_token_for_every_byte_and_a_chat_format(tmp_path):
    path = made(tmp_path, QWEN_05B, "q4_0")
    text = "Hi, 世界 \x00\n<|im_end|>"
    ids = llama_tokens(path, text, special=False)
    assert len(ids) == len(text.encode()) and max(ids) < 256
    assert llama_tokens(path, "<|im_end|>", special=True) == [257]
    assert "<|im_start|>" in gguf_values(path)["tokenizer.chat_template"]


@pytest.mark.skipif(not VOCABS.is_dir(), reason=f"no published vocabularies at {VOCABS}")
@pytest.mark.parametrize(("file", "rows"), [("deepseek-llm", 102400), ("llama-spm", 32128)])
def test_a_real_vocabulary_cuts_text_as_its_file_does_and_is_filled_up(file, rows, tmp_path):
    vocabulary = VOCABS / f"ggml-vocab-{file}.gguf"
    config = llama_config(vocab_size=rows, num_hidden_layers=1)
    path = made(tmp_path, config, "q4_0", vocabulary=vocabulary)
    for text in ("I'm sure it's 12345 or 3.14", "我想在apple工作\n\n  x"):
        assert llama_tokens(path, text, special=False) == llama_tokens(vocabulary, text, special=False)
    theirs, ours = (container.read_fields(source, "tokenizer.ggml.tokens")[0].value for source in (vocabulary, path))
    assert len(ours) == rows and ours[: len(theirs)] == theirs
    assert np.isfinite(llama_logits(path, PROMPT)).all()


@pytest.mark.parametrize(
    ("write", "error", "words"),
    [
        (lambda path: path.write_bytes(b"GGUF"), VerifyError, "ends within its header"),
        (lambda path: container.write_header(path, "llama", (), ()), VocabularyError, "has no vocabulary"),
    ],
)
def test_a_file_without_a_vocabulary_is_refused_and_nothing_is_written(write, error, words, tmp_path):
    write(tmp_path / "vocabulary.gguf")
    with pytest.raises(error, match=words):
        made(tmp_path, QWEN_05B, vocabulary=tmp_path / "vocabulary.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["vocabulary.gguf"]


@pytest.mark.parametrize(
    ("key", "kind", "value", "words"),
    [
        ("tokens", "int32", (1, 2), "tokens is of type int32, expected string"),
        ("token_type", "string", (b"x", b"y"), "token_type is of type string, expected int32"),
        ("scores", "uint8", (1, 2), "scores is of type uint8, expected float32"),
    ],
)
def test_a_vocabulary_of_other_types_is_refused(key, kind, value, words, tmp_path):
    fields = {"tokens": Field("tokenizer.ggml.tokens", "string", (b"x", b"y"))}
    fields[key] = Field(f"tokenizer.ggml.{key}", kind, value)
    container.write_header(tmp_path / "vocabulary.gguf", "llama", fields.values(), ())
    with pytest.raises(VocabularyError, match=words):
        made(tmp_path, QWEN_05B, vocabulary=tmp_path / "vocabulary.gguf")


def test_a_vocabulary_that_is_larger_than_the_model_s_is_refused(tmp_path):
    large = made(tmp_path, QWEN_05B).rename(tmp_path / "large.gguf")
    with pytest.raises(VocabularyError, match="has 1519 tokens, a model of this shape has only 320"):
        made(tmp_path, llama_config(), vocabulary=large)
    with pytest.raises(VocabularyError, match="cannot hold every byte"):
        made(tmp_path, llama_config(vocab_size=200))


def test_a_disk_without_room_is_told_before_anything_is_written_and_leaves_what_was_there(tmp_path, monkeypatch):
    before = made(tmp_path, QWEN_05B).read_bytes()
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 70_000_000}))
    with pytest.raises(PackError, match="has 70 MB free, random weights of this shape need"):
        made(tmp_path, QWEN_05B | {"vocab_size": 151936})
    assert [path.name for path in tmp_path.iterdir()] == ["made.gguf"]
    assert (tmp_path / "made.gguf").read_bytes() == before


def test_an_interrupt_while_it_is_written_leaves_nothing(tmp_path):
    def interrupt(progress):
        assert progress.bytes_done <= progress.bytes
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, QWEN_05B, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_fields_are_read_back_as_they_were_written(tmp_path):
    made(tmp_path, QWEN_05B, "q4_0")
    fields = container.read_fields(tmp_path / "made.gguf", "")
    theirs = gguf_values(tmp_path / "made.gguf").items()
    expected = {key: value for key, value in theirs if not key.startswith("GGUF")}
    assert {field.key: _plain(field.value) for field in fields} == expected


def _plain(value):
    if isinstance(value, tuple):
        return [item.decode() if isinstance(item, bytes) else item for item in value]
    return value
