"""Plain torch arithmetic of the model families, straight from a checkpoint's tensors: what the logits should
be.

Follows the papers (RMSNorm, RoFormer's rotation by halves, SwiGLU, grouped-query attention), not any library.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def decoder_logits(config: dict[str, Any], tensors: dict[str, np.ndarray], tokens: list[int]) -> np.ndarray:
    """Logits (tokens, vocabulary) of a llama-, qwen2- or qwen3-shaped model in float64."""
    import torch

    t = {n: torch.from_numpy(a.astype(np.float64)) for n, a in tensors.items()}
    heads, eps = config["num_attention_heads"], config["rms_norm_eps"]
    groups = config.get("num_key_value_heads", heads)
    dim = config.get("head_dim", config["hidden_size"] // heads)
    frequencies = rope_frequencies(config, dim)
    x = t["model.embed_tokens.weight"][tokens]
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}."

        def project(name: str, y: Any, at: str = at) -> Any:
            out = y @ t[at + name + ".weight"].T
            return out + t[at + name + ".bias"] if at + name + ".bias" in t else out

        def rotated(letter: str, y: Any, count: int, at: str = at) -> Any:
            out = project(f"self_attn.{letter}_proj", y).view(len(tokens), count, dim)
            norm = t.get(f"{at}self_attn.{letter}_norm.weight")
            return rotate(out if norm is None else rms_norm(out, norm, eps), frequencies)

        y = rms_norm(x, t[at + "input_layernorm.weight"], eps)
        q, k = rotated("q", y, heads), rotated("k", y, groups)
        v = project("self_attn.v_proj", y).view(len(tokens), groups, dim)
        x = x + project("self_attn.o_proj", attend(q, k, v).reshape(len(tokens), heads * dim))
        y = rms_norm(x, t[at + "post_attention_layernorm.weight"], eps)
        gate = torch.nn.functional.silu(project("mlp.gate_proj", y))
        x = x + project("mlp.down_proj", gate * project("mlp.up_proj", y))
    x = rms_norm(x, t["model.norm.weight"], eps)
    head = t["model.embed_tokens.weight"] if config["tie_word_embeddings"] else t["lm_head.weight"]
    return (x @ head.T).numpy()


def rms_norm(x: Any, weight: Any, eps: float) -> Any:
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight


def rope_frequencies(config: dict[str, Any], dim: int) -> Any:
    """Radians per position (dim / 2,), with Llama 3.1's scaling: waves that are longer than the length trained on are
    slowed down by the factor, short ones are not, and between the two 1 / wavelength decides.
    """
    import torch

    frequencies = config["rope_theta"] ** (-torch.arange(dim // 2, dtype=torch.float64) / (dim // 2))
    scaling = config.get("rope_scaling") or {}
    if scaling.get("rope_type") != "llama3":
        return frequencies
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    waves = scaling["original_max_position_embeddings"] * frequencies / (2 * torch.pi)  # in the length trained on
    kept = ((waves - low) / (high - low)).clamp(0, 1)
    return frequencies * (kept + (1 - kept) / scaling["factor"])


def rotate(x: Any, frequencies: Any) -> Any:
    """RoPE over halves: x has shape (positions, heads, dim), frequencies (dim / 2,)."""
    import torch

    half = x.shape[-1] // 2
    angle = torch.arange(len(x), dtype=x.dtype)[:, None] * frequencies
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    return torch.cat([x[..., :half] * cos - x[..., half:] * sin, x[..., half:] * cos + x[..., :half] * sin], -1)


def attend(q: Any, k: Any, v: Any) -> Any:
    """Causal attention; q (positions, heads, dim), k and v (positions, groups, dim)."""
    import torch

    k, v = (y.repeat_interleave(q.shape[1] // y.shape[1], 1) for y in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q, k) / q.shape[-1] ** 0.5
    scores = scores.masked_fill(torch.ones(scores.shape[1:]).triu(1).bool(), float("-inf"))
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), v)


def internlm2_logits(config: dict[str, Any], tensors: dict[str, np.ndarray], tokens: list[int]) -> np.ndarray:
    """Logits of an internlm2 model: its fused matrix taken apart group by group, then as any decoder."""
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    dim, each = config["hidden_size"] // heads, heads // groups
    names = {
        "tok_embeddings": "embed_tokens", "attention_norm": "input_layernorm",
        "attention.wo": "self_attn.o_proj",
        "ffn_norm": "post_attention_layernorm", "feed_forward.w1": "mlp.gate_proj",
        "feed_forward.w2": "mlp.down_proj", "feed_forward.w3": "mlp.up_proj",
    }  # fmt: skip
    plain = {}
    for name, array in tensors.items():
        if "wqkv" in name:
            parts = np.split(array.reshape(groups, each + 2, dim, -1), [each, each + 1], axis=1)
            for letter, part in zip("qkv", parts, strict=True):
                target = name.replace("attention.wqkv", f"self_attn.{letter}_proj")
                plain[target] = part.reshape(-1, array.shape[1])
            continue
        for old, new in names.items():
            name = name.replace(old, new)
        plain["lm_head.weight" if name == "output.weight" else name] = array
    return decoder_logits(config, plain, tokens)


def chatglm_logits(config: dict[str, Any], tensors: dict[str, np.ndarray], tokens: list[int]) -> np.ndarray:
    """Logits of a ChatGLM3 model: fused matrices, and neighbours rotated in the first half of each head."""
    import torch

    t = {n: torch.from_numpy(a.astype(np.float64)) for n, a in tensors.items()}
    heads, groups, dim = config["num_attention_heads"], config["multi_query_group_num"], config["kv_channels"]
    eps, n = config["layernorm_epsilon"], len(tokens)
    x = t["transformer.embedding.word_embeddings.weight"][tokens]
    for i in range(config["num_layers"]):
        at = f"transformer.encoder.layers.{i}."
        fused = at + "self_attention.query_key_value."
        qkv = rms_norm(x, t[at + "input_layernorm.weight"], eps) @ t[fused + "weight"].T + t[fused + "bias"]
        q, k, v = qkv.split([heads * dim, groups * dim, groups * dim], -1)
        q, k = (rotate_neighbours(y.reshape(n, -1, dim), dim // 2, 10000.0) for y in (q, k))
        mixed = attend(q, k, v.reshape(n, groups, dim)).reshape(n, -1)
        x = x + mixed @ t[at + "self_attention.dense.weight"].T
        y = rms_norm(x, t[at + "post_attention_layernorm.weight"], eps)
        gate, up = (y @ t[at + "mlp.dense_h_to_4h.weight"].T).chunk(2, -1)
        x = x + (torch.nn.functional.silu(gate) * up) @ t[at + "mlp.dense_4h_to_h.weight"].T
    x = rms_norm(x, t["transformer.encoder.final_layernorm.weight"], eps)
    return (x @ t["transformer.output_layer.weight"].T).numpy()


def rotate_neighbours(x: Any, dims: int, theta: float) -> Any:
    """RoPE over neighbouring pairs of the first `dims` dimensions: x has shape (positions, heads, dim)."""
    import torch

    turn = theta ** (-torch.arange(dims // 2, dtype=x.dtype) / (dims // 2))
    angle = (torch.arange(len(x), dtype=x.dtype)[:, None] * turn)[:, None]
    even, odd = x[..., 0:dims:2], x[..., 1:dims:2]
    pairs = [even * angle.cos() - odd * angle.sin(), odd * angle.cos() + even * angle.sin()]
    return torch.cat([torch.stack(pairs, -1).flatten(-2), x[..., dims:]], -1)
