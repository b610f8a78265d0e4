"""Against llama.cpp's own converter and llama-quantize: the same tensors, and the same keys but for the argued ones."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkpoints import LLAMA3_REGEX, QWEN2_REGEX, llama_config, make_checkpoint, quantized, qwen2_config, write_weights
from families import (
    chatglm_config,
    chatglm_tensors,
    internlm2_config,
    internlm2_tensors,
    spm_model,
    write_spm_tokenizer,
)
from llama_source import llama_source
from oracle import gguf_tensors, gguf_values, llama_quantize
from test_remote import as_bin

from quantize import schemes

pytest.importorskip("sentencepiece", reason="the converter reads tokenizer.model with sentencepiece")

# Keys that may differ, and why ours says something else or more.
ARGUED = {
    "general.name": "the converter guesses it from the folder's name",
    "general.basename": "guessed from the folder's name",
    "general.organization": "guessed from the name",
    "general.finetune": "guessed from the folder's name",
    "general.version": "guessed from the folder's name",
    "general.size_label": "the converter derives it from the folder's name where it can",
    "general.source.repo_url": "only ours knows the source",
    "general.source.url": "only ours knows the source",
    "*.vocab_size": "the converter leaves it out for some families; it is the number of tokens",
    "*.rope.dimension_count": "left out where it is llama.cpp's default: the whole head",
    "*.rope.freq_base": "left out where config.json leaves it out; ours writes llama.cpp's default, 10000",
    "tokenizer.ggml.add_space_prefix": "left out for most families; ours writes what tokenizer.model says",
    "tokenizer.ggml.add_bos_token": "left out where it is llama.cpp's default",
    "tokenizer.ggml.add_eos_token": "left out where it is llama.cpp's default",
    "tokenizer.ggml.add_sep_token": "means nothing for these families",
    "tokenizer.ggml.scores": "tokens outside tokenizer.model: ours puts them below every piece (quantize/vocab/spm.py)",
    "tokenizer.ggml.eot_token_id": "ours names chatglm's end of turn, which the converter leaves out",
    "tokenizer.ggml.eom_token_id": "ours names chatglm's second end of turn",
    "tokenizer.chat_template": "ours supplies chatglm's, where its files have none",
}
# internlm2's NUL, for which the converter puts a stand-in that takes a character away
TEXTS_ARGUED = {("\x00", "🐉")}

ENDS = {"bos_token_id": 1, "eos_token_id": 2}
CASES = {
    "llama-gqa": llama_config(num_hidden_layers=2),
    "llama-mha-bias": llama_config(num_hidden_layers=2, num_key_value_heads=8, attention_bias=True, rope_theta=None),
    "llama-3.1": llama_config(
        num_hidden_layers=1,
        num_attention_heads=4,
        rope_theta=5e5,
        rope_scaling={
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    ),
    "llama-spm": llama_config(num_hidden_layers=2, vocab_size=480, **ENDS),
    "nanbeige": llama_config(num_hidden_layers=1, architectures=["NanbeigeForCausalLM"], model_type="nanbeige"),
    "qwen2": qwen2_config(num_hidden_layers=2, intermediate_size=352),
    "qwen2-tied": qwen2_config(num_hidden_layers=2, tie_word_embeddings=True),
    "internlm2": internlm2_config(**ENDS),
    "chatglm": chatglm_config(),
}
LLAMA_3 = ("llama-gqa", "llama-3.1")  # with its splitting of words
VARIANTS = [("bf16", 1, False), ("f16", 2, False), ("f16", 2, True)]


def make(folder, case, dtype, shards, binary):
    config = dict(CASES[case])
    if case in ("internlm2", "chatglm"):
        from sentencepiece import SentencePieceProcessor

        folder.mkdir()
        model = spm_model(False, ("[UNUSED_TOKEN_145]",)) if case == "internlm2" else spm_model()
        if case == "internlm2":  # there the converter wants exactly as many rows as pieces
            config |= {"vocab_size": SentencePieceProcessor(model_proto=model).vocab_size()}
        (folder / "config.json").write_text(json.dumps(config))
        tensors = (internlm2_tensors if case == "internlm2" else chatglm_tensors)(config)
        write_weights(folder, tensors, dtype, shards)
        names = {"eos_token": "</s>", "bos_token": "<s>"} if case == "internlm2" else {}
        write_spm_tokenizer(folder, model, **names)
    else:
        make_checkpoint(folder, config, dtype=dtype, shards=shards, regex=regex_of(case))
        if case == "llama-spm":
            (folder / "tokenizer.json").unlink()
            write_spm_tokenizer(folder, bos_token="<s>", eos_token="</s>", add_bos_token=True, chat_template="{{ x }}")
            (folder / "added_tokens.json").write_text(json.dumps({"[PAD]": 470}))
    if binary:
        as_bin(folder)
    return folder


def regex_of(case):
    return LLAMA3_REGEX if case in LLAMA_3 else QWEN2_REGEX


def convert(model, out, kind, case):
    script = Path(__file__).with_name("converter_run.py")
    pre = "llama-bpe" if case in LLAMA_3 else "qwen2"
    done = subprocess.run(
        [sys.executable, str(script), str(llama_source()), str(model), str(out), kind, pre],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return out


@pytest.mark.parametrize("case", CASES)
def test_tensors_and_keys_are_those_of_the_converter(case, tmp_path):
    model = make(tmp_path / "model", case, "bf16", 1, False)
    theirs = convert(model, tmp_path / "theirs.gguf", "f32", case)
    ours = quantized(model, "f32", tmp_path / "ours.gguf", name="model").path
    assert gguf_tensors(ours) == gguf_tensors(theirs)
    compare_keys(gguf_values(ours), gguf_values(theirs))


def compare_keys(ours, theirs):
    def allowed(key):
        return key in ARGUED or f"*.{key.partition('.')[2]}" in ARGUED or key.startswith(("edge_judge.", "GGUF."))

    assert [k for k in theirs if k not in ours and not allowed(k)] == []
    assert [k for k in ours if k not in theirs and not allowed(k)] == []
    for key in ours.keys() & theirs.keys():
        if key == "tokenizer.ggml.tokens":
            different = {(a, b) for a, b in zip(ours[key], theirs[key], strict=True) if a != b}
            assert different <= TEXTS_ARGUED
        elif key == "tokenizer.ggml.scores":
            kinds = np.array(ours["tokenizer.ggml.token_type"])
            plain = (kinds == 1) | (kinds == 6)
            np.testing.assert_allclose(np.array(ours[key])[plain], np.array(theirs[key])[plain])
        elif key == "tokenizer.ggml.token_type":
            changed = {(a, b) for a, b in zip(ours[key], theirs[key], strict=True) if a != b}
            assert changed <= {(4, 1)}  # a piece the user defined: llama.cpp would otherwise never find it whole
        elif not allowed(key):
            assert ours[key] == theirs[key], key


@pytest.mark.parametrize(("dtype", "shards", "binary"), VARIANTS)
@pytest.mark.parametrize("case", ["llama-mha-bias", "qwen2", "internlm2", "chatglm"])
def test_half_precision_files_are_those_of_the_converter(case, dtype, shards, binary, tmp_path):
    model = make(tmp_path / "model", case, dtype, shards, binary)
    for kind in ("f16", "bf16"):
        theirs = convert(model, tmp_path / "theirs.gguf", kind, case)
        ours = quantized(model, kind, tmp_path / "ours.gguf", name="model").path
        assert gguf_tensors(ours) == gguf_tensors(theirs)


@pytest.mark.parametrize("case", ["llama-gqa", "qwen2", "internlm2", "chatglm"])
def test_one_pass_gives_what_the_official_two_steps_give(case, tmp_path):
    model = make(tmp_path / "model", case, "bf16", 2, False)
    wide = convert(model, tmp_path / "wide.gguf", "bf16", case)
    for scheme in ("q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0", "iq4_xs", "q3_k_m", "q2_k"):
        llama_quantize(wide, tmp_path / "theirs.gguf", schemes.SCHEMES[scheme])
        ours = quantized(model, scheme, tmp_path / "ours.gguf", name="model").path
        assert gguf_tensors(ours) == gguf_tensors(tmp_path / "theirs.gguf"), scheme
