"""Small random checkpoints of the families whose tensors have names of their own, and SentencePiece
tokenizers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

SPM_TEXT = [
    "the quick brown fox jumps over the lazy dog",
    "I'm sure it's 12345 or 3.14",
    "我想在apple工作1314151天",
    "aesop and esop",
    "def f(x):\n    return x**2",
] * 10


def internlm2_config(**changes: object) -> dict[str, Any]:
    return {
        "architectures": ["InternLM2ForCausalLM"],
        "model_type": "internlm2",
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "vocab_size": 480,
        "rope_theta": 1e6,
        "rope_scaling": {"type": "dynamic", "factor": 2.0},
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
        "bias": False,
    } | changes


def chatglm_config(**changes: object) -> dict[str, Any]:
    return {
        "_name_or_path": "THUDM/chatglm3-6b",
        "architectures": ["ChatGLMModel"],
        "model_type": "chatglm",
        "hidden_size": 256,
        "ffn_hidden_size": 352,
        "num_layers": 2,
        "num_attention_heads": 8,
        "kv_channels": 32,
        "multi_query_attention": True,
        "multi_query_group_num": 2,
        "padded_vocab_size": 480,
        "layernorm_epsilon": 1e-5,
        "seq_length": 512,
        "add_qkv_bias": True,
        "add_bias_linear": False,
        "rmsnorm": True,
        "post_layer_norm": True,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
    } | changes


def _makers(seed: int) -> tuple[Callable[[int, int], np.ndarray], Callable[[int], np.ndarray]]:
    rng = np.random.default_rng(seed)
    return (
        lambda rows, width: rng.standard_normal((rows, width), dtype=np.float32) / np.float32(width**0.5),
        lambda length: rng.standard_normal(length, dtype=np.float32) * np.float32(0.2),
    )


def internlm2_tensors(config: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    matrix, vector = _makers(seed)
    d, ff, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    tensors = {
        "model.tok_embeddings.weight": matrix(vocab, d) * 8,
        "model.norm.weight": vector(d) + 1,
        "output.weight": matrix(vocab, d),
    }
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}."
        tensors |= {
            at + "attention_norm.weight": vector(d) + 1,
            at + "ffn_norm.weight": vector(d) + 1,
            at + "attention.wqkv.weight": matrix((heads + 2 * groups) * d // heads, d),
            at + "attention.wo.weight": matrix(d, d),
            at + "feed_forward.w1.weight": matrix(ff, d),
            at + "feed_forward.w3.weight": matrix(ff, d),
            at + "feed_forward.w2.weight": matrix(d, ff),
        }
    return tensors


def chatglm_tensors(config: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    matrix, vector = _makers(seed)
    d, ff, vocab = config["hidden_size"], config["ffn_hidden_size"], config["padded_vocab_size"]
    qkv = (config["num_attention_heads"] + 2 * config["multi_query_group_num"]) * config["kv_channels"]
    tensors = {
        "transformer.embedding.word_embeddings.weight": matrix(vocab, d) * 8,
        "transformer.rotary_pos_emb.inv_freq": vector(8),
        "transformer.encoder.final_layernorm.weight": vector(d) + 1,
        "transformer.output_layer.weight": matrix(vocab, d),
    }
    for i in range(config["num_layers"]):
        at = f"transformer.encoder.layers.{i}."
        tensors |= {
            at + "input_layernorm.weight": vector(d) + 1,
            at + "post_attention_layernorm.weight": vector(d) + 1,
            at + "self_attention.query_key_value.weight": matrix(qkv, d),
            at + "self_attention.query_key_value.bias": vector(qkv),
            at + "self_attention.dense.weight": matrix(d, d),
            at + "mlp.dense_h_to_4h.weight": matrix(2 * ff, d),
            at + "mlp.dense_4h_to_h.weight": matrix(d, ff),
        }
    return tensors


@cache
def spm_model(add_dummy_prefix: bool = True, symbols: tuple[str, ...] = ()) -> bytes:
    """A trained SentencePiece BPE model of at most 440 pieces, with byte fallback."""
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SPM_TEXT),
        model_writer=out,
        vocab_size=440,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.99,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=add_dummy_prefix,
        user_defined_symbols=list(symbols),
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return out.getvalue()


def write_spm_tokenizer(folder: Path, model: bytes | None = None, **settings: object) -> None:
    (folder / "tokenizer.model").write_bytes(model or spm_model())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
