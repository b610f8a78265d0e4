"""Small random checkpoints and tokenizers, as a hub would hold them, for tests.

Written with other code than the package reads with.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

QWEN2_REGEX = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_REGEX = QWEN2_REGEX.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "I'm sure it's 12345 or 3.14",
    "def f(x):\n    return x**2",
] * 3


def llama_config(**changes: object) -> dict[str, object]:
    config: dict[str, object] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "vocab_size": 320,
        "rope_theta": 10000.0,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
    }
    return {k: v for k, v in (config | changes).items() if v is not None}


def qwen2_config(**changes: object) -> dict[str, object]:
    return llama_config(
        **{
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "num_key_value_heads": 8,
            "rope_theta": 1e6,
            "rms_norm_eps": 1e-6,
        }
        | changes
    )


def tensors_of(config: dict, seed: int = 0) -> dict[str, np.ndarray]:
    """Random float32 tensors under the names a Hugging Face llama or qwen2 checkpoint uses."""
    rng = np.random.default_rng(seed)
    d, ff, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    heads = config["num_attention_heads"]
    dim = config.get("head_dim", d // heads)
    q, kv = heads * dim, config.get("num_key_value_heads", heads) * dim

    def matrix(rows: int, width: int) -> np.ndarray:
        return rng.standard_normal((rows, width), dtype=np.float32) / np.float32(width**0.5)

    def vector(length: int) -> np.ndarray:
        return rng.standard_normal(length, dtype=np.float32) * np.float32(0.2)

    tensors = {"model.embed_tokens.weight": matrix(vocab, d) * 8, "model.norm.weight": vector(d) + 1}
    if not config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = matrix(vocab, d)
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}."
        tensors |= {
            at + "input_layernorm.weight": vector(d) + 1,
            at + "post_attention_layernorm.weight": vector(d) + 1,
            at + "self_attn.q_proj.weight": matrix(q, d),
            at + "self_attn.k_proj.weight": matrix(kv, d),
            at + "self_attn.v_proj.weight": matrix(kv, d),
            at + "self_attn.o_proj.weight": matrix(d, q),
            at + "mlp.gate_proj.weight": matrix(ff, d),
            at + "mlp.up_proj.weight": matrix(ff, d),
            at + "mlp.down_proj.weight": matrix(d, ff),
        }
        if config["model_type"] == "qwen2" or config.get("attention_bias"):
            tensors |= {at + f"self_attn.{n}_proj.bias": vector(q if n == "q" else kv) for n in "qkv"}
        if config.get("attention_bias"):
            tensors[at + "self_attn.o_proj.bias"] = vector(d)
    return tensors


def bf16_bytes(values: np.ndarray) -> bytes:
    """Round float32 to bfloat16, to nearest even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def write_safetensors(path: Path, tensors: dict[str, np.ndarray], dtype: str = "bf16") -> None:
    pack = {
        "bf16": bf16_bytes,
        "f16": lambda a: a.astype("<f2").tobytes(),
        "f32": lambda a: a.astype("<f4").tobytes(),
    }[dtype]
    header, data = {}, b""
    for name, array in tensors.items():
        packed = pack(array)
        span = [len(data), len(data) + len(packed)]
        header[name] = {"dtype": dtype.upper(), "shape": list(array.shape), "data_offsets": span}
        data += packed
    path.write_bytes(safetensors_bytes(header, data))


def safetensors_bytes(header: object, data: bytes) -> bytes:
    """A safetensors file of any header, also a wrong one."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def write_weights(folder: Path, tensors: dict[str, np.ndarray], dtype: str = "bf16", shards: int = 1) -> None:
    if shards == 1:
        write_safetensors(folder / "model.safetensors", tensors, dtype)
        return
    names, placement = sorted(tensors), {}
    for s in range(shards):
        file = f"model-{s + 1:05}-of-{shards:05}.safetensors"
        part = names[s * len(names) // shards : (s + 1) * len(names) // shards]
        write_safetensors(folder / file, {n: tensors[n] for n in part}, dtype)
        placement |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": placement}))


def write_bytelevel_tokenizer(folder: Path, regex: str | None = QWEN2_REGEX, size: int = 300) -> None:
    """A trained byte-level BPE with ChatML tokens; `regex` None stands for GPT-2's built-in cut."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex is None)
    split = [] if regex is None else [pre_tokenizers.Split(Regex(regex), "isolated")]
    tokenizer = Tokenizer(models.BPE(ignore_merges=regex == LLAMA3_REGEX))
    tokenizer.normalizer = normalizers.NFC() if regex == QWEN2_REGEX else None
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*split, level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens(["<plain>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "add_bos_token": False,
        "chat_template": CHATML,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def make_checkpoint(
    folder: Path,
    config: dict[str, object],
    *,
    dtype: str = "bf16",
    shards: int = 1,
    seed: int = 0,
    regex: str | None = QWEN2_REGEX,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    write_weights(folder, tensors_of(config, seed), dtype, shards)
    write_bytelevel_tokenizer(folder, regex)
    return folder


def quantized(folder: Path, scheme: str, out: Path, *, name: str = "tiny", origin=None, **options):
    """Build `out` from a checkpoint folder."""
    from quantize import build
    from quantize.metadata import Provenance

    source = build.FolderSource(folder, name, origin or Provenance())
    return build.quantize(source, scheme, build.BuildOptions(out, **options))
