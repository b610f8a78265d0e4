"""GGUF files as others make them: copies with other metadata, split ones, and one by llama.cpp's own converter."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from checkpoints import write_bytelevel_tokenizer, write_weights
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from llama_source import llama_source

STABLELM = {
    "architectures": ["StableLmForCausalLM"], "model_type": "stablelm", "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 320,
    "partial_rotary_factor": 0.25, "rope_theta": 10000.0, "layer_norm_eps": 1e-5, "use_parallel_residual": False,
    "max_position_embeddings": 2048, "tie_word_embeddings": False, "use_qkv_bias": False, "hidden_act": "silu",
}  # fmt: skip


def copied(
    source: Path,
    out: Path,
    changes: Mapping[str, Any] | None = None,
    without: tuple[str, ...] = (),
    *,
    tensors: bool = True,
    parts: int = 1,
) -> Path:
    """A copy written by the gguf package. changes: keys with other values; without: beginnings of keys that are left
    out; parts: about how many files, of which the first is returned.
    """
    reader, changes = GGUFReader(source), dict(changes or {})
    architecture = changes.pop("general.architecture", reader.fields["general.architecture"].contents())
    most = -(-len(reader.tensors) // parts) if parts > 1 else 0
    writer = GGUFWriter(out, architecture, split_max_tensors=most)
    for key, field in reader.fields.items():
        if key.startswith(("GGUF.", "general.architecture", *without)) or key in changes:
            continue
        kinds = field.types
        writer.add_key_value(key, field.contents(), kinds[0], sub_type=kinds[-1] if len(kinds) > 1 else None)
    for key, value in changes.items():
        kinds = {str: GGUFValueType.STRING, bool: GGUFValueType.BOOL, int: GGUFValueType.UINT32}
        if isinstance(value, list):
            writer.add_key_value(key, value, GGUFValueType.ARRAY, sub_type=kinds[type(value[0])])
        else:
            writer.add_key_value(key, value, kinds[type(value)])
    for tensor in reader.tensors if tensors else ():
        writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out if parts == 1 else sorted(out.parent.glob(f"{out.stem}-00001-of-*.gguf"))[0]


def converted(folder: Path, kind: str, out: Path) -> Path:
    """A GGUF by llama.cpp's own converter, of an architecture that `quantize` cannot convert; random weights. Skips the
    test where the converter cannot run.
    """
    source = llama_source()
    if not folder.exists():
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(STABLELM))
        write_weights(folder, _stablelm())
        write_bytelevel_tokenizer(folder)
    script = Path(__file__).with_name("converter_run.py")
    command = [sys.executable, script, source, folder, out, kind, "qwen2"]
    done = subprocess.run(list(map(str, command)), capture_output=True, encoding="utf-8", timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def _stablelm() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    width, wide, vocabulary = 64, 128, 320

    def matrix(rows: int, columns: int) -> np.ndarray:
        return rng.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}.weight": np.ones(width, np.float32), f"{name}.bias": np.zeros(width, np.float32)}

    tensors = {"model.embed_tokens.weight": matrix(vocabulary, width) * 8, "lm_head.weight": matrix(vocabulary, width)}
    tensors |= norm("model.norm")
    for layer in range(2):
        at = f"model.layers.{layer}."
        tensors |= norm(at + "input_layernorm") | norm(at + "post_attention_layernorm")
        tensors |= {f"{at}self_attn.{name}_proj.weight": matrix(width, width) for name in "qkvo"}
        tensors |= {f"{at}mlp.{name}_proj.weight": matrix(wide, width) for name in ("gate", "up")}
        tensors[f"{at}mlp.down_proj.weight"] = matrix(width, wide)
    return tensors


def recurrent(source: Path, out: Path) -> Path:
    """A small mamba with random weights and the vocabulary of another file: a model whose state is not per token."""
    reader, rng = GGUFReader(source), np.random.default_rng(3)
    width, inner, state, rank, kernel = 32, 64, 16, 8, 4
    writer = GGUFWriter(out, "mamba")
    for key, field in reader.fields.items():
        if key.startswith("tokenizer."):
            kinds = field.types
            writer.add_key_value(key, field.contents(), kinds[0], sub_type=kinds[-1] if len(kinds) > 1 else None)
    sizes = {
        "context_length": 2048, "embedding_length": width, "feed_forward_length": 0, "block_count": 1,
        "attention.head_count": 0, "ssm.conv_kernel": kernel, "ssm.inner_size": inner, "ssm.state_size": state,
        "ssm.time_step_rank": rank,
    }  # fmt: skip
    for key, value in sizes.items():
        writer.add_uint32(f"mamba.{key}", value)
    writer.add_float32("mamba.attention.layer_norm_rms_epsilon", 1e-5)
    rows = len(reader.fields["tokenizer.ggml.tokens"].contents())
    shapes = {
        "token_embd.weight": (rows, width), "output_norm.weight": (width,), "blk.0.attn_norm.weight": (width,),
        "blk.0.ssm_in.weight": (2 * inner, width), "blk.0.ssm_conv1d.weight": (inner, kernel),
        "blk.0.ssm_conv1d.bias": (inner,), "blk.0.ssm_x.weight": (rank + 2 * state, inner),
        "blk.0.ssm_dt.weight": (inner, rank), "blk.0.ssm_dt.bias": (inner,), "blk.0.ssm_a": (inner, state),
        "blk.0.ssm_d": (inner,), "blk.0.ssm_out.weight": (width, inner),
    }  # fmt: skip
    for name, shape in shapes.items():
        writer.add_tensor(name, -np.abs(rng.standard_normal(shape, dtype=np.float32)) * np.float32(0.1))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out
